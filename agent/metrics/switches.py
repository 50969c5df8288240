"""What the switches since the agent's start add up to. It counts; it judges nothing."""

from __future__ import annotations

from collections import Counter

from agent.metrics.snapshot import OutcomeCount, PhaseTime
from wire import model


class SwitchRecord:
    """What the outcomes since the agent's start add up to."""

    def __init__(self) -> None:
        self._results: Counter[tuple[str, model.Result]] = Counter()
        self._visits: Counter[tuple[str, model.Phase]] = Counter()
        self._seconds: dict[tuple[str, model.Phase], float] = {}

    def add(self, group: str, outcome: model.Outcome) -> None:
        """Count one more."""
        self._results[group, outcome.result] += 1
        for phase, seconds in outcome.phase_s:
            self._visits[group, phase] += 1
            self._seconds[group, phase] = self._seconds.get((group, phase), 0.0) + seconds

    def outcomes(self) -> tuple[OutcomeCount, ...]:
        """By group and result."""
        return tuple(OutcomeCount(*key, count) for key, count in sorted(self._results.items()))

    def phase_times(self) -> tuple[PhaseTime, ...]:
        """By group and phase."""
        visits = sorted(self._visits.items())
        return tuple(PhaseTime(*key, count, self._seconds[key]) for key, count in visits)
