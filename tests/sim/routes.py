"""A machine's load balancer in a simulation: it outlives agents and reboots, and sometimes refuses.

It witnesses that no request is ever sent to what its journal does not call proven.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from agent.core.workload import Workload
from agent.ports import RouteError
from tests.sim.checks import rig as checks
from tests.sim.gpus import Life
from tests.sim.journals import SimJournal
from tests.sim.witness import Witness

REFUSALS_RATIO = {"closed": 0.12, "opened": 0.3}
"""Until everything is calm; a closing that is refused keeps much else from happening."""

DEED_S = 0.05


class SimBalancer:
    """Which workloads of one machine get requests."""

    def __init__(self, seed: str) -> None:
        self.sends_to = set[str]()
        """Keys of workloads."""
        self.rng = random.Random(f"{seed}/balancer")


class SimRouter:
    """One agent's way to its load balancer."""

    def __init__(
        self,
        balancer: SimBalancer,
        journals: Mapping[str, SimJournal],
        life: Life,
        witness: Witness,
        calm: Callable[[], bool],
    ) -> None:
        self._balancer = balancer
        self._journals = journals
        self._life = life
        self._witness = witness
        self._calm = calm

    async def check(self, workload: Workload) -> None:
        """See `agent.ports.Router`."""
        await self._alive()

    async def close(self, workload: Workload) -> None:
        """See `agent.ports.Router`."""
        if workload.route is not None:
            await self._deed("closed")
            self._balancer.sends_to.discard(workload.key)

    async def open(self, workload: Workload) -> None:
        """See `agent.ports.Router`."""
        if workload.route is not None:
            await self._deed("opened")
            durable = self._journals[workload.group].durable
            self._witness(checks.routed(workload.name, durable))
            self._balancer.sends_to.add(workload.key)

    async def _deed(self, done: str) -> None:
        await self._alive()
        await asyncio.sleep(DEED_S)
        await self._alive()
        if not self._calm() and self._balancer.rng.random() < REFUSALS_RATIO[done]:
            raise RouteError(f"its route could not be {done}: refused")

    async def _alive(self) -> None:
        if self._life.dead:
            await asyncio.Future()
