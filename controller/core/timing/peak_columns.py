"""A demand charge in the bound's linear programme: a column for each month's peak and bill.

Where a month is solved in parts, each part pays its share of the charge for its own peak, which
is not above the month's: the sum stays a bound. It judges replays; nothing that decides may use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from controller.core.timing.linear import Programme
from controller.core.timing.metering import Metering
from controller.core.timing.terms import FloatArray, IntArray

Drawn = Iterable[tuple[int, IntArray, FloatArray | float]]
"""Columns by tick with the watts that each draws, so many ticks after its own."""


@dataclass(frozen=True, slots=True)
class PeakColumns:
    """One charge over one part of a course."""

    metering: Metering
    span: range
    months: tuple[int, ...]
    """Numbers of the months that the part has metered ticks of."""
    billed: IntArray
    """Columns of the watts that each of them is billed."""
    usd_per_w: FloatArray
    """What a billed watt costs in this part."""

    @classmethod
    def of(cls, metering: Metering, span: range, drawn: Drawn, programme: Programme) -> PeakColumns:
        """Add what the highest draw of each month costs."""
        here, counts = slice(span.start, span.stop), metering.counts
        ticks = np.bincount(metering.month[here], counts[here], len(metering.months))
        months = np.flatnonzero(ticks)
        whole = np.bincount(metering.month, counts, len(metering.months))
        usd_per_w = metering.usd_per_w[months] * ticks[months] / whole[months]
        peaks = programme.columns(np.zeros(len(months)))
        billed = programme.columns(-usd_per_w)
        made = cls(metering, span, tuple(months.tolist()), billed, usd_per_w)
        made._meter(drawn, peaks, programme)
        made._bill(peaks, programme)
        return made

    def usd(self, values: FloatArray) -> FloatArray:
        """What one answer pays, by tick of the part."""
        by_month = np.zeros(len(self.metering.months))
        by_month[list(self.months)] = values[self.billed] * self.usd_per_w
        here = slice(self.span.start, self.span.stop)
        counts, month = self.metering.counts[here], self.metering.month[here]
        ticks = np.bincount(month, counts, len(by_month))
        each = by_month / np.maximum(ticks, 1.0)
        paid: FloatArray = np.where(counts, each[month], 0.0)
        return paid

    def _meter(self, drawn: Drawn, peaks: IntArray, programme: Programme) -> None:
        """No interval's mean is above its month's peak; one that is cut in two is left out."""
        known, here = self.metering, slice(self.span.start, self.span.stop)
        interval, weight = known.interval[here], known.weight[here]
        seen = np.bincount(interval, weight)[interval]
        kept = known.counts[here] & (seen > 1.0 - ROUNDING)
        numbers, row_of = np.unique(interval[kept], return_inverse=True)
        count = len(numbers)
        rows = programme.rows(np.full(count, -math.inf), np.zeros(count))
        by_tick = np.full(len(kept), -1)
        by_tick[kept] = rows[row_of]
        for late, columns, watts in drawn:
            row = by_tick[late:]
            put = row >= 0
            watt = np.broadcast_to(watts, len(columns))[: len(row)]
            factors = (watt * weight[late:])[put]
            programme.put(row[put], columns[: len(row)][put], factors)
        month = np.searchsorted(self.months, known.month[here][kept])
        first = np.unique(row_of, return_index=True)[1]
        programme.put(rows, peaks[month[first]], -1.0)

    def _bill(self, peaks: IntArray, programme: Programme) -> None:
        """What is billed is the month's peak at least, and what a ratchet makes of earlier ones."""
        peaked = programme.rows(np.full(len(peaks), -math.inf), np.zeros(len(peaks)))
        programme.put(peaked, peaks, 1.0)
        programme.put(peaked, self.billed, -1.0)
        place = {month: number for number, month in enumerate(self.months)}
        pairs = [(place[a], place[b]) for a, b in self.metering.ratchets() if {a, b} <= set(place)]
        # The bill is not below ratio * (peak + building) - building.
        bare_w, ratio = self.metering.ratcheted_w(0.0), self.metering.charge.ratchet_ratio
        ratcheted = programme.rows(np.full(len(pairs), -math.inf), np.full(len(pairs), -bare_w))
        for row, (earlier, later) in zip(ratcheted, pairs, strict=True):
            programme.put(row[None], peaks[[earlier]], ratio)
            programme.put(row[None], self.billed[[later]], -1.0)


ROUNDING = 1e-9
"""What a sum of an interval's shares may lack of the whole."""
