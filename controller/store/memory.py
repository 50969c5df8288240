"""A store that forgets at exit: for simulation and tests. Same promises, durability apart."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, zip_longest

from controller.core.charges.account import PeakAccount
from controller.core.curtailment import GridOrder
from controller.core.model import Hold, RigRecord
from controller.records import (
    Event,
    Portrait,
    SeenHour,
    StoredAssignment,
    StoredOutcome,
    StoredPolicy,
)
from controller.store.limits import (
    EVENTS_KEPT,
    HOURS_KEPT,
    OUTCOMES_KEPT,
    POLICIES_KEPT,
    check_growth,
    check_next,
)
from controller.store.memory_ledger import MemoryLedger


class MemoryStore(MemoryLedger):
    """`controller.ports.Store` in dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._rigs: dict[str, RigRecord] = {}
        self._portraits: dict[str, Portrait] = {}
        self._hours: dict[tuple[str, float], SeenHour] = {}
        self._accounts: dict[tuple[str, str], PeakAccount] = {}
        self._outcomes: dict[tuple[str, str, int], StoredOutcome] = {}
        self._holds: dict[str, Hold] = {}
        self._grid_orders: dict[str, GridOrder] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._event_id = 0
        self._policies: deque[StoredPolicy] = deque(maxlen=POLICIES_KEPT)

    def put_rig(self, record: RigRecord) -> None:
        """Add or replace a rig."""
        self._rigs[record.rig] = record

    def rigs(self) -> list[RigRecord]:
        """All rigs, by name."""
        return [self._rigs[rig] for rig in sorted(self._rigs)]

    def put_portraits(self, portraits: Sequence[Portrait]) -> None:
        """See `controller.ports.Store`."""
        self._portraits.update((portrait.rig, portrait) for portrait in portraits)

    def portraits(self) -> list[Portrait]:
        """All, by rig."""
        return [self._portraits[rig] for rig in sorted(self._portraits)]

    def put_hours(self, hours: Sequence[SeenHour]) -> None:
        """See `controller.ports.Store`."""
        self._hours.update(((hour.site, hour.begun_at), hour) for hour in hours)
        for site in {hour.site for hour in hours}:
            for key in sorted(key for key in self._hours if key[0] == site)[:-HOURS_KEPT]:
                del self._hours[key]

    def hours(self) -> list[SeenHour]:
        """All, by site and instant."""
        return [self._hours[key] for key in sorted(self._hours)]

    def put_peaks(self, accounts: Sequence[PeakAccount]) -> None:
        """See `controller.ports.Store`."""
        self._accounts.update(((one.site, one.charge), one) for one in accounts)

    def peaks(self) -> list[PeakAccount]:
        """All, by site and charge."""
        return [self._accounts[key] for key in sorted(self._accounts)]

    def put_assignments(
        self, assignments: Sequence[StoredAssignment], events: Sequence[Event] = ()
    ) -> None:
        """See `controller.ports.Store`."""
        check_growth(self._assignments, assignments)
        self.add_events(events)
        self._assignments.update((stored.key, stored) for stored in assignments)

    def assignments(self) -> list[StoredAssignment]:
        """The newest of every group, by key."""
        return [self._assignments[key] for key in sorted(self._assignments)]

    def put_outcomes(
        self, outcomes: Sequence[StoredOutcome], events: Sequence[Event] = ()
    ) -> list[StoredOutcome]:
        """See `controller.ports.Store`."""
        news = []
        for stored, event in zip_longest(outcomes, events):
            key = stored.rig, stored.outcome.group, stored.outcome.generation
            if key not in self._outcomes:
                self._outcomes[key] = stored
                news.append(stored)
                self.add_events([event] if event else [])
        for old in list(islice(self._outcomes, max(0, len(self._outcomes) - OUTCOMES_KEPT))):
            del self._outcomes[old]
        return news

    def outcomes(self, *, limit: int) -> list[StoredOutcome]:
        """The newest, newest first."""
        return list(islice(reversed(self._outcomes.values()), limit))

    def put_hold(self, hold: Hold) -> None:
        """Add or replace a hold."""
        self._holds[hold.hold_id] = hold

    def remove_hold(self, hold_id: str) -> None:
        """Forget it; harmless when it is gone."""
        self._holds.pop(hold_id, None)

    def put_holds(self, holds: Sequence[Hold], event: Event) -> None:
        """Store an order and its line in the audit, all or none."""
        groups = {(hold.rig, hold.group) for hold in holds}
        kept = {i: hold for i, hold in self._holds.items() if (hold.rig, hold.group) not in groups}
        self._holds = kept | {hold.hold_id: hold for hold in holds}
        self.add_event(event)

    def remove_holds(self, hold_ids: Sequence[str], event: Event) -> None:
        """Forget them with a line in the audit, all or none."""
        for hold_id in hold_ids:
            self.remove_hold(hold_id)
        self.add_event(event)

    def holds(self) -> list[Hold]:
        """All, expired ones too, by id."""
        return [self._holds[hold_id] for hold_id in sorted(self._holds)]

    def put_policy(self, policy: StoredPolicy, event: Event) -> None:
        """See `controller.ports.Store`."""
        check_next(self._policies[-1].number if self._policies else 0, policy.number)
        self.add_event(event)
        self._policies.append(policy)

    def policies(self, *, limit: int) -> list[StoredPolicy]:
        """The newest, newest first."""
        return list(islice(reversed(self._policies), limit))

    def put_grid_order(self, order: GridOrder, event: Event) -> None:
        """See `controller.ports.Store`."""
        self._grid_orders[order.order_id] = order
        self.add_event(event)

    def grid_orders(self) -> list[GridOrder]:
        """See `controller.ports.Store`."""
        return sorted(self._grid_orders.values(), key=lambda one: (one.starts_at, one.order_id))

    def add_event(self, event: Event) -> None:
        """Append to the audit."""
        self._event_id += 1
        self._events.append(replace(event, event_id=self._event_id))

    def add_events(self, events: Sequence[Event]) -> None:
        """Append to the audit, in this order, all or none."""
        for event in events:
            self.add_event(event)

    def events(self, *, limit: int) -> list[Event]:
        """The newest, newest first."""
        return list(islice(reversed(self._events), limit))
