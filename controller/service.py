"""Puts a controller together from its settings and runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib.metadata
import signal
import time
import uuid
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from controller import accession, keys, regime
from controller.api import app as api
from controller.api import auth, server
from controller.bookkeeping import Bookkeeper, Rhythm
from controller.connection import connected
from controller.core.model import Quote
from controller.core.options import economics
from controller.curtailments import Curtailments
from controller.desk import LiveDesk
from controller.dispatch import Dispatch
from controller.feeds import assembly
from controller.fleet import OUTCOMES_REMEMBERED_MAX, Fleet
from controller.foresight import Foresight, Pace
from controller.metrics import ControllerSnapshot, Exposition, SwitchTimes
from controller.operations import Operations
from controller.peaks import Peaks
from controller.policies import Policies
from controller.policyfile import Policy
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.rollout import Rollout
from controller.sessions import Sessions
from controller.settings import Settings, price_clock
from controller.statements import Statements
from controller.store.sql import SqlStore
from controller.suppositions import Suppositions
from wire import logs, statedir
from wire.configfile import ConfigError
from wire.transport import FleetLink

OPERATOR = "operator"
"""Whose token is made when there is none."""

STORE = "controller.db"


def open_store(settings: Settings) -> SqlStore:
    """The controller's memory. Raises `StoreError`, `ConfigError`."""
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{settings.state_dir}: {error.strerror}; mend `state_dir`") from error
    return SqlStore.open(settings.state_dir / STORE)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigError: Keys, tokens or a feed cannot be used as configured.
        StoreError: The store cannot be opened.
        LinkError: The rigs' address cannot be bound, or the broker's is malformed.
        ServeError: The API's address cannot be used.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(statedir.claimed(settings.state_dir))
        store = open_store(settings)
        stack.callback(store.close)
        own = keys.load(settings.state_dir)
        inventory: dict[str, str] = {}
        link = await stack.enter_async_context(connected(settings, own, inventory))
        controller = Controller(settings, store, link, own)
        controller.fleet.on_inventory = lambda: _by_key(inventory, controller.fleet)
        controller.fleet.refresh()
        stack.push_async_callback(controller.prices.close)
        serving = await controller.serve()
        stack.push_async_callback(serving.close)
        (settings.state_dir / "api.url").write_text(serving.url + "\n", encoding="utf-8")
        logs.get("controller").info(
            "serving", url=serving.url, token_file=str(token_file(settings)), store=STORE
        )
        await _until_stopped(controller)


def token_file(settings: Settings) -> Path:
    """Where the API's tokens stand."""
    return settings.state_dir / "keys" / "api.tokens"


