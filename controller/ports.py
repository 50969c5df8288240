"""What the controller needs from the world. Each port has at least two real implementations.

Adapters translate: only the errors named here cross a port.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from controller.core.books.entries import DecisionRecord, Entry, Sums
from controller.core.charges.account import PeakAccount
from controller.core.curtailment import GridOrder
from controller.core.model import (
    GroupKey,
    GroupView,
    Hold,
    Observation,
    Plan,
    Quote,
    RigRecord,
)
from controller.records import (
    Event,
    Pages,
    Portrait,
    SeenHour,
    StoredAssignment,
    StoredOutcome,
    StoredPolicy,
)


class FeedError(Exception):
    """A feed gave nothing usable; one sentence says what came instead. Prices stay as they are."""


class StoreError(Exception):
    """Something could not be made durable; nothing may be sent for it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to decide upon, at one moment."""

    views: Sequence[GroupView]
    quotes: Mapping[str, Quote]
    holds: Sequence[Hold]
    now: float
    """By the clock of prices, which a replay does not share with people, s."""
    wall: float
    """By the clock that holds and orders count by, s."""


Decide = Callable[[Scene], Plan]
"""The plan for the whole fleet; the farm's own settings are inside."""


class Board(Protocol):
    """Plans, and plans that are only looked at; the reconciler makes them."""

    newest: Plan | None

    def preview(self, pins: Mapping[GroupKey, str | None], decide: Decide | None = None) -> Plan:
        """What the plan would be now, by other rules; changes nothing."""

    def poke(self) -> None:
        """Plan again soon."""


class Feed(Protocol):
    """A source of observations. It never decides whether they are to be trusted."""

    name: str

    async def observe(self) -> list[Observation]:
        """What it says now, newest last. Raises `FeedError`."""

    async def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class Announcing(Protocol):
    """A feed that also knows what is going to hold: the hours that a market has announced.

    Nothing of it is an observation: what lies ahead of now is no price yet.
    """

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        """By series: instants to come, growing, and the values that will hold from them."""


class Books(Protocol):
    """Durable books. A write is durable when it returns; all raise `StoreError`.

    Days are UTC, counted since 1970. The oldest are forgotten.
    """

    def put_pages(self, pages: Pages) -> None:
        """Write down all of it or nothing."""

    def booked_through(self) -> float | None:
        """Until when books were kept; none: never."""

    def booked(self, first: int, last: int, by: Collection[str]) -> list[Entry]:
        """Sums over the days from `first` to `last`, told apart by these parts of accounts."""

    def decisions(self, first: int, last: int) -> list[DecisionRecord]:
        """Those that amounts of these days are booked to, by rig, group and generation."""

    def decision_before(self, key: GroupKey, generation: int) -> tuple[DecisionRecord, Sums] | None:
        """The newest decision for a group before this one, with what it came to; none: unknown."""

    def standing_decisions(self) -> list[DecisionRecord]:
        """Those behind the newest assignment of every group, in the same order."""


class Store(Books, Protocol):
    """Durable memory. Every write is durable when it returns; all raise `StoreError`."""

    def put_rig(self, record: RigRecord) -> None:
        """Add or replace a rig."""

    def rigs(self) -> list[RigRecord]:
        """All rigs, by name."""

    def put_portraits(self, portraits: Sequence[Portrait]) -> None:
        """Add them, or put them in place of their rigs' older ones; all or none."""

    def portraits(self) -> list[Portrait]:
        """All that can be read, by rig; a rig paints itself anew with each hello."""

    def put_hours(self, hours: Sequence[SeenHour]) -> None:
        """Add them, or put them in place of the same hours; all or none.

        Of each site the newest are kept, as many as habits are learnt from.
        """

    def hours(self) -> list[SeenHour]:
        """All, by site and instant."""

    def put_peaks(self, accounts: Sequence[PeakAccount]) -> None:
        """Add accounts of demand charges, or put them in place of older ones; all or none."""

    def peaks(self) -> list[PeakAccount]:
        """All that can be read, by site and charge."""

    def put_assignments(
        self, assignments: Sequence[StoredAssignment], events: Sequence[Event] = ()
    ) -> None:
        """Store them, and lines for the audit, all or none; each replaces its group's older one."""

    def assignments(self) -> list[StoredAssignment]:
        """The newest of every group, by key."""

    def put_outcomes(
        self, outcomes: Sequence[StoredOutcome], events: Sequence[Event] = ()
    ) -> list[StoredOutcome]:
        """Store those that are new by (rig, group, generation) and return them.

        `events`, if any, are one line for the audit for each outcome; those of repetitions are
        left out. All or none.
        """

    def outcomes(self, *, limit: int) -> list[StoredOutcome]:
        """The newest, newest first."""

    def put_hold(self, hold: Hold) -> None:
        """Add or replace a hold."""

    def remove_hold(self, hold_id: str) -> None:
        """Forget it; harmless when it is gone."""

    def put_holds(self, holds: Sequence[Hold], event: Event) -> None:
        """Store an order and its line in the audit, all or none.

        Each replaces every other hold of its group.
        """

    def remove_holds(self, hold_ids: Sequence[str], event: Event) -> None:
        """Forget them with a line in the audit, all or none."""

    def holds(self) -> list[Hold]:
        """All, expired ones too, by id."""

    def put_policy(self, policy: StoredPolicy, event: Event) -> None:
        """Put a policy in force, with its line in the audit, all or none.

        Its number must be one above the newest: another controller's may not be overtaken.
        """

    def policies(self, *, limit: int) -> list[StoredPolicy]:
        """The newest, newest first."""

    def put_grid_order(self, order: GridOrder, event: Event) -> None:
        """Add an order of the grid, or replace it, with its line in the audit, all or none.

        Those that ended long ago may be forgotten.
        """

    def grid_orders(self) -> list[GridOrder]:
        """All that are kept, by their beginning."""

    def add_event(self, event: Event) -> None:
        """Append to the audit."""

    def add_events(self, events: Sequence[Event]) -> None:
        """Append to the audit, in this order, all or none; one wait for the disk."""

    def events(self, *, limit: int) -> list[Event]:
        """The newest, newest first."""
