"""What switches of a GPU group have taught: how long they take, and what failed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wire.model import Outcome, Phase, Result

SWITCH_WEIGHT = 0.3
"""How much the newest switch counts in a group's typical switch time."""

ROUTE_WEIGHT = 0.1
"""The same in the typical time of a route, on all groups of a class."""

ROUTE_FACTOR_MAX = 2.0
"""How far from the typical time a single switch is believed."""

Route = tuple[str | None, str | None]
"""From one workload to another; none: standing still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What switches of a group have taught."""

    switch_s: float | None = None
    failures: tuple[tuple[str, float, int, str], ...] = ()
    """Workload, instant of its newest failure, failures in a row, reason."""
    noticed: frozenset[tuple[str, int]] = frozenset()
    """Workload and generation of failures that were counted already."""

    def learned(self, outcome: Outcome, at: float) -> Experience:
        """After one more outcome."""
        others = tuple(entry for entry in self.failures if entry[0] != outcome.workload)
        if outcome.workload is None:
            return self
        if outcome.result is Result.DONE:
            return replace(self, failures=others, switch_s=self._typical_s(outcome))
        if outcome.result in (Result.ROLLED_BACK, Result.REFUSED):
            return self.failed(outcome.workload, outcome.generation, at, outcome.reason)
        return self

    def failed(self, workload: str, generation: int, at: float, reason: str) -> Experience:
        """After a workload has failed; a rig that says so twice has had one failure."""
        if (workload, generation) in self.noticed:
            return self
        count = next((entry[2] for entry in self.failures if entry[0] == workload), 0)
        others = tuple(entry for entry in self.failures if entry[0] != workload)
        noticed = {(name, seen) for name, seen in self.noticed if seen >= generation}
        return replace(
            self,
            failures=(*others, (workload, at, count + 1, reason)),
            noticed=frozenset(noticed | {(workload, generation)}),
        )

    def _typical_s(self, outcome: Outcome) -> float | None:
        took_s = dark_s(outcome)
        if not took_s:
            return self.switch_s
        if self.switch_s is None:
            return took_s
        return self.switch_s + SWITCH_WEIGHT * (took_s - self.switch_s)


def dark_s(outcome: Outcome) -> float:
    """While the new workload is prepared the old one still earns: that is no switch time."""
    return sum(seconds for phase, seconds in outcome.phase_s if phase is not Phase.PREPARING)


def travelled(known_s: Mapping[Route, float], outcome: Outcome) -> Mapping[Route, float]:
    """Typical seconds without income by route, on groups of one class, after one more switch."""
    route, took_s = (outcome.origin, outcome.workload), dark_s(outcome)
    if outcome.result is not Result.DONE or outcome.origin == outcome.workload or not took_s:
        return known_s
    before_s = known_s.get(route, took_s)
    took_s = min(max(took_s, before_s / ROUTE_FACTOR_MAX), before_s * ROUTE_FACTOR_MAX)
    return {**known_s, route: before_s + ROUTE_WEIGHT * (took_s - before_s)}
