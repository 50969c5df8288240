"""What ended assignments add up to since the controller started."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from wire.model import Outcome, Phase, Result

PHASE_BUCKETS_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From an idle GPU that is found empty at once to a large model that is fetched first."""


@dataclass(slots=True)
class PhaseTimes:
    """Seconds that groups spent in one phase, counted into buckets."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(PHASE_BUCKETS_S) + 1))
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one stay."""
        self.counts[bisect_left(PHASE_BUCKETS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(slots=True)
class SwitchTimes:
    """What outcomes add up to since the controller started."""

    results: Counter[Result] = field(default_factory=Counter)
    phases: dict[Phase, PhaseTimes] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome that is news."""
        self.results[outcome.result] += 1
        for phase, seconds in outcome.phase_s:
            self.phases.setdefault(phase, PhaseTimes()).add(seconds)
