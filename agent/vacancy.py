"""Whether a group's GPUs are empty, or but for a sleeper, and what holds them if not.

What cannot be seen is never taken for empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent.core import rhythm
from agent.ports import GpuProbe, Occupancy
from agent.settings import GpuSettings
from agent.sleeper import Sleeper

PHANTOM_BUSY_RATIO = 0.5
"""A GPU without a process that is busier than this is stuck in somebody's work."""


class Vacancy:
    """Looks at the GPUs of one group."""

    def __init__(self, probe: GpuProbe, gpus: tuple[str, ...], settings: GpuSettings) -> None:
        self._probe = probe
        self._gpus = gpus
        self._settings = settings

    async def holders(self, sleeper: Sleeper | None = None) -> AsyncIterator[str]:
        """What each look finds, until `vacant_samples` in a row have found nothing."""
        empty, loop = 0, asyncio.get_running_loop()
        began_s = loop.time()
        while empty < self._settings.vacant_samples:
            holder = await self.holder(sleeper)
            yield holder
            empty = 0 if holder else empty + 1
            if empty < self._settings.vacant_samples:
                waited_s = loop.time() - began_s
                await asyncio.sleep(rhythm.pause_s(waited_s, rhythm.VACANT_PAUSE_MAX_S))

    async def holder(self, sleeper: Sleeper | None = None) -> str:
        """What holds the GPUs; empty when nothing does, or only who sleeps and holds little."""
        look = await self._probe.occupancy(self._gpus)
        if look is None or look.unseen:
            return self.unseen(look.unseen if look else "")
        if sleeper is not None:
            return await self._beside(sleeper, look)
        holder = ""
        if look.pids:
            holder = f"processes {', '.join(map(str, look.pids))} hold them"
        elif look.memory_used_max_bytes > self._settings.vacant_memory_bytes:
            holder = f"{look.memory_used_max_bytes / 2**20:.0f} MiB are still held, by no process"
        elif (look.utilization_max_ratio or 0.0) > PHANTOM_BUSY_RATIO:
            holder = f"{look.utilization_max_ratio:.0%} busy, with no process"
        return holder and (look.said or f"{', '.join(self._gpus)}: {holder}")

    async def excess(self, sleeper: Sleeper) -> str:
        """What it holds beyond what it may, whoever else is there; empty if nobody can tell."""
        look = await self._probe.occupancy(self._gpus)
        if look is None or look.unseen:
            return ""
        pids, allowed = await sleeper.processes(), sleeper.workload.park_memory_bytes
        for gpu in self._gpus:
            own = (h.memory_bytes for h in look.holdings if h.gpu == gpu and h.pid in pids)
            held = sum(own)
            if held > allowed:
                return f"it holds {held / 2**20:.0f} MiB of {gpu}, {_allowed(allowed)}"
        return ""

    async def _beside(self, sleeper: Sleeper, look: Occupancy) -> str:
        name, allowed = sleeper.workload.name, sleeper.workload.park_memory_bytes
        fault = await sleeper.fault()
        if fault:
            return f"{name} shall sleep on them, but {fault}"
        gpus, strangers = ", ".join(self._gpus), set(look.pids) - await sleeper.processes()
        if strangers:
            return f"{gpus}: processes {', '.join(map(str, sorted(strangers)))} hold them"
        floor_bytes = self._settings.vacant_memory_bytes + allowed
        if look.memory_used_max_bytes > floor_bytes:
            held = f"{look.memory_used_max_bytes / 2**20:.0f} MiB"
            return f"{gpus}: {held} are still held while {name} sleeps, {_allowed(allowed)}"
        if (look.utilization_max_ratio or 0.0) > PHANTOM_BUSY_RATIO:
            return f"{gpus}: {look.utilization_max_ratio:.0%} busy, though {name} sleeps"
        return ""

    def unseen(self, why: str = "") -> str:
        """That they could not be seen, and why."""
        return f"{', '.join(self._gpus)} could not be seen{why and f': {why}'}"


def _allowed(allowed_bytes: int) -> str:
    return f"`park_memory_bytes` allows {allowed_bytes / 2**20:.0f} MiB"
