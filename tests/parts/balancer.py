"""A load balancer in memory: which workloads it sends requests to, and all that it was told."""

from __future__ import annotations

import asyncio

from agent.core.workload import Workload
from agent.ports import RouteError


class Balancer:
    """Does what it is told, unless it refuses."""

    def __init__(self) -> None:
        self.sends_to = set[str]()
        """Names of workloads."""
        self.told = list[str]()
        """Every deed that it did, as `verb workload`."""
        self.refuses = dict[str, int]()
        """By verb: how many times more."""

    async def check(self, workload: Workload) -> None:
        await self._take("check", workload)

    async def close(self, workload: Workload) -> None:
        await self._take("close", workload)
        self.sends_to.discard(workload.name)

    async def open(self, workload: Workload) -> None:
        await self._take("open", workload)
        self.sends_to.add(workload.name)

    async def _take(self, verb: str, workload: Workload) -> None:
        await asyncio.sleep(0)
        if self.refuses.get(verb, 0) > 0:
            self.refuses[verb] -= 1
            raise RouteError(f"{verb} is refused")
        if workload.route is not None:
            self.told.append(f"{verb} {workload.name}")
