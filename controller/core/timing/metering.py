"""One demand charge over a course of ticks: what is metered, what is billed, month by month.

A tick belongs to the metered interval that it begins in; where ticks are longer than intervals,
each is one. Months of which a part is played are billed that part. Nothing here decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from controller.core.charges import billing
from controller.core.charges.account import RATCHET_MONTHS
from controller.core.charges.settings import DemandChargeSettings
from controller.core.timing.terms import (
    SECONDS_PER_H,
    WATTS_PER_KW,
    BoolArray,
    FloatArray,
    IntArray,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledMonth:
    """A billing month, or as much of it as is played."""

    begins_at: float
    """The whole month's beginning, seconds since 1970."""
    hours: float
    """Hours of the whole month that count."""
    begun_part: float
    """Share of those hours from the first tick played on; 1 but for the first month."""
    part: float
    """Share of those hours that is played: so much of the charge is billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """When a charge counts over a course; arrays are by tick."""

    charge: DemandChargeSettings
    months: tuple[BilledMonth, ...]
    month: IntArray
    """Number of the month."""
    counts: BoolArray
    """Whether it is metered."""
    interval: IntArray
    """Number of the metered interval."""
    weight: FloatArray
    """Its share of that interval."""
    priced: BoolArray
    """Whether more draw has a price: a little before a window opens too."""
    left_h: FloatArray
    """Hours of the month that still count, the end of the course unknown."""
    lasts_h: FloatArray
    """For how long the price lasts on end, as far as the course goes; at most `left_h`."""

    @classmethod
    def over(
        cls, charge: DemandChargeSettings, zone: str, at_s: Sequence[float], tick_s: float
    ) -> Metering:
        """Look the calendar up for ticks that begin at these instants."""
        spans = _spans(charge, zone, at_s)
        ends_at = at_s[-1] + tick_s
        months = tuple(_month(charge, zone, at_s[span.start], ends_at) for span in spans)
        month = np.repeat(np.arange(len(spans)), [len(span) for span in spans])
        counts = np.array([billing.counts(charge, zone, at) for at in at_s])
        priced = np.array([billing.prepares(charge, zone, at) for at in at_s])
        begins = [billing.interval(charge, zone, at) for at in at_s]
        lengths = [len(list(same)) for _, same in groupby(begins)]
        left_h = _left_h(months, month, counts * (tick_s / SECONDS_PER_H))
        return cls(
            charge=charge,
            months=months,
            month=month,
            counts=counts,
            interval=np.repeat(np.arange(len(lengths)), lengths),
            weight=1.0 / np.repeat(lengths, lengths),
            priced=priced,
            left_h=left_h,
            lasts_h=_lasts_h(priced, left_h, tick_s / SECONDS_PER_H),
        )

    @property
    def usd_per_w(self) -> FloatArray:
        """By month: what a billed watt costs."""
        parts = np.array([month.part for month in self.months])
        usd: FloatArray = parts * (self.charge.usd_per_kw_month / WATTS_PER_KW)
        return usd

    def accrued(self, by_month: FloatArray) -> FloatArray:
        """Dollars of each month, spread over its ticks that count."""
        ticks = np.bincount(self.month, self.counts, len(self.months))
        each = by_month / np.maximum(ticks, 1.0)
        spread: FloatArray = np.where(self.counts, each[self.month], 0.0)
        return spread

    def usd(self, drawn_w: FloatArray) -> FloatArray:
        """By tick: what is billed for groups that drew so much, beyond the bare building."""
        peaks = self.peaks_w(drawn_w)
        billed = [self._billed_w(peaks, number) for number in range(len(peaks))]
        return self.accrued(np.array(billed) * self.usd_per_w)

    def peaks_w(self, drawn_w: FloatArray) -> FloatArray:
        """By month: the groups' highest mean draw over an interval that counts."""
        means = np.bincount(self.interval, drawn_w * self.weight)
        peaks = np.zeros(len(self.months))
        np.maximum.at(peaks, self.month[self.counts], means[self.interval[self.counts]])
        return peaks

    def ratchets(self) -> list[tuple[int, int]]:
        """Pairs of an earlier month and a later one whose bill it counts in."""
        if not self.charge.ratchet_ratio:
            return []
        count = len(self.months)
        return [(a, b) for b in range(count) for a in range(max(0, b - RATCHET_MONTHS), b)]

    def ratcheted_w(self, peak_w: float) -> float:
        """What an earlier month's peak of the groups makes the least that later ones pay for."""
        charge = self.charge
        return charge.ratchet_ratio * (peak_w + charge.base_w) - charge.base_w

    def _billed_w(self, peaks_w: FloatArray, number: int) -> float:
        earlier = peaks_w[max(0, number - RATCHET_MONTHS) : number].tolist()
        return max(float(peaks_w[number]), *map(self.ratcheted_w, earlier), 0.0)


def _spans(charge: DemandChargeSettings, zone: str, at_s: Sequence[float]) -> list[range]:
    """Ticks by billing month."""
    spans, first = [], 0
    while first < len(at_s):
        ends_at = billing.month(charge, zone, at_s[first]).ends_at
        last = int(np.searchsorted(at_s, ends_at))
        spans.append(range(first, last))
        first = last
    return spans


def _month(charge: DemandChargeSettings, zone: str, first_at: float, end: float) -> BilledMonth:
    whole = billing.month(charge, zone, first_at)
    first_at -= first_at % billing.STEP_S
    hours = billing.hours_between(charge, zone, whole.begins_at, whole.ends_at)
    begun = billing.hours_between(charge, zone, first_at, whole.ends_at)
    played = billing.hours_between(charge, zone, first_at, min(end, whole.ends_at))
    # What counts in no hour of a month is not billed for it.
    return BilledMonth(
        begins_at=whole.begins_at,
        hours=hours,
        begun_part=begun / hours if hours else 0.0,
        part=played / hours if hours else 0.0,
    )


def _left_h(months: Sequence[BilledMonth], month: IntArray, counted_h: FloatArray) -> FloatArray:
    """What was left of each month when a tick began."""
    passed = counted_h.cumsum() - counted_h
    before = passed[np.searchsorted(month, np.arange(len(months)))]
    begun = np.array([each.begun_part * each.hours for each in months])
    left: FloatArray = np.maximum(0.0, (begun + before)[month] - passed)
    return left


def _lasts_h(priced: BoolArray, left_h: FloatArray, tick_h: float) -> FloatArray:
    """How long each tick's run of priced ticks goes on; always priced: to the month's end."""
    if priced.all():
        return left_h
    lasts = np.zeros(len(priced))
    run = 0.0
    for tick in range(len(priced) - 1, -1, -1):
        run = run + tick_h if priced[tick] else 0.0
        lasts[tick] = run
    return np.minimum(lasts, left_h)
