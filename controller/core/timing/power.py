"""What power will cost in the coming hours: announced prices where there are any, else habit.

Habit is the mean of the hour of day, and what the present hour deviates from its own, which
fades. It must never see a price before it was announced or paid.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing.hours import HOURS_PER_DAY, Hourly
from controller.core.timing.terms import SECONDS_PER_H, FloatArray, Moment

CARRY_PER_H = 0.75
"""Share of a deviation from the hour's mean that lasts an hour, before anything is learnt."""
CARRY_WEIGHT_H = 30.0
"""Hours of seeing that this is worth."""
SPIKE_RATIO = 5.0
"""A deviation beyond so many mean ones is a spike: what exceeds that is not carried over."""
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
        begun_s = _whole(seen.at_s - seen.local_s % SECONDS_PER_H)
        if begun_s != self._begun_s:
            self._begun_s = begun_s
            known = self._announced.items()
            self._announced = {at: usd for at, usd in known if at >= begun_s}
        if self._announcements:
            self._announced.update((_whole(at), usd) for at, usd in seen.announced)

    def announced_h(self, count: int) -> int:
        """For how many of the `count` hours after the present one, on end, a price is announced."""
        ahead = (self._begun_s + hour * SECONDS_PER_H for hour in range(1, count + 1))
        return next((n for n, at_s in enumerate(ahead) if at_s not in self._announced), count)

    def coming(self, count: int) -> FloatArray:
        """US dollars per kWh of the present hour and the `count` hours after it."""
        hours, values = self._past.hours, self._past.values
        sums = np.bincount(hours, values, HOURS_PER_DAY)
        counts = np.bincount(hours, minlength=HOURS_PER_DAY)
        now = values[-1]
        mean = (sums + values.mean()) / (counts + 1)
        ahead = np.arange(count + 1)
        clock = (hours[-1] + ahead) % HOURS_PER_DAY
        expected: FloatArray = mean[clock] + _carried(values - mean[hours], count)
        expected[0] = now
        for hour in ahead[1:]:
            known = self._announced.get(self._begun_s + hour * SECONDS_PER_H)
            if known is not None:
                missed = now - self._announced.get(self._begun_s, now)
                expected[hour] = known + missed * FADE_ANNOUNCED_PER_H**hour
        return expected


def _whole(at_s: float) -> float:
    """Hours begin at whole seconds, whatever a clock's fractions come to."""
    return float(round(at_s))


def _carried(deviations: FloatArray, count: int) -> FloatArray:
    """What is left of the newest deviation now and after each of `count` hours."""
    spike = SPIKE_RATIO * np.abs(deviations).mean()
    usual = np.clip(deviations, -spike, spike)
    drawn = CARRY_WEIGHT_H * (usual**2).mean()
    left = np.ones(count + 1)
    for hours in range(1, count + 1):
        before, after = usual[:-hours], usual[hours:]
        learnt = before @ after + drawn * CARRY_PER_H**hours
        if drawn > 0:
            left[hours] = learnt / (before @ before + drawn)
    lasting: FloatArray = left * usual[-1]
    return lasting
