"""How long switches of a class take by route, told apart by whether the target slept there.

It remembers what it is told; waking takes seconds where starting takes minutes, and a mean of both
would be true of neither.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.core.model import GroupKey
from controller.core.options.experience import Route, travelled
from wire.model import GroupStatus, Outcome

Times = Mapping[Route, float]
"""Typical seconds without income."""


class RouteTimes:
    """What outcomes teach of routes, by class, in the rigs' own seconds."""

    def __init__(self) -> None:
        self._started: dict[str, Times] = {}
        self._woken: dict[str, Times] = {}
        self._waking: dict[GroupKey, int] = {}
        """Newest generation of each group that asked for what slept there."""

    def asked(
        self, key: GroupKey, generation: int, workload: str | None, status: GroupStatus | None
    ) -> None:
        """A group, as it stands by its newest report, was assigned a workload."""
        if workload is not None and status is not None and status.parked == workload:
            self._waking[key] = generation

    def woken(self, key: GroupKey, outcome: Outcome) -> bool:
        """Whether the target slept there; of what was assigned before a restart nobody knows."""
        return self._waking.get(key) == outcome.generation

    def learn(self, key: GroupKey, rig_class: str, outcome: Outcome) -> None:
        """Take in how a switch ended."""
        of_classes = self._woken if self.woken(key, outcome) else self._started
        of_classes[rig_class] = travelled(of_classes.get(rig_class, {}), outcome)

    def started_s(self, rig_class: str, speed: float) -> Times:
        """Of starts, in seconds of price; they differ from a rig's only in a replay."""
        return _paced(self._started.get(rig_class, {}), speed)

    def woken_s(self, rig_class: str, speed: float) -> Times:
        """The same of wakings."""
        return _paced(self._woken.get(rig_class, {}), speed)


def _paced(times: Times, speed: float) -> Times:
    return times if speed == 1.0 else {route: s * speed for route, s in times.items()}
