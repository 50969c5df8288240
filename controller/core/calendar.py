"""Whether a local time is among named hours, days and months, as tariffs name them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

T = TypeVar("T")

MINUTES_PER_DAY = 24 * 60

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "hol")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


@dataclass(frozen=True, slots=True)
class When:
    """Times of a local day, days and months; an instant fits when all three do."""

    minutes: tuple[tuple[int, int], ...] = ((0, MINUTES_PER_DAY),)
    """Beginnings and ends, in minutes since midnight; none passes midnight."""
    days: frozenset[str] = frozenset(DAYS)
    months: frozenset[str] = frozenset(MONTHS)

    @property
    def always(self) -> bool:
        """Whether every instant fits."""
        return self == When()

    def fits(self, local: datetime, holidays: Collection[date]) -> bool:
        """Whether it holds at a local time; a holiday is `hol`, and no day of the week."""
        minute = 60 * local.hour + local.minute
        holiday = local.date() in holidays
        day = "hol" if holiday else DAYS[local.weekday()]
        return (
            day in self.days
            and MONTHS[local.month - 1] in self.months
            and any(begin <= minute < end for begin, end in self.minutes)
        )


def when(hours: str, days: str, months: str) -> When:
    """Read the three; an empty text fits always. Raises `ValueError` saying what to write."""
    return When(
        tuple(sorted(_hours(hours))) if hours.strip() else When().minutes,
        frozenset(_names(days, DAYS, "mon-fri")) if days.strip() else When().days,
        frozenset(_names(months, MONTHS, "jun-sep")) if months.strip() else When().months,
    )


def _hours(text: str) -> Iterator[tuple[int, int]]:
    for part in text.split(","):
        begin, dash, end = (side.strip() for side in part.partition("-"))
        if not dash:
            raise ValueError(f"hours: {part.strip()!r}: write 14:00-19:00")
        first, last = _minute(begin), _minute(end)
        if first in (last, MINUTES_PER_DAY):
            raise ValueError(f"hours: {part.strip()!r} is no time at all")
        if first < last:
            yield first, last
        else:
            yield first, MINUTES_PER_DAY
            if last:
                yield 0, last


def _minute(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    minute = 60 * int(found[1]) + int(found[2]) if found else -1
    if found is None or int(found[2]) >= 60 or minute > MINUTES_PER_DAY:
        raise ValueError(f"hours: {text!r} is no time; write 00:00 to 24:00")
    return minute


def _names(text: str, known: Sequence[str], example: str) -> Iterator[str]:
    """Names, or ranges of them that may pass the end of the list."""
    for part in text.lower().split(","):
        first, dash, last = (side.strip() for side in part.partition("-"))
        if first not in known or (dash and last not in known):
            raise ValueError(f"{part.strip()!r}: write e.g. {example}, of {', '.join(known)}")
        begin = known.index(first)
        count = (known.index(last) - begin) % len(known) if dash else 0
        yield from (known[(begin + step) % len(known)] for step in range(count + 1))
