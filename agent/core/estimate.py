"""Robust running estimates: what a quantity typically is, from its recent measurements.

One wild measurement moves nothing, and what changed for good is learned within a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, median

from wire.figures import Figure

WINDOW = 61
"""Recent measurements that count."""

VALUE_MAX = 1e18
"""No rig measures more than this of anything."""

DIGITS = 6
"""Significant digits that are kept; a sensor gives fewer."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The recent measurements of one quantity. A value: `seen` makes a new one."""

    recent: tuple[float, ...] = ()
    """Oldest first."""
    samples: int = 0
    """Measurements ever taken."""

    def seen(self, value: float) -> Estimate:
        """After one more measurement; one that is no number, or below 0, is none."""
        if not 0.0 <= value <= VALUE_MAX:
            return self
        kept = (*self.recent, float(f"{value:.{DIGITS}g}"))[-WINDOW:]
        return Estimate(kept, self.samples + 1)

    def typical(self) -> Figure | None:
        """Median and spread; none before the first measurement."""
        return None if not self.recent else self._around(median(self.recent))

    def average(self) -> Figure | None:
        """Mean and spread, for what is either 0 or 1; none before the first measurement."""
        return None if not self.recent else self._around(fmean(self.recent))

    def sound(self) -> bool:
        """Whether it can have come about here; a file may hold anything."""
        numbers = all(math.isfinite(value) and value >= 0 for value in self.recent)
        return numbers and 0 <= len(self.recent) <= min(WINDOW, self.samples)

    def _around(self, middle: float) -> Figure:
        spread = median(abs(value - middle) for value in self.recent)
        return Figure(middle, spread, self.samples)
