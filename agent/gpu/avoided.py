"""GPUs of which a driver call hung. Left alone for a while, they no longer hide the others.

A collector has one thread for all GPUs, and a call that hangs once hangs again: without this,
one stuck GPU would keep every group of the rig from being seen to be empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.gpu import pipe
from agent.gpu.child import Limits


@dataclass(frozen=True, slots=True)
class _Pause:
    until_s: float
    for_s: float
    why: str


class AvoidedGpus:
    """Remembers who hung when, over the lives of several collectors."""

    def __init__(self, limits: Limits, rig_time_s: Callable[[], float]) -> None:
        self._limits = limits
        self._rig_time_s = rig_time_s
        self._pauses: dict[str, _Pause] = {}

    def add(self, stuck: pipe.Stuck) -> None:
        """A call hung; calls that are about no GPU are everybody's."""
        if not stuck.gpu:
            return
        before = self._pauses.get(stuck.gpu)
        for_s = self._limits.avoid_s if before is None else 2 * before.for_s
        for_s = min(for_s, self._limits.avoid_max_s)
        why = (
            f"the driver call {stuck.call} did not come back, so this GPU is not asked any more "
            f"for {for_s:.0f} s; look for it in `dmesg`, then reboot the rig"
        )
        self._pauses[stuck.gpu] = _Pause(self._rig_time_s() + for_s, for_s, why)

    def list(self) -> tuple[pipe.Avoided, ...]:
        """Who must not be touched by a collector that starts now."""
        now_s = self._rig_time_s()
        return tuple(
            pipe.Avoided(gpu, pause.until_s - now_s, pause.why)
            for gpu, pause in self._pauses.items()
            if pause.until_s > now_s
        )
