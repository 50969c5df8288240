"""What the books are made of: amounts by day, place, desk and decision. They only ever add up.

Amounts are whole millionths of their unit, so that sums of any parts are equal to the sum of the
whole, to the last digit and in any order. Nothing here knows where an amount comes from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

MICRO = 1_000_000
"""Millionths in one: of a US dollar, an hour, a kilowatt-hour."""

SECONDS_PER_H = 3600.0
SECONDS_PER_DAY = 86_400.0

Sums = tuple[int, ...]
"""Millionths, one for each `Measure` in its order."""


class Measure(IntEnum):
    """What is counted; in lower case the name of its column, the unit last."""

    EARNING_H = 0
    """Group-hours in which a workload ran, proven, at a trusted price."""
    STILL_H = 1
    SWITCHING_H = 2
    """From an order until what was ordered runs."""
    DOWN_H = 3
    """What had run had ended by itself, and was being started again."""
    FAILED_H = 4
    UNPRICED_H = 5
    """Something ran that has no trusted price: no income is booked, though there may have been."""
    UNKNOWN_H = 6
    """The rig was silent or had not reported: nothing is booked, though it may have earned."""
    UNACCOUNTED_H = 7
    """No controller kept books: nothing is booked."""
    INCOME_USD = 8
    """At trusted quotes and measured yield. An estimate: a pool's payout is known to the pool."""
    CONTRACT_USD = 9
    """Income at the price of a contract."""
    ENERGY_KWH = 10
    """At the wall. An estimate: measured or set watts, times hours."""
    ENERGY_USD = 11
    """Those at the site's all-in price; negative where power is paid for being taken."""
    WEAR_USD = 12
    """What the policy says that a switch costs beside the time that it takes. An estimate."""
    CHARGE_USD = 13
    """What a site or the fleet pays and no group in particular, such as a demand charge."""
    EXPECTED_USD = 14
    """What the plan promised when it decided, for hours that are known; its switch is paid."""
    INTERRUPTED_USD = 15
    """What staying would have earned while a switch was under way; it is in no net."""
    GAIN_USD = 16
    """Beyond what the workload before would have earned meanwhile, at the same prices."""
    OWED_GPU_H = 17
    """What contracts were owed."""
    SHORT_GPU_H = 18
    """What of that nobody served."""
    ALLOWED_GPU_H = 19
    """What of that may be missing in a month before a penalty is due."""
    PENALTY_USD = 20
    """What is due for the missing GPUs, if more are missing than may be."""


COLUMNS = tuple(measure.name.lower() for measure in Measure)
NOTHING: Sums = (0,) * len(Measure)


class Account(NamedTuple):
    """What an amount is booked to; text that does not apply is empty."""

    day: int
    """UTC, days since 1970-01-01."""
    site: str
    rig: str
    """Empty: the site's, or with no site either the fleet's."""
    group: str
    workload: str
    """That ran, or that was to run; empty: none."""
    desk: str
    """Empty: nobody's."""
    generation: int
    """Which decision for the group; 0: none."""
    item: str
    """A contract, or what a charge is for; empty: neither."""

    def only(self, names: Collection[str]) -> Account:
        """The same with nothing but these parts; the others empty, or 0."""
        return self._replace(**{k: v for k, v in _EMPTY.items() if k not in names})


_EMPTY = Account(0, "", "", "", "", "", 0, "")._asdict()


class Entry(NamedTuple):
    """One line of the books."""

    account: Account
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """What was decided for one group, and what was promised."""

    rig: str
    group: str
    generation: int
    at: float
    """Epoch seconds."""
    origin: str | None
    """What it did before; the same as `workload` where nothing moved."""
    workload: str | None
    reason: str
    promised_usd_per_h: float | None
    """Net that the plan expected; none: it had no price."""
    switch_usd: float
    """What the plan reckoned that the switch would cost, interrupted income included."""


def charge(
    *, at: float, site: str, item: str, usd: float, desk: str = "", workload: str = ""
) -> Entry:
    """Money that no group earned or spent, to be handed to `Books.enter`.

    Args:
        at: Epoch seconds; its UTC day counts.
        site: Whose it is; empty: the whole fleet's.
        item: What for, as the statement shall call it, such as `demand charge`.
        usd: What is paid, US dollars; negative: what is received, or taken back.
        desk: Who answers for it; empty: nobody in particular.
        workload: Empty: none.
    """
    sums = list(NOTHING)
    sums[Measure.CHARGE_USD] = round(usd * MICRO)
    return Entry(Account(day_of(at), site, "", "", workload, desk, 0, item), tuple(sums))


def day_of(at: float) -> int:
    """The UTC day of an instant."""
    return int(at // SECONDS_PER_DAY)


def plus(one: Sums, other: Sums) -> Sums:
    """Both together."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


def total(entries: Iterable[Entry]) -> Sums:
    """All together."""
    columns = zip(*(entry.sums for entry in entries), strict=True)
    return tuple(sum(column) for column in columns) or NOTHING


def gathered(entries: Iterable[Entry], by: Iterable[str] = Account._fields) -> list[Entry]:
    """One entry for each account that differs in `by`, in the accounts' order.

    What is not in `by` is empty in the result, or 0.
    """
    names = frozenset(by)
    found: dict[Account, Sums] = {}
    for account, sums in entries:
        key = account.only(names)
        found[key] = plus(found.get(key, NOTHING), sums)
    return [Entry(key, found[key]) for key in sorted(found)]
