"""The simulated controller: the real one over a store that survives it, and an operator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

from controller.core import planner
from controller.core.model import GroupKey, GroupView, Hold, Plan, Quote, RigRecord
from controller.core.standing import holds_in_force
from controller.dispatch import Dispatch
from controller.fleet import Fleet, FleetSettings
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.sessions import TTL_S, Sessions
from tests.sim import checks
from tests.sim.checks import Witness
from tests.sim.faults import Schedule
from tests.sim.ledger import RETRY_FAILED_S, SimStore
from tests.sim.market import BANDS, EPOCH, FARM, POLICY, RULES, STALE_AFTER_S, SWITCHES_MAX, SimFeed
from tests.sim.network import Letter, SimNetwork
from tests.sim.trace import Trace
from wire import messages
from wire.signing import Signer
from wire.transport import Received

LEASE_S = 18.0
TICK_S = 5.0
HOLD_S = 20.0
"""How long an operator's whim lasts."""

AWAY_S_MAX = 30.0
"""Longest absence of a controller that died."""


class CheckedSessions(Sessions):
    """Sessions that must not be taken in by any letter."""

    def __init__(
        self, network: SimNetwork, signer: Signer, clock: Callable[[], float], witness: Witness
    ) -> None:
        super().__init__(network.fleet_link(), signer, clock)
        self._now = clock
        self._witness = witness
        self._newest: dict[str, Letter] = {}

    def accept(self, received: Received) -> messages.UpBody | None:
        """See `Sessions`."""
        heard = self._heard_before(received.rig)
        news = super().accept(received)
        letter = received.frame
        if news is None or not isinstance(letter, Letter):
            return news
        self._witness(checks.judged(letter.fault, refused=False))
        # Of a boot that is new, or comes back after a silence, nobody can say how old it is.
        if self.all()[received.rig].boot_id in heard:
            self._check_turn(letter, news)
        self._newest[letter.rig] = letter
        return news

    def _check_turn(self, letter: Letter, news: messages.UpBody) -> None:
        newest = self._newest.get(letter.rig)
        if newest is not None and isinstance(news, messages.Gone):
            # A broker publishes a will late; but only of the run that is the newest.
            self._witness(checks.in_turn(newest.run - 1, letter.run))
        elif newest is not None:
            self._witness(checks.in_turn(newest.number, letter.number))

    def _heard_before(self, rig: str) -> tuple[str, ...]:
        """Boots whose order in time this controller knows."""
        session = self.all().get(rig)
        if session is None:
            return ()
        silent = self._now() - session.heard_at > TTL_S
        return (session.boot_id,) if silent else (session.boot_id, *session.retired)


