"""The control loop: gather → plan → persist → send what differs.

It listens to rigs, plans at every tick and at every poke, makes assignments durable before they
are sent, and keeps the newest plan with its reasons for everyone who asks.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from controller.core.model import Decision, GroupKey, GroupView, Hold, Plan
from controller.core.options import standing
from controller.dispatch import RESEND_S, Dispatch
from controller.fleet import Fleet
from controller.ports import Decide, Scene, StoreError
from controller.prices import Prices
from controller.records import StoredAssignment
from controller.rollout import Rollout
from controller.sessions import Sessions
from wire import logs, messages
from wire.model import OFF, Assignment, Outcome, Phase
from wire.transport import Received

PLAN_GAP_S = 0.2
"""Reports closer together than this are answered by one plan."""

INVENTORY_INTERVAL_S = 2.0
"""How soon an enrolment or a revocation takes effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambience:
    """Time, chance and rhythm of a controller; arguments, so that a simulation owns them."""

    wall: Callable[[], float]
    """Epoch seconds, for holds, audit and people."""
    monotonic: Callable[[], float]
    """Seconds, for silence, leases and pauses."""
    prices: Callable[[], float]
    """Epoch seconds that prices, dwell and payback count by; the wall clock but in a replay."""
    new_id: Callable[[], str]
    """A name that nothing else bears, for an order."""
    tick_s: float
    """At least this often the fleet is planned anew, seconds."""


