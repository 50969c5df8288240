"""Whether a group's GPUs are empty, and what holds them if not.

What cannot be seen is never taken for empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from agent.core import rhythm
from agent.ports import GpuProbe
from agent.settings import GpuSettings

PHANTOM_BUSY_RATIO = 0.5
"""A GPU without a process that is busier than this is stuck in somebody's work."""


class Vacancy:
    """Looks at the GPUs of one group."""

    def __init__(self, probe: GpuProbe, gpus: tuple[str, ...], settings: GpuSettings) -> None:
        self._probe = probe
        self._gpus = gpus
        self._settings = settings

    async def holders(self) -> AsyncIterator[str]:
        """What each look finds, until `vacant_samples` in a row have found nothing."""
        empty, loop = 0, asyncio.get_running_loop()
        began_s = loop.time()
        while empty < self._settings.vacant_samples:
            holder = await self.holder()
            yield holder
            empty = 0 if holder else empty + 1
            if empty < self._settings.vacant_samples:
                waited_s = loop.time() - began_s
                await asyncio.sleep(rhythm.pause_s(waited_s, rhythm.VACANT_PAUSE_MAX_S))

    async def holder(self) -> str:
        """What holds the GPUs; empty when nothing does."""
        look = await self._probe.occupancy(self._gpus)
        if look is None or look.unseen:
            return self.unseen(look.unseen if look else "")
        holder = ""
        if look.pids:
            holder = f"processes {', '.join(map(str, look.pids))} hold them"
        elif look.memory_used_max_bytes > self._settings.vacant_memory_bytes:
            holder = f"{look.memory_used_max_bytes / 2**20:.0f} MiB are still held, by no process"
        elif (look.utilization_max_ratio or 0.0) > PHANTOM_BUSY_RATIO:
            holder = f"{look.utilization_max_ratio:.0%} busy, with no process"
        return holder and (look.said or f"{', '.join(self._gpus)}: {holder}")

    def unseen(self, why: str = "") -> str:
        """That they could not be seen, and why."""
        return f"{', '.join(self._gpus)} could not be seen{why and f': {why}'}"
