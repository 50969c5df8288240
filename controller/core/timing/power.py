"""What power will cost in the coming hours: announced prices where there are any, else habit.

Habit is the mean of the hour of day, and what the present hour deviates from its own, which
fades. It must never see a price before it was announced or paid.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing.hours import HOURS_PER_DAY, Hourly
from controller.core.timing.terms import SECONDS_PER_H, FloatArray, Moment

FADE_PER_H = 0.7
"""What is left after an hour of a deviation from the hour of day's mean."""
FADE_ANNOUNCED_PER_H = 0.6
"""The same, of a deviation from the announced price."""


class PowerForecast:
    """A price for each coming hour."""

    def __init__(self, *, announcements: bool) -> None:
        """Choose whether announced prices count."""
        self._announcements = announcements
        self._announced: dict[float, float] = {}
        self._past = Hourly()
        self._begun_s = 0.0

    def observe(self, seen: Moment) -> None:
        """Take in one tick."""
        self._past.add(seen, seen.prices.power_usd_per_kwh)
        self._begun_s = seen.at_s - seen.local_s % SECONDS_PER_H
        if self._announcements:
            self._announced.update(seen.announced)

    def coming(self, count: int) -> FloatArray:
        """US dollars per kWh of the present hour and the `count` hours after it."""
        hours, values = self._past.hours, self._past.values
        sums = np.bincount(hours, values, HOURS_PER_DAY)
        counts = np.bincount(hours, minlength=HOURS_PER_DAY)
        now = values[-1]
        mean = np.where(counts > 0, sums / np.maximum(counts, 1), now)
        ahead = np.arange(count + 1)
        clock = (hours[-1] + ahead) % HOURS_PER_DAY
        expected: FloatArray = mean[clock] + (now - mean[hours[-1]]) * FADE_PER_H**ahead
        for hour in ahead[1:]:
            known = self._announced.get(self._begun_s + hour * SECONDS_PER_H)
            if known is not None:
                missed = now - self._announced.get(self._begun_s, now)
                expected[hour] = known + missed * FADE_ANNOUNCED_PER_H**hour
        return expected