class Controller:
    """All parts of a controller, wired."""

    def __init__(
        self, settings: Settings, store: SqlStore, link: FleetLink, own: keys.Keys
    ) -> None:
        clock = price_clock(settings.replay)
        speed = settings.replay.speed if settings.replay else 1.0
        self._settings = settings
        self._clock = clock
        self._store = store
        self.sessions = Sessions(link, own.signer, time.monotonic)
        self.fleet = Fleet(
            store, self.sessions, settings.fleet, now=time.time, seconds_per_second=speed
        )
        self.dispatch = Dispatch(
            self.fleet,
            self.sessions,
            lease_s=settings.lease_s,
            clock=time.monotonic,
            stamp=lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self.prices = Prices(
            assembly.feeds(settings.feeds, self._quote, self._announced, clock=clock),
            settings.quotes,
            clock=clock,
            interval_s=settings.feed_interval_s,
        )
        policy = accession.in_force(settings, store, time.time())
        self.foresight = Foresight(
            store,
            settings.farm.sites,
            Pace(clock, policy.settings.timing_tick_s, speed),
            market=self._market,
            views=self.fleet.views,
            announced=self.prices.announced,
        )
        self.peaks = Peaks(
            store,
            settings.farm.sites,
            clock=clock,
            plan=lambda: self.reconciler.newest,
            speed=speed,
        )
        self.regime = regime.Regime(
            policy,
            settings.farm,
            spent=self._spent(policy),
            foresight=lambda: self.foresight.sites,
            grid_orders=store.grid_orders,
            surcharges=self.peaks.surcharges,
            delivered=lambda: self.bookkeeper.deliveries.shares,
        )
        self.bookkeeper = Bookkeeper(
            store,
            Rhythm(prices=clock, monotonic=time.monotonic, tick_s=settings.tick_s, speed=speed),
            issued=self.fleet.assignments,
            market=self._market,
            policy=lambda: self.regime.policy.settings,
            classes=lambda: {rig: one.rig_class for rig, one in self.fleet.records.items()},
        )
        self.reconciler = Reconciler(
            fleet=self.fleet,
            sessions=self.sessions,
            dispatch=self.dispatch,
            prices=self.prices,
            decide=self.regime.decide,
            rollout=Rollout(lambda: self.regime.policy.settings.rollout),
            ambience=Ambience(
                wall=time.time,
                monotonic=time.monotonic,
                prices=clock,
                new_id=lambda: uuid.uuid4().hex,
                tick_s=settings.tick_s,
            ),
        )
        self.switches = SwitchTimes()
        self.reconciler.on_outcome = self.switches.add
        self.reconciler.foresee = self.regime.foresee
        self.reconciler.on_assigned = self.regime.book
        self.reconciler.on_planned = self.bookkeeper.planned
        self.desk = LiveDesk(
            self.reconciler, self.fleet, self.sessions, self.prices, settings.state_dir
        )
        self.operations = Operations(self.desk, store, now=time.time, new_id=_short_id)
        self.operations.desks = lambda: self.regime.policy.settings.desks
        self.policies = Policies(
            self.regime,
            self.reconciler,
            store,
            farm=settings.farm,
            series=settings.quotes,
            now=time.time,
        )

    async def serve(self) -> server.Server:
        """Open the HTTP side. Raises `ConfigError` for the tokens, `ServeError` for the rest."""
        path = token_file(self._settings)
        if not path.exists():
            auth.create(path, OPERATOR)
        exposition = Exposition(self.snapshot)
        app = api.create_app(
            self.operations,
            tokens=auth.load(path),
            metrics=exposition,
            policies=self.policies,
            suppositions=Suppositions(
                self.regime, self.reconciler, self._settings.farm, self.prices.quotes
            ),
            curtailments=Curtailments(
                self._store,
                [site.name for site in self._settings.farm.sites],
                now=time.time,
                new_id=_short_id,
                poke=self.reconciler.poke,
            ),
            statements=Statements(lambda: closing(self._store.reader()), self._clock),
        )
        own = self._settings.api
        return await server.serve(app, own.host, own.port, tls=_tls(self._settings))

    async def run(self) -> None:
        """Poll prices and reconcile until cancelled. Rigs are heard whether or not feeds answer."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.prices.run(), name="prices")
                tasks.create_task(self.foresight.run(), name="foresight")
                tasks.create_task(self.peaks.run(), name="peaks")
                tasks.create_task(self.reconciler.run(), name="reconciler")
        finally:
            self.bookkeeper.write()

    def snapshot(self) -> ControllerSnapshot:
        """What the metrics say now."""
        rigs = [rig for rig in self.fleet.records if self.fleet.admitted(rig)]
        online = sum(self.fleet.online(rig) for rig in rigs)
        caps = {site.name: site.power_cap_w for site in self._settings.farm.sites}
        plan = self.reconciler.newest
        return ControllerSnapshot(
            version=importlib.metadata.version("rigshift"),
            now=self._clock(),
            rigs_online=online,
            rigs_offline=len(rigs) - online,
            views=self.fleet.views(),
            plan=plan,
            plan_duration_s=None if plan is None else self.reconciler.plan_s,
            quotes=self.desk.quotes(),
            holds=len(self.operations.holds()),
            switches=self.switches,
            results=self.bookkeeper.results,
            delivered=self.bookkeeper.deliveries.shares,
            power_cap_w={name: cap for name, cap in caps.items() if cap is not None},
            bills=self.peaks.bills(),
            orders_sent=self.dispatch.sent,
            orders_resent=self.dispatch.resent,
            frames_refused=self.sessions.counts.refused,
        )

    def _quote(self, series: str) -> Quote:
        """What feeds that compute lean on: only what is trusted."""
        return self.prices.quote(series)

    def _market(self) -> economics.Market:
        """At the prices that are trusted now."""
        shares = self.bookkeeper.deliveries.shares
        return economics.market(self._settings.farm, self.prices.quotes(), shares)

    def _announced(self, series: str) -> list[tuple[float, float]]:
        return self.prices.announced(series)

    def _spent(self, policy: Policy) -> list[regime.Spent]:
        """What switches cost in the day before this start; of a replay nothing is known."""
        if self._settings.replay is not None:
            return []
        outcomes = self._store.outcomes(limit=OUTCOMES_REMEMBERED_MAX)
        return regime.remembered(outcomes, policy.settings, self._settings.farm, time.time())


def _short_id() -> str:
    return uuid.uuid4().hex[:8]


def _by_key(inventory: dict[str, str], fleet: Fleet) -> None:
    """Which rig a CURVE key belongs to; a revoked rig's belongs to nobody."""
    inventory.clear()
    inventory.update(
        {record.public_key: rig for rig, record in fleet.records.items() if fleet.admitted(rig)}
    )


def _tls(settings: Settings) -> server.Tls | None:
    cert, key = settings.api.tls_cert_file, settings.api.tls_key_file
    return server.Tls(cert_file=cert, key_file=key) if cert and key else None


async def _until_stopped(controller: Controller) -> None:
    """Work until a signal comes, then leave in order."""
    work = asyncio.create_task(controller.run(), name="controller")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        logs.get("controller").info("stopped")