class Reconciler:
    """Drives the fleet towards the plan. Implements `controller.operations.Desk`'s live half."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        sessions: Sessions,
        dispatch: Dispatch,
        prices: Prices,
        decide: Decide,
        rollout: Rollout,
        ambience: Ambience,
    ) -> None:
        self.newest: Plan | None = None
        self.plan_s = 0.0
        """Seconds that the newest plan took."""
        self.fault = ""
        """Why the newest plan could not be made true; empty when it was."""
        self.on_outcome: Callable[[Outcome], None] = _unheard
        """Told of every outcome that is news."""
        self.foresee = decide
        """What decides for previews, and remembers nothing of them."""
        self.on_assigned: Callable[[Set[GroupKey], Plan], None] = _unnoticed
        """Told which groups a plan has just sent elsewhere, or bound or freed."""
        self.on_planned: Callable[[Plan, Sequence[GroupView]], None] = _unread
        """Told every plan that is in force, with what it was made for."""
        self._store = fleet.store
        self._sessions = sessions
        self._fleet = fleet
        self._dispatch = dispatch
        self._prices = prices
        self._decide = decide
        self._rollout = rollout
        self._ambience = ambience
        self._poked = asyncio.Event()
        self._inventory_at = float("-inf")
        self._holds_seen: Set[str] | None = None
        self._log = logs.get("reconciler")

    def poke(self) -> None:
        """Plan again soon: something has changed."""
        self._poked.set()

    async def run(self) -> None:
        """Listen and reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="reconciler:listen")
            tasks.create_task(self._loop(), name="reconciler:loop")
            tasks.create_task(self._repeat(), name="reconciler:repeat")

    def preview(self, pins: Mapping[GroupKey, str | None], decide: Decide | None = None) -> Plan:
        """What the plan would be with these groups held to these workloads; changes nothing.

        `decide` decides instead of the planner in use, to look at another policy.
        """
        now, wall = self._ambience.prices(), self._ambience.wall()
        left = [h for h in self._holds() if GroupKey(h.rig, h.group) not in pins]
        pinned = [standing.pin(key, workload, wall) for key, workload in pins.items()]
        decide = decide or self.foresee
        return decide(Scene(self._fleet.views(), self._prices.quotes(), left + pinned, now, wall))

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._poked.clear()
            await self.tick()
            await asyncio.sleep(PLAN_GAP_S)
            next_tick = loop.call_later(self._ambience.tick_s, self._poked.set)
            await self._poked.wait()
            next_tick.cancel()

    async def _repeat(self) -> None:
        """Between two plans: repeat what was not observed, renew leases, heed the inventory."""
        while True:
            await asyncio.sleep(RESEND_S)
            with contextlib.suppress(StoreError):  # The next tick will name it.
                self._take_stock()
            await self._dispatch.deliver()

    async def tick(self) -> None:
        """Gather, plan, persist, send: once."""
        try:
            self._take_stock()
            self._reconcile()
        except StoreError as error:
            # Nothing was assigned, so nothing may be sent that is new; leases still are renewed.
            if str(error) != self.fault:
                self._log.error("store refused", error=str(error))
            self.fault = str(error)
        else:
            self.fault = ""
        await self._dispatch.deliver()

    def _take_stock(self) -> None:
        if self._ambience.monotonic() - self._inventory_at >= INVENTORY_INTERVAL_S:
            self._fleet.refresh()
            self._fleet.portraits.flush()
            self._inventory_at = self._ambience.monotonic()

    def _reconcile(self) -> None:
        began, now = self._ambience.monotonic(), self._ambience.prices()
        views = self._fleet.views()
        holds = self._holds()
        wish = self._decide(Scene(views, self._prices.quotes(), holds, now, self._ambience.wall()))
        plan = self._rollout.admit(wish, views, holds)
        self.plan_s = self._ambience.monotonic() - began
        self._assign(plan, {view.key: view for view in views}, self._released(views, holds))
        self._holds_seen = self._heeded(views, holds)
        self.newest = plan
        self.on_planned(plan, views)

    def _assign(
        self, plan: Plan, views: Mapping[GroupKey, GroupView], released: Set[GroupKey]
    ) -> None:
        """Make durable, in one go, whatever the plan changes."""
        fresh = [
            self._assignment(decision, plan.at)
            for decision in plan.decisions
            if self._differs(decision, views[decision.key], released)
        ]
        if not fresh:
            return
        self._fleet.assign(fresh)
        self.on_assigned({stored.key for stored in fresh}, plan)
        for stored in fresh:
            self._log.info(
                "assigned", rig=stored.key.rig, group=stored.key.group,
                workload=stored.assignment.workload or OFF,
                generation=stored.assignment.generation, reason=stored.assignment.reason,
            )  # fmt: skip

    def _differs(self, decision: Decision, view: GroupView, released: Set[GroupKey]) -> bool:
        """Whether the plan changes what holds for a group."""
        # A controller that lost its memory knows only from the rig which generation is new to it.
        return view.status is not None and (
            decision.moves
            or decision.key in released
            or self._forgotten(view)
            or standing.misunderstood(view)
            or _bound_otherwise(decision, view)
        )

    def _forgotten(self, view: GroupView) -> bool:
        """The rig obeys a generation that this controller does not remember."""
        stored = self._fleet.assignments.get(view.key)
        return view.generation > (stored.assignment.generation if stored else 0)

    def _released(self, views: Sequence[GroupView], holds: Sequence[Hold]) -> Set[GroupKey]:
        """Failed groups on which an operator has just put a hold, even to what they had before.

        That is the way out of quarantine. A hold that was there when the group failed is none,
        and neither is one that a controller finds at its start.
        """
        if self._holds_seen is None:
            return frozenset()
        held = {GroupKey(h.rig, h.group) for h in holds if h.hold_id not in self._holds_seen}
        return held & {
            view.key for view in views if view.status and view.status.phase is Phase.FAILED
        }

    def _heeded(self, views: Sequence[GroupView], holds: Sequence[Hold]) -> Set[str]:
        """Holds that are news no more; on a group that has not reported yet they still will be."""
        silent = {view.key for view in views if view.status is None}
        first = self._holds_seen is None
        return {h.hold_id for h in holds if first or GroupKey(h.rig, h.group) not in silent}

    def _assignment(self, decision: Decision, now: float) -> StoredAssignment:
        assignment = Assignment(
            order_id=self._ambience.new_id(),
            group=decision.key.group,
            generation=self._fleet.next_generation(decision.key),
            workload=decision.chosen,
            reason=decision.reason,
            committed=decision.committed,
            breaks_lock=decision.breaks_lock,
        )
        return StoredAssignment(
            key=decision.key, assignment=assignment, created_at=now, cause="plan"
        )

    def _holds(self) -> list[Hold]:
        """Those that stand; they count by the wall clock, whatever prices do."""
        wall = self._ambience.wall()
        return [hold for hold in self._store.holds() if hold.expires_at > wall]

    async def _listen(self) -> None:
        while True:
            received = await self._sessions.receive()
            if self._fleet.admitted(received.rig):
                await self.hear(received)

    async def hear(self, received: Received) -> None:
        """Take in one frame, and answer it where an answer is due."""
        before = self._fleet.moment(received.rig)
        news = self._sessions.accept(received)
        session = self._sessions.all().get(received.rig)
        if news is None or session is None:
            return
        if self._sessions.owes_hello(received.rig):
            await self._sessions.send(received.rig, messages.Welcome())
        changed = self._fleet.moment(received.rig) != before
        match news:
            case messages.Hello(groups=groups):
                self._fleet.portraits.greeted(received.rig, groups)
                await self._dispatch.greet(received.rig, planned=changed)
            case messages.Learned(measured=measured):
                self._fleet.portraits.told(received.rig, measured)
            case messages.Outcomes(outcomes=outcomes):
                await self._store_outcomes(received.rig, outcomes)
            case messages.StateReport() if changed:
                self._fleet.notice(received.rig)
        if changed:
            self.poke()

    async def _store_outcomes(self, rig: str, outcomes: tuple[Outcome, ...]) -> None:
        """Durable first, acknowledged after."""
        try:
            news = self._fleet.learn(rig, outcomes)
        except StoreError as error:
            self._log.error("outcomes not stored", rig=rig, error=str(error))
            return
        for entry in news:
            self.on_outcome(entry.outcome)
            self._rollout.ended(rig, entry.outcome, self._ambience.prices())
        through: dict[str, int] = {}
        for outcome in outcomes:
            through[outcome.group] = max(outcome.generation, through.get(outcome.group, 0))
        await self._sessions.send(rig, messages.OutcomesAck(through))


def _unheard(_: Outcome) -> None:
    """Nobody listens."""


def _unnoticed(_keys: Set[GroupKey], _plan: Plan) -> None:
    """Nobody listens."""


def _unread(_plan: Plan, _views: Sequence[GroupView]) -> None:
    """Nobody listens."""


def _bound_otherwise(decision: Decision, view: GroupView) -> bool:
    """A contract begins or ceases to stand behind what a group does already.

    Only where it rests: a new assignment is the way out of FAILED, and no contract asks for that.
    """
    status = view.status
    rests = status is not None and status.phase in (Phase.IDLE, Phase.RUNNING)
    return rests and decision.committed != view.committed
