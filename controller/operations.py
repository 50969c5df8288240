"""What an operator may do and ask, whoever carries the words: API, CLI or console.

An order is a hold with an expiry: it is made durable together with its line in the audit before
anybody acts on it. Nothing here moves a rig; the desk's next plan does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from controller import orders, overview
from controller.answers import (
    Check,
    Ended,
    Explanation,
    GroupLine,
    OrderResult,
    Released,
    RigLine,
    Summary,
)
from controller.core import duration, selector
from controller.core.books import statement
from controller.core.model import GroupKey, GroupView, Hold, Plan, Quote, RigRecord
from controller.core.policy.mandate import DeskSettings
from controller.orders import BadRequestError, Intent, NothingFoundError, NotYetError
from controller.ports import Store, StoreError
from controller.records import Event
from wire.model import OFF, Sample

EVENTS_SHOWN_MAX = 1_000

JUDGED_MAX = 16
"""Groups in one question whose last decisions are looked up in the books."""


class Desk(Protocol):
    """The fleet as the controller sees it now; the reconciler implements it."""

    def views(self) -> tuple[GroupView, ...]:
        """All known groups, by key."""

    def plan(self) -> Plan | None:
        """The newest; none yet after the controller's start."""

    def quotes(self) -> tuple[Quote, ...]:
        """All series, by name."""

    def preview(self, pins: Mapping[GroupKey, str | None]) -> Plan:
        """What the plan would be now with these groups held to these workloads.

        Holds that stand already count as well; a pin beats the hold of its group. Changes
        nothing.
        """

    def poke(self) -> None:
        """Plan again soon; holds have changed."""

    def samples(self) -> Mapping[str, Sample]:
        """Newest telemetry by rig."""

    def metrics_url(self, rig: str) -> str | None:
        """Where the rig's agent serves its metrics, if it said so."""

    def rig_online(self, rig: str) -> bool:
        """Whether the rig was heard from lately."""

    def health(self) -> tuple[Check, ...]:
        """The controller's own parts; the one named `link` decides about readiness."""


