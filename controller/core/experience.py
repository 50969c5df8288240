"""What switches of a GPU group have taught: how long they take, and what failed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wire.model import Outcome, Phase, Result

Route = tuple[str | None, str | None]
"""From one workload to another."""

SWITCH_WEIGHT = 0.3
"""How much the newest switch counts in a group's typical switch time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What switches of a group have taught."""

    switch_s: float | None = None
    """Seconds without income of a switch to a workload, whichever."""
    route_s: Mapping[Route, float] = field(default_factory=dict)
    """The same by route; to standing still too."""
    failures: tuple[tuple[str, float, int, str], ...] = ()
    """Workload, instant of its newest failure, failures in a row, reason."""
    noticed: frozenset[tuple[str, int]] = frozenset()
    """Workload and generation of failures that were counted already."""

    def learned(self, outcome: Outcome, at: float) -> Experience:
        """After one more outcome."""
        others = tuple(entry for entry in self.failures if entry[0] != outcome.workload)
        if outcome.result is Result.DONE:
            return self._taught(outcome, others)
        if outcome.workload is None:
            return self
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

    def _taught(
        self, outcome: Outcome, failures: tuple[tuple[str, float, int, str], ...]
    ) -> Experience:
        """While the new workload is prepared the old one still earns: that is no switch time."""
        took_s = sum(seconds for phase, seconds in outcome.phase_s if phase is not Phase.PREPARING)
        route = outcome.origin, outcome.workload
        known = replace(self, failures=failures)
        if not took_s:
            return known
        route_s = {**self.route_s, route: _typical_s(self.route_s.get(route), took_s)}
        if outcome.workload is None:
            return replace(known, route_s=route_s)
        return replace(known, route_s=route_s, switch_s=_typical_s(self.switch_s, took_s))


def _typical_s(before_s: float | None, took_s: float) -> float:
    return took_s if before_s is None else before_s + SWITCH_WEIGHT * (took_s - before_s)
