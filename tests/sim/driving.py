"""A driver that is asked, before each verb, whether the journal allows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import Readiness
from tests.sim.checks import rig as checks
from tests.sim.gpus import Life
from tests.sim.journals import SimJournal
from tests.sim.routes import SimBalancer
from tests.sim.witness import Witness


class CheckedDriver(ScriptedDriver):
    """A scripted driver that refuses to act on what the journal does not say."""

    def __init__(
        self,
        world: ScriptedWorld,
        journals: Mapping[str, SimJournal],
        balancer: SimBalancer,
        life: Life,
        witness: Witness,
        calm: Callable[[], bool],
    ) -> None:
        """`calm`: scripts count no more."""
        super().__init__(world)
        self._journals = journals
        self._balancer = balancer
        self._life = life
        self._witness = witness
        self._calm = calm
        self._well_behaved: dict[str, Workload] = {}
        self._drained = set[str]()
        """Keys of workloads that have finished their work and got none since."""

    async def prepare(self, workload: Workload) -> None:
        """See `agent.ports.Driver`."""
        await super().prepare(await self._checked("prepare", workload))
        await self._survived()

    async def start(self, workload: Workload) -> None:
        """See `agent.ports.Driver`."""
        script = await self._checked("start", workload)
        self._witness(checks.unrouted(workload.key, self._balancer.sends_to))
        await super().start(script)
        await self._survived()

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """See `agent.ports.Driver`."""
        await super().stop(await self._checked("stop", workload), grace_s)
        await self._survived()

    async def probe(self, workload: Workload) -> Readiness:
        """See `agent.ports.Driver`."""
        look = await super().probe(await self._checked("probe", workload))
        await self._survived()
        return look

    async def drain(self, workload: Workload) -> None:
        """See `agent.ports.Drainable`."""
        await super().drain(await self._checked("drain", workload))
        self._drained.add(workload.key)
        await self._survived()

    async def undrain(self, workload: Workload) -> None:
        """See `agent.ports.Drainable`."""
        self._drained.discard(workload.key)
        await super().undrain(await self._checked("undrain", workload))

    async def sleep(self, workload: Workload, level: int) -> None:
        """See `agent.ports.Sleepable`."""
        drained = workload.key in self._drained
        self._witness(checks.finished(workload.key, drained=drained))
        await super().sleep(await self._checked("sleep", workload), level)
        await self._survived()

    async def wake(self, workload: Workload) -> None:
        """See `agent.ports.Sleepable`."""
        await super().wake(await self._checked("wake", workload))
        await self._survived()

    async def _checked(self, verb: str, workload: Workload) -> Workload:
        if self._life.dead:
            await asyncio.Future()
        journal = self._journals[workload.group]
        # Safety stops a group even when its journal cannot be written; then it is spoiled.
        if not (verb == "stop" and journal.forgiven):
            self._witness(checks.journaled(verb, workload.name, journal.durable))
        return self._calmed(workload) if self._calm() else workload

    def _calmed(self, workload: Workload) -> Workload:
        """Without its script; one and the same each time."""
        if workload.key not in self._well_behaved:
            self._well_behaved[workload.key] = replace(workload, script={})
        return self._well_behaved[workload.key]

    async def _survived(self) -> None:
        """The agent may be killed with the deed done and nobody told."""
        if self._life.verb_kills():
            await asyncio.Future()
