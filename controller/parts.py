"""All parts of a controller, made and handed to each other. It opens nothing, listens nowhere."""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
import uuid
from datetime import UTC, datetime

from controller import accession, keys, regime
from controller.bookkeeping import Bookkeeper, Rhythm
from controller.core.model import Quote
from controller.core.options import economics
from controller.curtailments import Curtailments
from controller.desk import LiveDesk
from controller.dispatch import Dispatch
from controller.feeds import assembly
from controller.fleet import OUTCOMES_REMEMBERED_MAX, Fleet
from controller.foresight import Foresight, Pace
from controller.metrics.snapshot import ControllerSnapshot
from controller.metrics.switches import SwitchTimes
from controller.operations import Operations
from controller.peaks import Peaks
from controller.policies import Policies
from controller.policyfile import Policy
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.rollout import Rollout
from controller.sessions import Sessions
from controller.settings import Settings, price_clock
from controller.store.sql import SqlStore
from controller.suppositions import Suppositions
from wire.transport import FleetLink


class Controller:
    """All parts of a controller, wired."""

    def __init__(
        self, settings: Settings, store: SqlStore, link: FleetLink, own: keys.Keys
    ) -> None:
        clock = price_clock(settings.replay)
        speed = settings.replay.speed if settings.replay else 1.0
        self._settings = settings
        self.clock = clock
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
        self.bookkeeper = Bookkeeper(
            store,
            Rhythm(prices=clock, monotonic=time.monotonic, tick_s=settings.tick_s, speed=speed),
            issued=self.fleet.assignments,
            market=self._market,
            policy=lambda: self.regime.policy.settings,
            classes=lambda: {rig: one.rig_class for rig, one in self.fleet.records.items()},
            bills=self.peaks.bills,
        )
        self.regime = regime.Regime(
            policy,
            settings.farm,
            spent=self._spent(policy),
            around=regime.Surroundings(
                foresight=lambda: self.foresight.sites,
                grid_orders=store.grid_orders,
                surcharges=self.peaks.surcharges,
                delivered=lambda: self.bookkeeper.deliveries.shares,
                attendance=self.bookkeeper.attendance,
            ),
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
        self.suppositions = Suppositions(
            self.regime, self.reconciler, settings.farm, self.prices.quotes
        )
        self.curtailments = Curtailments(
            store,
            [site.name for site in settings.farm.sites],
            now=time.time,
            new_id=_short_id,
            poke=self.reconciler.poke,
        )

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
            now=self.clock(),
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
