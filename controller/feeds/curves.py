"""Announced prices: which of a list holds at an instant, and which are still to come."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple


class Point(NamedTuple):
    """One number of a source, in its own unit."""

    at: float
    """Instant that it holds from, seconds since 1970."""
    until: float
    """Instant that it holds until; infinite: until the next."""
    number: float


class NothingNowError(Exception):
    """None of the numbers holds now; the text says which the list has instead."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Numbers over time, by growing instants."""

    points: tuple[Point, ...]

    def now(self, now: float) -> Point:
        """The number that holds at `now`. Raises `NothingNowError`."""
        index = bisect_right(self.points, now, key=lambda point: point.at) - 1
        if index < 0:
            first = shown(self.points[0].at)
            raise NothingNowError(f"has nothing for now; its first row begins {first}")
        point = self.points[index]
        if now >= point.until:
            raise NothingNowError(f"has nothing for now; the row before ended {shown(point.until)}")
        return point

    def coming(self, now: float) -> tuple[Point, ...]:
        """What has been announced for later than `now`."""
        return self.points[bisect_right(self.points, now, key=lambda point: point.at) :]

    @property
    def announced(self) -> bool:
        """Whether it says itself how long its numbers hold, so that they outlive a silence."""
        return all(math.isfinite(point.until) for point in self.points)


def shown(at: float) -> str:
    """An instant for people."""
    try:
        text = datetime.fromtimestamp(at, UTC).isoformat(timespec="minutes")
    except (ValueError, OverflowError, OSError):
        return f"second {at:g} since 1970"
    return text.replace("+00:00", "Z")
