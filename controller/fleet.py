"""What is known of every GPU group: inventory, assignments, reports and experience together.

The one place that holds the controller's picture of the fleet; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from controller import audit
from controller.core.model import GroupKey, GroupView, RigRecord
from controller.core.options.experience import Experience
from controller.core.options.routes import RouteTimes
from controller.portraits import Portraits
from controller.ports import Store
from controller.records import StoredAssignment, StoredOutcome
from controller.sessions import Session, Sessions
from wire.model import Assignment, GroupOffer, GroupStatus, Outcome, Rejection, Result

OUTCOMES_REMEMBERED_MAX = 10_000
"""Newest outcomes that a restarted controller learns from."""


GAP_MAX = 32
"""Generations that may have been overtaken between two that a rig saw.

A controller that lost its memory cannot tell what was overtaken from what it has forgotten.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """How the controller judges what it hears."""

    offline_after_s: float = 30.0
    """A rig that was silent for longer is offline: it keeps its assignments."""
    retry_failed_s: float = 1800.0
    """A workload that failed on a group is tried again after this; doubled with each failure."""
    retry_failed_max_s: float = 86_400.0
    """Longest such wait."""


class Fleet:
    """Views of all groups, and the assignments behind them."""

    def __init__(
        self,
        store: Store,
        sessions: Sessions,
        settings: FleetSettings,
        *,
        now: Callable[[], float],
        seconds_per_second: float = 1.0,
    ) -> None:
        """`now`: wall clock.

        `seconds_per_second`: how fast prices pass beside the rigs' clock; above 1 only in a replay,
        where a switch of a real second costs that many seconds of income.
        """
        self.records: dict[str, RigRecord] = {}
        self.assignments: dict[GroupKey, StoredAssignment] = {}
        self.on_inventory: Callable[[], None] = lambda: None
        """Called whenever the inventory was read anew."""
        self.store = store
        self._sessions = sessions
        self._settings = settings
        self._now = now
        self._speed = seconds_per_second
        self.portraits = Portraits(store, lambda: self.records, now, seconds_per_second)
        self._experience: dict[GroupKey, Experience] = {}
        self._routes = RouteTimes()
        self._by_rig: dict[str, dict[str, Assignment]] = {}
        """The same assignments by rig and group: ten thousand rigs are asked for theirs in turn."""
        self._ended: dict[GroupKey, int] = {}
        """Highest generation of each group that is known to have ended."""
        self._restore()

    def refresh(self) -> None:
        """Read the inventory again: rigs are enrolled and revoked while the controller runs."""
        self.records = {record.rig: record for record in self.store.rigs()}
        for rig in [rig for rig in self._sessions.all() if not self.admitted(rig)]:
            self._sessions.forget(rig)
        self.on_inventory()

    def admitted(self, rig: str) -> bool:
        """Whether the farm knows this rig and has not revoked it."""
        record = self.records.get(rig)
        return record is not None and not record.revoked

    def online(self, rig: str) -> bool:
        """Whether the rig was heard from lately."""
        return self._sessions.silent_s(rig) <= self._settings.offline_after_s

    def views(self) -> tuple[GroupView, ...]:
        """All groups that rigs have ever offered, by key; also of rigs not heard since the start.

        They keep their assignments, and count for power caps and demand.
        """
        self.portraits.keep_pace()
        sessions = self._sessions.all()
        found = [
            self._view(record, sessions.get(rig), offer)
            for rig, record in self.records.items()
            if not record.revoked
            for offer in self._offers(rig)
        ]
        return tuple(sorted(found, key=lambda view: view.key))

    def next_generation(self, key: GroupKey) -> int:
        """One that this rig has never seen, even if this controller lost its memory."""
        stored = self.assignments.get(key)
        status = self._status(key)
        return 1 + max(
            stored.assignment.generation if stored else 0,
            status.generation if status else 0,
            self._ended.get(key, 0),
        )

    def assign(self, assignments: Sequence[StoredAssignment]) -> None:
        """Make assignments durable, then true. Raises `StoreError`: nothing has changed."""
        at = self._now()
        self.store.put_assignments(assignments, [audit.assigning(a, at) for a in assignments])
        self._remember(assignments)
        for key, order in ((stored.key, stored.assignment) for stored in assignments):
            self._routes.asked(key, order.generation, order.workload, self._status(key))

    def assigned(self, rig: str) -> tuple[Assignment, ...]:
        """The newest assignment of each group that a rig offers, in the rig's own order."""
        found = self._by_rig.get(rig)
        if not found:
            return ()
        return tuple(found[o.group] for o in self._offers(rig) if o.group in found)

    def unobserved(self, rig: str) -> bool:
        """Whether some assignment has not been seen by its rig yet."""
        session = self._sessions.all().get(rig)
        seen = session.groups if session is not None else {}
        return any(
            (status := seen.get(a.group)) is None or status.generation < a.generation
            for a in self.assigned(rig)
        )

    def learn(self, rig: str, outcomes: Sequence[Outcome]) -> list[StoredOutcome]:
        """Store what is new and learn from it. Raises `StoreError`: nothing was learned."""
        now = self._now()
        whole = [*self._never_seen(rig, outcomes), *outcomes]
        stored = [StoredOutcome(rig=rig, outcome=o, received_at=now) for o in whole]
        news = self.store.put_outcomes(stored, [audit.ending(entry) for entry in stored])
        for entry in news:
            self._take(entry)
        return news

    def _never_seen(self, rig: str, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Assignments that a newer one overtook on the way: they end here, as superseded.

        A rig keeps all outcomes until they are acknowledged, so what is missing below one that
        has come was never there.
        """
        told = {(outcome.group, outcome.generation) for outcome in outcomes}
        top = {group: self._ended.get(GroupKey(rig, group), 0) for group, _ in told}
        for group, newest in sorted(told):
            for generation in range(max(top[group], newest - GAP_MAX) + 1, newest):
                if (group, generation) not in told:
                    yield _overtaken(group, generation, newest)
            top[group] = max(top[group], newest)

    def notice(self, rig: str) -> None:
        """Learn what failed after its assignment had ended well: it ran, and then kept exiting."""
        session = self._sessions.all().get(rig)
        for status in session.groups.values() if session else ():
            for rejection in status.rejected:
                key = GroupKey(rig, status.group)
                known = self._experience.get(key, Experience())
                self._experience[key] = known.failed(
                    rejection.workload, status.generation, self._now(), rejection.reason
                )

    def moment(self, rig: str) -> tuple[object, ...]:
        """What of a rig matters to a plan, to see whether it has changed."""
        session = self._sessions.all().get(rig)
        if session is None:
            return ()
        groups = (
            (s.group, self._rest(rig, s), s.rejected, s.lock) for s in session.groups.values()
        )
        return session.hello, self.online(rig), *groups

    def _rest(self, rig: str, status: GroupStatus) -> tuple[object, ...]:
        """How a group rests; how far it has come with a switch changes no plan."""
        newest = self._by_rig.get(rig, {}).get(status.group)
        switching = newest is not None and status.generation < newest.generation
        if switching or not status.phase.stable:
            return ()
        return status.phase, status.generation

    def _restore(self) -> None:
        self.refresh()
        self._remember(self.store.assignments())
        for entry in reversed(self.store.outcomes(limit=OUTCOMES_REMEMBERED_MAX)):
            self._take(entry)

    def _remember(self, assignments: Sequence[StoredAssignment]) -> None:
        for stored in assignments:
            self.assignments[stored.key] = stored
            self._by_rig.setdefault(stored.key.rig, {})[stored.key.group] = stored.assignment

    def _take(self, entry: StoredOutcome) -> None:
        key = GroupKey(entry.rig, entry.outcome.group)
        self._ended[key] = max(self._ended.get(key, 0), entry.outcome.generation)
        known = self._experience.get(key, Experience())
        learnt = known.learned(entry.outcome, entry.received_at)
        # Waking says nothing of how long a start takes.
        woken = self._routes.woken(key, entry.outcome)
        self._experience[key] = replace(learnt, switch_s=known.switch_s) if woken else learnt
        if (record := self.records.get(entry.rig)) is not None:
            self._routes.learn(key, record.rig_class, entry.outcome)

    def _offers(self, rig: str) -> tuple[GroupOffer, ...]:
        """What a rig offers, or offered before the controller's start."""
        session = self._sessions.all().get(rig)
        heard = session.hello if session else None
        return self.portraits.groups(rig) if heard is None else heard.groups

    def _status(self, key: GroupKey) -> GroupStatus | None:
        session = self._sessions.all().get(key.rig)
        return session.groups.get(key.group) if session else None

    def _view(self, record: RigRecord, session: Session | None, offer: GroupOffer) -> GroupView:
        key = GroupKey(record.rig, offer.group)
        status = None if session is None else session.groups.get(offer.group)
        insight = self.portraits.insight(record, offer)
        stored = self.assignments.get(key)
        experience = self._experience.get(key, Experience())
        generation, workload, since = _newest(stored, status)
        switch_s = experience.switch_s
        return GroupView(
            key=key,
            site=record.site,
            rig_class=record.rig_class,
            labels=record.labels,
            offer=offer,
            status=status,
            avoided=self._avoided(experience),
            online=self.online(record.rig),
            generation=generation,
            assigned=workload,
            assigned_at=since,
            committed=stored is not None
            and stored.assignment.committed
            and stored.assignment.generation == generation,
            measured=insight.measured,
            figures=insight.figures,
            switch_s=None if switch_s is None else switch_s * self._speed,
            route_s=self._routes.started_s(record.rig_class, self._speed),
            wake_s=self._routes.woken_s(record.rig_class, self._speed),
        )

    def _avoided(self, experience: Experience) -> tuple[Rejection, ...]:
        """A new generation clears the rig's own rejections; the controller remembers longer."""
        now = self._now()
        return tuple(
            Rejection(workload, reason)
            for workload, at, count, reason in sorted(experience.failures)
            if now < at + self._retry_s(count)
        )

    def _retry_s(self, count: int) -> float:
        settings = self._settings
        return min(settings.retry_failed_max_s, settings.retry_failed_s * 2.0 ** (count - 1))


def _overtaken(group: str, generation: int, newest: int) -> Outcome:
    return Outcome(
        order_id="",
        group=group,
        generation=generation,
        result=Result.SUPERSEDED,
        origin=None,
        workload=None,
        phase_s=(),
        reason=f"generation {newest} overtook it before it reached the rig",
    )


def _newest(
    stored: StoredAssignment | None, status: GroupStatus | None
) -> tuple[int, str | None, float]:
    """Generation, workload and instant of what holds for a group.

    A rig that has seen a higher generation than this controller remembers is right: what it runs,
    or is on its way to, is taken over as it is.
    """
    generation = stored.assignment.generation if stored else 0
    if status is not None and status.generation > generation:
        taken_over = status.active if status.phase.stable else status.target
        return status.generation, taken_over, 0.0
    if stored is None:
        return 0, None, 0.0
    return generation, stored.assignment.workload, stored.created_at
