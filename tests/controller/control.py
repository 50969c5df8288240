"""The controller's shell over a link in memory, with rigs that say what a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from controller.core.model import (
    Block,
    Decision,
    GroupKey,
    GroupView,
    Hold,
    Plan,
    RigRecord,
)
from controller.core.rollout import RolloutSettings
from controller.dispatch import Dispatch
from controller.fleet import Fleet, FleetSettings
from controller.ports import Scene, StoreError
from controller.prices import Prices
from controller.reconciler import Ambience, Reconciler
from controller.records import Event, Portrait, StoredAssignment, StoredOutcome
from controller.rollout import Rollout
from controller.sessions import Sessions
from controller.store.memory import MemoryStore
from tests.agent.groups import working
from wire import codec, messages, model
from wire.memory import MemoryNetwork
from wire.messages import Down, Up
from wire.model import GroupStatus, Leg, Phase
from wire.signing import Signer, Verifier
from wire.transport import AgentLink, Received

SIGNER = Signer(bytes(range(32)))
VERIFIER = Verifier(SIGNER.public_key)
LEASE_S = 300.0
EPOCH = 1_700_000_000.0
TICK_S = 1.0

PATIENCE_S = 3.0
"""Virtual seconds in which everything that is due has happened."""

OFFERS = tuple(model.WorkloadOffer(name, model.Kind.MINING) for name in ("etc", "llama"))


class FullStore(MemoryStore):
    """A store whose disk a test can fill."""

    refusal = ""
    audit_refusal = ""
    portrait_refusal = ""

    def put_assignments(
        self, assignments: Sequence[StoredAssignment], events: Sequence[Event] = ()
    ) -> None:
        self._check(self.refusal)
        super().put_assignments(assignments, events)

    def put_portraits(self, portraits: Sequence[Portrait]) -> None:
        self._check(self.refusal or self.portrait_refusal)
        super().put_portraits(portraits)

    def put_outcomes(
        self, outcomes: Sequence[StoredOutcome], events: Sequence[Event] = ()
    ) -> list[StoredOutcome]:
        self._check(self.refusal)
        return super().put_outcomes(outcomes, events)

    def add_events(self, events: Sequence[Event]) -> None:
        self._check(self.refusal or self.audit_refusal)
        super().add_events(events)

    def _check(self, refusal: str) -> None:
        if refusal:
            raise StoreError(refusal)


def record(rig: str) -> RigRecord:
    return RigRecord(rig=rig, site="oslo", rig_class="a4000", labels={}, public_key="k")


def up(
    body: messages.UpBody,
    at_s: float,
    *,
    rig: str = "rig-1",
    boot_id: str = "boot-1",
    run_id: str = "run-1",
) -> Received:
    """A frame as the link hands it over."""
    return Received(rig, codec.encode_up(Up(rig, boot_id, run_id, at_s, body)))


def hello(*groups: str) -> messages.Hello:
    offers = tuple(model.GroupOffer(name, (f"GPU-{name}",), OFFERS) for name in groups or ("g0",))
    return messages.Hello("1.0", offers, "http://127.0.0.1:9750/metrics")


def status(
    active: str | None,
    generation: int,
    *,
    phase: Phase | None = None,
    target: str | None = None,
    group: str = "g0",
) -> GroupStatus:
    """What a rig observes of a group; by default at rest."""
    rest = Phase.RUNNING if active else Phase.IDLE
    return GroupStatus(
        group=group,
        phase=phase or rest,
        leg=Leg.FORWARD,
        active=active,
        target=target if phase else active,
        generation=generation,
        since_s=1.0,
    )


def outcome(
    generation: int,
    result: model.Result = model.Result.DONE,
    workload: str | None = "etc",
    *,
    took_s: float = 10.0,
    group: str = "g0",
) -> model.Outcome:
    return model.Outcome(
        order_id=f"order-{generation}",
        group=group,
        generation=generation,
        result=result,
        origin=None,
        workload=workload,
        phase_s=((Phase.PREPARING, 500.0), (Phase.STOPPING, took_s)),
        reason="why not",
    )


class Control:
    """Sessions, fleet, dispatch and reconciler as one controller has them.

    The plan is what the test writes into `wanted`; other groups stay as they are.
    """

    def __init__(
        self, store: FullStore | None = None, network: MemoryNetwork | None = None
    ) -> None:
        self.store = store or FullStore()
        self.network = network or MemoryNetwork()
        self.wanted: dict[GroupKey, str | None] = {}
        self.holds_seen: list[Hold] = []
        self.plans = 0
        self.reason = "it pays most"
        self.settings = FleetSettings(retry_failed_s=100.0, retry_failed_max_s=350.0)
        loop = asyncio.get_running_loop()
        self.sessions = Sessions(self.network.fleet_link(), SIGNER, loop.time)
        self.fleet = Fleet(self.store, self.sessions, self.settings, now=self.now)
        self.dispatch = Dispatch(
            self.fleet, self.sessions, lease_s=LEASE_S, clock=loop.time, stamp=lambda: "now"
        )
        self.prices = Prices([], {}, clock=self.now, interval_s=10.0)
        self._orders = 0
        self.reconciler = Reconciler(
            fleet=self.fleet,
            sessions=self.sessions,
            dispatch=self.dispatch,
            prices=self.prices,
            decide=self._decide,
            rollout=Rollout(RolloutSettings),
            ambience=Ambience(
                wall=self.now,
                monotonic=loop.time,
                prices=self.now,
                new_id=self._new_id,
                tick_s=TICK_S,
            ),
        )

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def enrol(self, *rigs: str) -> None:
        for rig in rigs:
            self.store.put_rig(record(rig))
        self.fleet.refresh()

    def view(self, rig: str = "rig-1", group: str = "g0") -> GroupView:
        return next(v for v in self.fleet.views() if v.key == GroupKey(rig, group))

    def want(self, workload: str | None, rig: str = "rig-1", group: str = "g0") -> None:
        """From now on the plan is this."""
        self.wanted[GroupKey(rig, group)] = workload
        self.reconciler.poke()

    def _decide(self, scene: Scene) -> Plan:
        self.plans += 1
        self.holds_seen = list(scene.holds)
        pins = {GroupKey(hold.rig, hold.group): hold.workload for hold in scene.holds}
        wanted = {**self.wanted, **pins}
        return Plan(
            at=scene.now,
            decisions=tuple(self._decision(view, wanted) for view in scene.views),
            net_usd_per_h=0.0,
            power_w={},
        )

    def _decision(self, view: GroupView, wanted: Mapping[GroupKey, str | None]) -> Decision:
        return Decision(
            key=view.key,
            current=view.assigned,
            chosen=wanted.get(view.key, view.assigned),
            kind=None,
            options=(),
            reason=self.reason,
            blocked=Block.NONE,
            flip_usd_per_h=None,
        )

    def _new_id(self) -> str:
        self._orders += 1
        return f"order-{self._orders}"


class Talker:
    """A rig's end of the link: says what it is told to, and keeps what it hears."""

    def __init__(self, network: MemoryNetwork, rig: str = "rig-1", boot_id: str = "boot-1") -> None:
        self.rig = rig
        self.boot_id = boot_id
        self.run_id = "run-1"
        self.heard: list[Down] = []
        self._link: AgentLink = network.agent_link(rig)
        self._clock_s = 100.0

    async def say(self, body: messages.UpBody) -> None:
        """Send it, a second later than what was said before, and listen."""
        self._clock_s += 1.0
        frame = up(
            body, self._clock_s, rig=self.rig, boot_id=self.boot_id, run_id=self.run_id
        ).frame
        await self._link.send(frame)
        await self.listen()

    async def listen(self, for_s: float = 0.1) -> None:
        """Take in whatever comes for some seconds."""
        try:
            async with asyncio.timeout(for_s):
                while True:
                    frame = await self._link.receive()
                    self.heard.append(codec.decode_down(frame, VERIFIER, self.rig))
        except TimeoutError:
            return

    def orders(self) -> list[messages.Order]:
        return [down.body for down in self.heard if isinstance(down.body, messages.Order)]

    def assigned(self) -> list[tuple[int, str | None]]:
        """Generation and workload of the assignments in the newest order."""
        return [(a.generation, a.workload) for a in self.orders()[-1].assignments]

    def acks(self) -> list[dict[str, int]]:
        return [d.body.through for d in self.heard if isinstance(d.body, messages.OutcomesAck)]

    def welcomes(self) -> int:
        return sum(isinstance(down.body, messages.Welcome) for down in self.heard)


@asynccontextmanager
async def live(
    store: FullStore | None = None, network: MemoryNetwork | None = None
) -> AsyncIterator[Control]:
    """A controller at work that knows `rig-1`."""
    control = Control(store, network)
    control.enrol("rig-1")
    async with working(asyncio.create_task(control.reconciler.run())):
        yield control


async def standing_by(control: Control, active: str | None = None, generation: int = 0) -> Talker:
    """`rig-1`, which has said what it offers and what it does."""
    rig = Talker(control.network)
    await rig.say(hello())
    await rig.say(messages.StateReport((status(active, generation),)))
    return rig
