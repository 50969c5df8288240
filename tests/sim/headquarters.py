"""The simulated controller: the real one over a store that survives it, prices that move, and
an operator."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from controller.core import planner
from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.model import Hold, Observation, Plan, RigRecord
from controller.core.plausibility import Cautious, QuoteRules
from controller.core.policy import PolicySettings, SwitchCost
from controller.dispatch import Dispatch
from controller.fleet import Fleet, FleetSettings
from controller.ports import Event, FeedError, StoredAssignment, StoredOutcome, StoreError
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.sessions import Sessions
from controller.store.memory import MemoryStore
from tests.sim.faults import Schedule
from tests.sim.rigs import WORKLOADS, Trace
from wire.memory import MemoryNetwork
from wire.model import Kind
from wire.signing import Signer

EPOCH = 1_700_000_000.0
LEASE_S = 30.0
SWITCHES_MAX = 2

FARM = FarmSettings(
    sites=(SiteSettings(name="here", power="power", demand_groups="demand"),),
    earnings=(
        EarningSettings(workload="coin", kind=Kind.MINING, revenue="coin", gpu_power_w=300),
        EarningSettings(workload="spare", kind=Kind.MINING, revenue="spare", gpu_power_w=250),
        EarningSettings(
            workload="chat", kind=Kind.INFERENCE, revenue="rental", gpu_power_w=400, gpu_idle_w=50
        ),
    ),
    rig_classes=(RigClassSettings(name="any", gpu_off_w=20),),
)
POLICY = PolicySettings(
    margin_usd_per_h=0.002,
    off_band_usd_per_h=0.002,
    dwell_s=5.0,
    payback_s=86_400.0,
    mining_switch=SwitchCost(cost_usd=0.0, duration_s=5.0),
    inference_switch=SwitchCost(cost_usd=0.0, duration_s=5.0),
    switches_max=SWITCHES_MAX,
)
BANDS = {
    "power": (-0.5, 1.0),
    "coin": (0.0, 1.0),
    "spare": (0.0, 1.0),
    "rental": (0.0, 5.0),
    "demand": (0.0, 100.0),
}
RULES = {
    series: QuoteRules(
        unit="usd",
        stale_after_s=120.0,
        min=low,
        max=high,
        rises_persist_s=0.0,
        cautious=Cautious.HIGH if series == "power" else Cautious.LOW,
    )
    for series, (low, high) in BANDS.items()
}


class SimStore(MemoryStore):
    """Durable over the controller's deaths; its disk can be full."""

    refusal: str | None = None

    def put_assignments(self, assignments: Sequence[StoredAssignment]) -> None:
        """See `controller.ports.Store`."""
        self._check()
        super().put_assignments(assignments)

    def put_outcomes(self, outcomes: Sequence[StoredOutcome]) -> list[StoredOutcome]:
        """See `controller.ports.Store`."""
        self._check()
        return super().put_outcomes(outcomes)

    def add_event(self, event: Event) -> None:
        """See `controller.ports.Store`."""
        self._check()
        super().add_event(event)

    def _check(self) -> None:
        if self.refusal is not None:
            raise StoreError(self.refusal)


class SimFeed:
    """Prices that jump now and then, and a feed that sometimes breaks."""

    name = "sim"

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def observe(self) -> list[Observation]:
        """See `controller.ports.Feed`."""
        now = asyncio.get_running_loop().time()
        turn = int(min(now, self._schedule.calm_s) / self._schedule.price_interval_s)
        rng = random.Random(f"{self._schedule.seed}/price/{turn}")
        if now < self._schedule.calm_s and rng.random() < 0.1:
            raise FeedError("the feed answered text/html")
        values = {
            "power": rng.choice((-0.05, 0.02, 0.08, 0.3)),
            "coin": rng.choice((0.0, 0.02, 0.06)),
            "spare": rng.choice((0.0, 0.02, 0.05)),
            "rental": rng.choice((0.05, 0.3)) * (1e6 if rng.random() < 0.05 else 1.0),
            "demand": rng.choice((0.0, 1.5, 4.0)),
        }
        return [Observation(series, "sim", value, EPOCH + now) for series, value in values.items()]

    async def close(self) -> None:
        """See `controller.ports.Feed`."""


class SimController:
    """A controller that dies and comes back over the same store."""

    def __init__(
        self, schedule: Schedule, network: MemoryNetwork, signer: Signer, trace: Trace
    ) -> None:
        self.store = SimStore()
        self.fleet: Fleet | None = None
        self.reconciler: Reconciler | None = None
        self.deaths = 0
        self._wall_offset_s = 0.0
        self._schedule = schedule
        self._network = network
        self._signer = signer
        self._trace = trace
        self._orders = 0
        self._rng = random.Random(f"{schedule.seed}/controller")
        self._task: asyncio.Task[None] | None = None
        for rig in schedule.rig_names:
            self.store.put_rig(
                RigRecord(rig=rig, site="here", rig_class="any", labels={}, public_key="")
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
            await asyncio.sleep(self._rng.uniform(0.2, 40.0))

    def kill(self) -> None:
        """kill -9: all that is not in the store is forgotten."""
        if self._task is not None and not self._task.done():
            self._network.fleet_link()
            self._task.cancel()

    def step_wall_clock(self, by_s: float) -> None:
        """Somebody, or NTP, sets the wall clock."""
        self._wall_offset_s += by_s

    def hold_something(self) -> None:
        """An operator's word on one group, for a minute."""
        rig = self._rng.choice(self._schedule.rig_names)
        hold = Hold(
            hold_id="hold",
            rig=rig,
            group="g0",
            workload=self._rng.choice([*WORKLOADS, None]),
            owner="operator",
            reason="because",
            created_at=self._wall(),
            expires_at=self._wall() + 60.0,
        )
        self.store.put_hold(hold)
        if self.reconciler is not None:
            self.reconciler.poke()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        sessions = Sessions(self._network.fleet_link(), self._signer, loop.time)
        self.fleet = Fleet(self.store, sessions, FleetSettings(), now=self._wall)
        dispatch = Dispatch(
            self.fleet, sessions, lease_s=LEASE_S, clock=loop.time, stamp=lambda: ""
        )
        prices = Prices([SimFeed(self._schedule)], RULES, clock=self._wall, interval_s=8.0)
        self.reconciler = Reconciler(
            fleet=self.fleet,
            sessions=sessions,
            dispatch=dispatch,
            prices=prices,
            decide=self._decide,
            ambience=Ambience(
                wall=self._wall, monotonic=loop.time, prices=self._wall, new_id=self._new_id
            ),
            tick_s=10.0,
        )
        await prices.look()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(prices.run())
            tasks.create_task(self.reconciler.run())

    def _decide(self, views, quotes, holds, now) -> Plan:  # type: ignore[no-untyped-def]
        situation = planner.Situation(
            views=views, quotes=quotes, holds=holds, policy=POLICY, farm=FARM, now=now
        )
        plan = planner.plan(situation)
        for decision in plan.decisions:
            if decision.moves:
                self._trace.note(f"plan {decision.key} {decision.current} → {decision.chosen}")
        return plan

    def _wall(self) -> float:
        return EPOCH + asyncio.get_running_loop().time() + self._wall_offset_s

    def _new_id(self) -> str:
        self._orders += 1
        return f"order-{self._orders}"
