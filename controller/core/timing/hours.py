"""A series hour by hour: means of the hours gone by, and the newest value for the present one."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from controller.core.timing.terms import SECONDS_PER_H, FloatArray, IntArray, Moment

HOURS_PER_DAY = 24
HISTORY_H_MAX = 24 * 7 * 8
"""Older hours no longer teach."""


@dataclass(slots=True)
class Hourly:
    """What one value was, by local hour; fed tick by tick."""

    _hours: list[int] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _begun_s: float = -1.0
    _sum: float = 0.0
    _count: int = 0

    def add(self, seen: Moment, value: float) -> bool:
        """Take in one tick; whether it is the first of its hour."""
        begun_s = seen.at_s - seen.local_s % SECONDS_PER_H
        fresh = begun_s != self._begun_s
        if fresh:
            self._close()
            self._begun_s, self._sum, self._count = begun_s, 0.0, 0
            self._hours.append(seen.hour)
            self._values.append(value)
        self._sum += value
        self._count += 1
        self._values[-1] = value
        return fresh

    def _close(self) -> None:
        if self._values:
            self._values[-1] = self._sum / self._count
            del self._hours[:-HISTORY_H_MAX], self._values[:-HISTORY_H_MAX]

    @property
    def hours(self) -> IntArray:
        """Local hour of day of each hour, oldest first, the present one last."""
        return np.array(self._hours, dtype=np.int64)

    @property
    def values(self) -> FloatArray:
        """Its mean; of the present hour the newest value."""
        return np.array(self._values)


def hour_distance(hours: IntArray, hour: int) -> IntArray:
    """Hours between hours of the day, the short way round the clock."""
    apart = np.abs(hours - hour) % HOURS_PER_DAY
    distance: IntArray = np.minimum(apart, HOURS_PER_DAY - apart)
    return distance