class Operations:
    """Everything that an operator may do or ask.

    All raise `OperationError` (nothing has changed) or `StoreError`.
    """

    def __init__(
        self, desk: Desk, store: Store, *, now: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._desk = desk
        self._store = store
        self._now = now
        self._new_id = new_id
        self.desks: Callable[[], Sequence[DeskSettings]] = tuple
        """The desks of the policy in force: whose workloads an operator may order."""

    def switch(self, intent: Intent, workload: str) -> OrderResult:
        """Hold all groups that are meant to `workload` (or `off`) until the order expires."""
        views = self._select(intent.selector)
        wanted = None if workload == OFF else workload
        orders.check_offered(views, wanted)
        orders.check_desks(intent, self.desks(), views, {view.key: wanted for view in views})
        pins = {view.key: wanted for view in views}
        orders.check_locks(intent, views, pins)
        return self._order(f"switch to {workload}", intent, pins)

    def hold(self, intent: Intent) -> OrderResult:
        """Hold all groups that are meant to what each runs now."""
        views = self._select(intent.selector)
        pins = {view.key: orders.running(view) for view in views}
        orders.check_desks(intent, self.desks(), views, pins)
        return self._order("hold", intent, pins)

    def release(self, what: str, owner: str) -> Released:
        """End holds, by id, by order, or by selector."""
        standing = self.holds()
        ended = tuple(h for h in standing if what in (h.hold_id, h.hold_id.rpartition("-")[0]))
        if not ended:
            keys = {view.key for view in self._select(what)}
            ended = tuple(h for h in standing if GroupKey(h.rig, h.group) in keys)
        if not ended:
            raise NothingFoundError(
                f"no hold stands on what {what!r} means", "`rigshift status` lists the holds"
            )
        names = orders.named([GroupKey(h.rig, h.group) for h in ended])
        detail = f"{names}; held by {', '.join(sorted({hold.owner for hold in ended}))}"
        event = Event(at=self._now(), actor=owner, verb="release", subject=what, detail=detail)
        self._store.remove_holds([hold.hold_id for hold in ended], event)
        self._desk.poke()
        return Released(ended)

    def holds(self) -> tuple[Hold, ...]:
        """Those that stand, the first to end first."""
        now = self._now()
        standing = (hold for hold in self._store.holds() if hold.expires_at > now)
        return tuple(sorted(standing, key=lambda hold: (hold.expires_at, hold.hold_id)))

    def explain(self, target: str) -> tuple[Explanation, ...]:
        """Why each group that `target` means does what it does."""
        plan = self._desk.plan()
        decisions = {d.key: d for d in plan.decisions} if plan else {}
        lines = self.groups(target)
        return tuple(
            Explanation(line=line, decision=decisions.get(line.key), ended=self._ended(line, lines))
            for line in lines
        )

    def _ended(self, line: GroupLine, among: Sequence[GroupLine]) -> Ended | None:
        """Only for a few: each takes a look into the books."""
        if len(among) > JUDGED_MAX:
            return None
        found = self._store.decision_before(line.key, line.generation)
        if found is None:
            return None
        record, sums = found
        came_to = statement.figures(sums)
        return Ended(
            at=record.at,
            origin=record.origin,
            workload=record.workload,
            expected_usd=came_to.expected_usd,
            realized_estimate_usd=came_to.operating_estimate_usd,
            gain_estimate_usd=came_to.gain_estimate_usd,
        )

    def groups(self, target: str = "*") -> tuple[GroupLine, ...]:
        """The groups that `target` means, each on one line."""
        return overview.group_lines(self._select(target), self._desk.plan(), self.holds())

    def plan(self) -> Plan:
        """The newest."""
        plan = self._desk.plan()
        if plan is None:
            raise NotYetError(
                "there is no plan yet", "wait for the first one; `rigshift doctor` says what lacks"
            )
        return plan

    def quotes(self) -> tuple[Quote, ...]:
        """All series, by name."""
        return self._desk.quotes()

    def rigs(self) -> tuple[RigLine, ...]:
        """The whole inventory, with readings."""
        lines = overview.group_lines(self._desk.views(), self._desk.plan(), self.holds())
        records = self._store.rigs()
        online = {record.rig for record in records if self._desk.rig_online(record.rig)}
        return overview.rig_lines(records, online, lines, self._desk.samples())

    def scraped(self) -> tuple[tuple[RigRecord, str], ...]:
        """Admitted rigs that said where they serve their metrics, with that URL."""
        admitted = (record for record in self._store.rigs() if not record.revoked)
        urls = ((record, self._desk.metrics_url(record.rig)) for record in admitted)
        return tuple((record, url) for record, url in urls if url)

    def status(self) -> Summary:
        """The fleet at a glance."""
        trouble = tuple(check for check in self.doctor() if not check.ok)
        return overview.summary(self._now(), self.rigs(), self._desk.plan(), self.holds(), trouble)

    def events(self, limit: int) -> list[Event]:
        """The newest lines of the audit, newest first."""
        if not 1 <= limit <= EVENTS_SHOWN_MAX:
            raise BadRequestError(
                f"cannot show {limit} events", f"ask for 1 to {EVENTS_SHOWN_MAX} of them"
            )
        return self._store.events(limit=limit)

    def readiness(self) -> tuple[Check, ...]:
        """What must hold before this controller can be relied on: store, link, a first plan."""
        link = [check for check in self._desk.health() if check.name == "link"]
        plan = self._desk.plan()
        return (
            self._store_check(),
            *(link or [Check("link", False, "the link to the rigs is not up yet; wait for it")]),
            Check("plan", plan is not None, "made" if plan else "the first plan is not made yet"),
        )

    def doctor(self) -> tuple[Check, ...]:
        """All that is worth a look, the controller's own parts first."""
        own = self.readiness()
        named = {check.name for check in own}
        parts = (check for check in self._desk.health() if check.name not in named)
        fleet = overview.checks(self.rigs(), self._desk.quotes()) if own[0].ok else ()
        return (*own, *parts, *fleet, *overview.promises(self._desk.plan()))

    def _store_check(self) -> Check:
        try:
            self._store.events(limit=1)
        except StoreError as error:
            return Check("store", False, str(error))
        return Check("store", True, "answers")

    def _select(self, text: str) -> tuple[GroupView, ...]:
        try:
            return selector.select(text, self._desk.views())
        except selector.SelectorError as error:
            raise NothingFoundError(str(error), "`rigshift rigs` lists what there is") from error

    def _order(self, verb: str, intent: Intent, pins: Mapping[GroupKey, str | None]) -> OrderResult:
        orders.check_intent(intent)
        replaced = [h for h in self.holds() if GroupKey(h.rig, h.group) in pins]
        orders.check_conflicts(intent, replaced)
        switch_s = {view.key: view.switch_s for view in self._desk.views()}
        without, planned = self._desk.preview({}), self._desk.preview(pins)
        order = "" if intent.dry_run else f"hold-{self._new_id()}"
        expires_at = self._now() + intent.for_s
        holds = orders.holds(order, intent, pins, expires_at) if order else ()
        if holds:
            self._store.put_holds(holds, self._line(verb, intent, holds))
            self._desk.poke()
        return OrderResult(
            dry_run=intent.dry_run,
            keys=tuple(sorted(pins)),
            moves=orders.moves(pins, without, planned),
            expires_at=expires_at,
            usd_per_h=orders.gain_usd_per_h(without, planned),
            usd_total=orders.gain_usd(without, planned, intent.for_s, switch_s),
            hold_ids=tuple(hold.hold_id for hold in holds),
            order=order,
        )

    def _line(self, verb: str, intent: Intent, holds: Sequence[Hold]) -> Event:
        """This order's line in the audit."""
        names = orders.named([GroupKey(hold.rig, hold.group) for hold in holds])
        lock = " and break locks" if intent.break_lock else ""
        detail = f"{verb}{lock} for {duration.show(intent.for_s)}: {names}; {intent.reason}"
        return Event(
            at=self._now(),
            actor=intent.owner,
            verb=verb.partition(" ")[0],
            subject=intent.selector,
            detail=detail,
        )
