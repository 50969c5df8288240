"""The simulated controller: the real one over a store that survives it, and an operator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from controller import sessions
from controller.core.contracts import cover
from controller.core.model import GroupKey, GroupView, Hold, Plan, RigRecord
from controller.core.optimiser.roster import Roster
from controller.core.options import economics
from controller.core.options.standing import holds_in_force
from controller.core.planning import planner
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import Timing
from controller.core.rollout import RolloutSettings
from controller.dispatch import Dispatch
from controller.fleet import Fleet, FleetSettings
from controller.foresight import Foresight, Pace
from controller.ports import Scene
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.rollout import Rollout
from tests.sim.checks import contracts as promises
from tests.sim.checks import controller as checks
from tests.sim.faults import CALM_S, Schedule
from tests.sim.hardware import now_s
from tests.sim.ledger import RETRY_FAILED_S, SimStore
from tests.sim.listening import CheckedSessions
from tests.sim.market import BANDS, EPOCH, FARM, POLICY, RULES, STALE_AFTER_S, SWITCHES_MAX, SimFeed
from tests.sim.network import SimNetwork
from tests.sim.trace import Trace
from tests.sim.witness import Witness
from wire.signing import Signer

LEASE_S = 7.5
TICK_S = 8.0
OFFLINE_AFTER_S = 8.0
POLL_S = 4.0
HOLD_S = 6.0
"""How long an operator's whim lasts."""

LOOKS_AHEAD_ONE_IN = 16
"""Of so many controllers one looks ahead; the others go by payback, and move more often."""

SOON_S = 0.2
AWAY_S_MAX = 15.0
"""Longest absence of a controller that died."""