class SimController:
    """A controller that dies and comes back over the same store."""

    def __init__(
        self,
        schedule: Schedule,
        network: SimNetwork,
        signer: Signer,
        trace: Trace,
        witness: Witness,
    ) -> None:
        self.store = SimStore(witness)
        self.feed = SimFeed(schedule)
        self.fleet: Fleet | None = None
        self.reconciler: Reconciler | None = None
        self.deaths = 0
        self.wall_offset_s = 0.0
        self._schedule = schedule
        self._network = network
        self._signer = signer
        self._trace = trace
        self._witness = witness
        self._orders = 0
        self._holds = 0
        self._repaired_s: dict[GroupKey, float] = {}
        self._absence_s = 0.0
        self._rng = random.Random(f"{schedule.seed}/controller")
        self._task: asyncio.Task[None] | None = None
        for rig in schedule.rig_names:
            self.store.put_rig(
                RigRecord(rig=rig, site="here", rig_class="any", labels={}, public_key="")
            )

    async def live(self) -> None:
        """Run, and be started again whenever it dies. Until cancelled."""
        while True:
            self._absence_s = self._rng.uniform(0.2, AWAY_S_MAX)
            self._task = asyncio.create_task(self._serve(), name="controller")
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
            self.deaths += 1
            await asyncio.sleep(self._absence_s)

    def kill(self) -> None:
        """kill -9: all that is not in the store is forgotten."""
        if self._task is not None and not self._task.done():
            self._network.fleet_link()
            self._task.cancel()

    def lose_store(self) -> None:
        """The store is gone; until it is replaced, all that was sent before has expired."""
        self.kill()
        self._absence_s = TTL_S + 1.0
        self.store.lose()

    def hold_something(self) -> None:
        """An operator's word on one group, for a while."""
        rig = self._rng.choice(self._schedule.rig_names)
        self.hold(GroupKey(rig, "g0"), self._rng.choice(["coin", "chat", "spare", None]))

    def repair(self, key: GroupKey) -> None:
        """An operator sees a failed group, has mended what was wrong, and says what to run."""
        now = asyncio.get_running_loop().time()
        if now - self._repaired_s.get(key, float("-inf")) > HOLD_S:
            self._repaired_s[key] = now
            self.hold(key, "coin")

    def hold(self, key: GroupKey, workload: str | None) -> None:
        """An operator's word, for a while."""
        self._holds += 1
        self.store.put_hold(
            Hold(
                hold_id=f"hold-{self._holds}",
                rig=key.rig,
                group=key.group,
                workload=workload,
                owner="operator",
                reason="because",
                created_at=self._wall(),
                expires_at=self._wall() + HOLD_S,
            )
        )
        if self.reconciler is not None:
            self.reconciler.poke()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        sessions = CheckedSessions(self._network, self._signer, loop.time, self._witness)
        settings = FleetSettings(retry_failed_s=RETRY_FAILED_S)
        self.fleet = Fleet(self.store, sessions, settings, now=self._wall)
        dispatch = Dispatch(
            self.fleet, sessions, lease_s=LEASE_S, clock=loop.time, stamp=lambda: ""
        )
        prices = Prices([self.feed], RULES, clock=self._wall, interval_s=8.0)
        self.reconciler = Reconciler(
            fleet=self.fleet,
            sessions=sessions,
            dispatch=dispatch,
            prices=prices,
            decide=self._decide,
            ambience=Ambience(
                wall=self._wall, monotonic=loop.time, prices=self._wall, new_id=self._new_id
            ),
            tick_s=TICK_S,
        )
        await prices.look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(prices.run())
            tasks.create_task(self.reconciler.run())

    def _decide(
        self,
        views: Sequence[GroupView],
        quotes: Mapping[str, Quote],
        holds: Sequence[Hold],
        now: float,
    ) -> Plan:
        situation = planner.Situation(
            views=views, quotes=quotes, holds=holds, policy=POLICY, farm=FARM, now=now
        )
        plan = planner.plan(situation)
        for decision in plan.decisions:
            if decision.moves:
                self._trace.note(f"plan {decision.key} {decision.current} → {decision.chosen}")
        self._check(situation, plan)
        return plan

    def _check(self, situation: planner.Situation, plan: Plan) -> None:
        loop, witness = asyncio.get_running_loop(), self._witness
        witness(checks.believable(situation.quotes, BANDS))
        silent_s = loop.time() - self.feed.spoke_s
        witness(checks.current(situation.quotes, silent_s, STALE_AFTER_S))
        holds = holds_in_force(self.store.holds(), self._wall())
        for decision, view in zip(plan.decisions, situation.views, strict=True):
            offered = [offer.name for offer in view.offer.workloads]
            hold = holds.get(decision.key)
            witness(checks.obeyed(decision, hold, offered))
            witness(checks.movable(decision, view, hold))
        witness(checks.within_limit(situation.views, plan.decisions, set(holds), SWITCHES_MAX))

    def _wall(self) -> float:
        return EPOCH + asyncio.get_running_loop().time() + self.wall_offset_s

    def _new_id(self) -> str:
        self._orders += 1
        return f"order-{self._orders}"
