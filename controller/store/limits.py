"""What every store keeps to, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.core.books.entries import day_of
from controller.core.model import GroupKey
from controller.core.timing.hours import HISTORY_H_MAX
from controller.ports import StoreError
from controller.records import StoredAssignment

EVENTS_KEPT = 200_000
"""Audit lines; older ones are forgotten, so that the store cannot eat the disk."""

OUTCOMES_KEPT = 200_000
"""Outcomes; a rig repeats one only until it is acknowledged, never for this long."""


HOURS_KEPT = HISTORY_H_MAX
"""Hours of each site that habits are learnt from."""

POLICIES_KEPT = 1_000
"""Versions of the policy; older ones are forgotten, their lines in the audit are not."""


GRID_ORDERS_S = 400.0 * 86_400
"""How long an order of the grid is kept after its end, for whoever settles the bill."""


LEDGER_DAYS_KEPT = 762
"""Days of the books, 25 months: whoever closes a year has the same month of the year before.

With two decisions a day they take 0.6 GB for 1,000 groups. Where the file is more than half full
the oldest days go earlier: books must never keep a controller from writing an assignment.
"""


def first_day_kept(through: float) -> int:
    """The oldest day of the books that is kept, when they are kept through this instant."""
    return day_of(through) - LEDGER_DAYS_KEPT + 1


def check_next(newest: int, number: int) -> None:
    """Versions of the policy follow each other. Raises `StoreError`."""
    if number != newest + 1:
        raise StoreError(
            f"policy {number} does not follow {newest}; somebody activated another one meanwhile, "
            "look at it with `rigshift policy show` and try again"
        )


def check_growth(
    held: Mapping[GroupKey, StoredAssignment], news: Iterable[StoredAssignment]
) -> None:
    """A generation never falls and never means two things. Raises `StoreError`."""
    for new in news:
        old = held.get(new.key)
        if old is None or new.assignment.generation > old.assignment.generation:
            continue
        if new.assignment.order_id != old.assignment.order_id:
            raise StoreError(
                f"{new.key}: generation {new.assignment.generation} would replace "
                f"{old.assignment.generation}; does another controller write to this store? "
                "Let one run at a time"
            )