class CheckedRollout(Rollout):
    """The shipped one; what it lets through is looked at before it is carried out."""

    def __init__(self, check: Callable[[Plan, Sequence[GroupView]], None]) -> None:
        super().__init__(RolloutSettings)
        self._check = check

    def admit(self, plan: Plan, views: Sequence[GroupView], holds: Sequence[Hold]) -> Plan:
        """See `controller.rollout.Rollout`."""
        admitted = super().admit(plan, views, holds)
        self._check(admitted, views)
        return admitted


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
        self.foresight: Foresight | None = None
        self.deaths = 0
        self._wall_offset_s = 0.0
        self._clock_was_set = False
        self._schedule = schedule
        self._network = network
        self._signer = signer
        self._trace = trace
        self._witness = witness
        self._orders = 0
        self._holds = 0
        self._repaired_s: dict[GroupKey, float] = {}
        self._back_s = 0.0
        """It stays away at least until then."""
        ahead = schedule.seed % LOOKS_AHEAD_ONE_IN == 0
        timing = Timing.LOOK_AHEAD if ahead else Timing.PAYBACK
        self._policy = replace(POLICY, timing=timing, contracts=schedule.contracts)
        self._rng = random.Random(f"{schedule.seed}/controller")
        self._roster = Roster()
        self._task: asyncio.Task[None] | None = None
        for rig in schedule.rig_names:
            self.store.put_rig(
                RigRecord(
                    rig=rig,
                    site="here",
                    rig_class=schedule.classes.get(rig, "any"),
                    labels={},
                    public_key="",
                )
            )

    async def live(self) -> None:
        """Run, and be started again whenever it dies. Until cancelled."""
        while True:
            self._task = asyncio.create_task(self._serve(), name="controller")
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()
            if not self._task.cancelled() and (error := self._task.exception()) is not None:
                raise error
            self.deaths += 1
            self.fleet = self.reconciler = None
            away_s = self._rng.uniform(SOON_S, AWAY_S_MAX)
            await asyncio.sleep(min(away_s, max(SOON_S, CALM_S - now_s())))
            await asyncio.sleep(self._back_s - now_s())

    def kill(self) -> None:
        """kill -9: all that is not in the store is forgotten."""
        if self._task is not None and not self._task.done():
            self._network.fleet_link()
            self._task.cancel()

    def lose_store(self) -> None:
        """The store is gone; until it is replaced, all that was sent before has expired."""
        self.kill()
        self._back_s = now_s() + sessions.TTL_S + 1.0
        self.store.lose()

    def set_clock(self, by_s: float) -> None:
        """Somebody, or NTP, sets the wall clock."""
        self._wall_offset_s += by_s
        self._clock_was_set = True

    def hold_something(self) -> None:
        """An operator's word on one group, for a while."""
        rig = self._rng.choice(self._schedule.rig_names)
        self.hold(GroupKey(rig, "g0"), self._rng.choice(["coin", "chat", "spare", None]))

    def calm(self) -> None:
        """Nothing more goes wrong from here on, and the operator lets go of everything."""
        for hold in self.store.holds():
            self.store.remove_hold(hold.hold_id)

    def repair(self, key: GroupKey) -> None:
        """An operator sees a failed group, has mended what was wrong, and says what to run."""
        now = now_s()
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
                breaks_lock=self._holds % 2 == 0,
            )
        )
        if self.reconciler is not None:
            self.reconciler.poke()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        hearing = CheckedSessions(self._network, self._signer, loop.time, self._witness, self.store)
        settings = FleetSettings(offline_after_s=OFFLINE_AFTER_S, retry_failed_s=RETRY_FAILED_S)
        self.fleet = Fleet(self.store, hearing, settings, now=self._wall)
        self._roster = Roster()
        dispatch = Dispatch(self.fleet, hearing, lease_s=LEASE_S, clock=loop.time, stamp=lambda: "")
        prices = Prices([self.feed], RULES, clock=self._wall, interval_s=POLL_S)
        self.foresight = foresight = Foresight(
            self.store,
            FARM.sites,
            Pace(self._wall, self._policy.timing_tick_s),
            market=lambda: economics.market(FARM, prices.quotes()),
            views=self.fleet.views,
        )
        self.reconciler = Reconciler(
            fleet=self.fleet,
            sessions=hearing,
            dispatch=dispatch,
            prices=prices,
            decide=self._decide,
            rollout=CheckedRollout(self._check_contracts),
            ambience=Ambience(
                wall=self._wall,
                monotonic=loop.time,
                prices=self._wall,
                new_id=self._new_id,
                tick_s=TICK_S,
            ),
        )
        await prices.look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(prices.run())
            if self._policy.timing is Timing.LOOK_AHEAD:
                tasks.create_task(foresight.run())
            tasks.create_task(self.reconciler.run())

    def _decide(self, scene: Scene) -> Plan:
        assert self.foresight is not None
        situation = planner.Situation(
            views=cover.freed(scene.views, self._policy),
            quotes=scene.quotes,
            holds=scene.holds,
            policy=self._policy,
            farm=FARM,
            now=scene.now,
            foresight=self.foresight.sites,
        )
        plan = planner.plan(situation, self._roster)
        for decision in plan.decisions:
            if decision.moves:
                self._trace.note(f"plan {decision.key} {decision.current} → {decision.chosen}")
        self._check(situation, plan)
        return plan

    def _check(self, situation: planner.Situation, plan: Plan) -> None:
        witness = self._witness
        witness(checks.believable(situation.quotes, BANDS))
        silent_s = now_s() - self.feed.spoke_s
        witness(checks.current(situation.quotes, silent_s, STALE_AFTER_S))
        holds = holds_in_force(self.store.holds(), self._wall())
        for decision, view in zip(plan.decisions, situation.views, strict=True):
            offered = [offer.name for offer in view.offer.workloads]
            hold = holds.get(decision.key)
            witness(checks.obeyed(decision, view, hold, offered))
            witness(checks.movable(decision, view, hold))
            witness(checks.lock_respected(decision, view, hold))
            # A clock that was set may make a failure older than it is: no great harm.
            timely = not self._clock_was_set
            if timely and hold is None and decision.moves and view.status is not None:
                failed_at = self.store.failed_at(decision.key, decision.chosen)
                if failed_at is not None and decision.chosen != view.status.active:
                    ago_s = self._wall() - failed_at
                    witness(checks.not_again(decision.chosen, ago_s, RETRY_FAILED_S))
        witness(checks.within_limit(situation.views, plan.decisions, set(holds), SWITCHES_MAX))

    def owed(self) -> list[ContractSettings]:
        """Contracts that are in force by the controller's clock."""
        return [one for one in self._policy.contracts if one.in_force(self._wall())]

    def _check_contracts(self, plan: Plan, views: Sequence[GroupView]) -> None:
        """Of what is carried out: no contract is left, starved or hushed up."""
        holds = dict(holds_in_force(self.store.holds(), self._wall()))
        for contract in self._policy.contracts:
            if not contract.in_force(plan.at):
                continue
            left = promises.left(contract, plan, views)
            for decision, view in zip(plan.decisions, views, strict=True):
                hold = holds.get(view.key)
                self._witness(promises.kept(decision, view, hold, contract, left))
            self._witness(promises.fetched(contract, plan, views, holds))
            self._witness(promises.told(contract, plan, views))

    def _wall(self) -> float:
        return EPOCH + now_s() + self._wall_offset_s

    def _new_id(self) -> str:
        self._orders += 1
        return f"order-{self._orders}"
