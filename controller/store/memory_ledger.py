"""The books of a store that forgets at exit: the same sums, without SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from controller.core.books.entries import (
    NOTHING,
    SECONDS_PER_DAY,
    Account,
    DecisionRecord,
    Entry,
    Sums,
    gathered,
    plus,
    total,
)
from controller.core.model import GroupKey
from controller.records import Pages, StoredAssignment
from controller.store.limits import first_day_kept


class MemoryLedger:
    """`controller.ports.Books` in dictionaries."""

    def __init__(self) -> None:
        self._assignments: dict[GroupKey, StoredAssignment] = {}
        self._ledger: dict[Account, Sums] = {}
        self._decisions: dict[tuple[str, str, int], DecisionRecord] = {}
        self._through: float | None = None

    def put_pages(self, pages: Pages) -> None:
        """See `controller.ports.Books`."""
        for account, sums in pages.entries:
            self._ledger[account] = plus(self._ledger.get(account, NOTHING), sums)
        for record in pages.records:
            self._decisions.setdefault((record.rig, record.group, record.generation), record)
        first = first_day_kept(pages.through)
        for account in [account for account in self._ledger if account.day < first]:
            del self._ledger[account]
        gone = [k for k, one in self._decisions.items() if one.at < first * SECONDS_PER_DAY]
        for key in gone:
            del self._decisions[key]
        self._through = pages.through

    def booked_through(self) -> float | None:
        """See `controller.ports.Books`."""
        return self._through

    def booked(self, first: int, last: int, by: Collection[str]) -> list[Entry]:
        """See `controller.ports.Books`."""
        return gathered(self._of(first, last), by)

    def decisions(self, first: int, last: int) -> list[DecisionRecord]:
        """See `controller.ports.Books`."""
        meant = {(a.rig, a.group, a.generation) for a, _ in self._of(first, last)}
        return self._sorted(meant)

    def decision_before(self, key: GroupKey, generation: int) -> tuple[DecisionRecord, Sums] | None:
        """See `controller.ports.Books`."""
        group = (key.rig, key.group)
        of_group = [found for found in self._decisions if found[:2] == group]
        newest = max((n for _, _, n in of_group if n < generation), default=None)
        if newest is None:
            return None
        entries = (Entry(account, sums) for account, sums in self._ledger.items())
        meant = (e for e in entries if (e.account.rig, e.account.group) == group)
        sums = total(e for e in meant if e.account.generation == newest)
        return self._decisions[(*group, newest)], sums

    def standing_decisions(self) -> list[DecisionRecord]:
        """See `controller.ports.Books`."""
        return self._sorted(
            {
                (key.rig, key.group, stored.assignment.generation)
                for key, stored in self._assignments.items()
            }
        )

    def _of(self, first: int, last: int) -> list[Entry]:
        found: Mapping[Account, Sums] = self._ledger
        return [Entry(key, sums) for key, sums in found.items() if first <= key.day <= last]

    def _sorted(self, meant: Collection[tuple[str, str, int]]) -> list[DecisionRecord]:
        return [self._decisions[key] for key in sorted(meant) if key in self._decisions]
