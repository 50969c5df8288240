"""Driver for workloads that are data. Simulation only: all it does is done to a `ScriptedWorld`."""

from __future__ import annotations

import asyncio

from agent.core.workload import Workload
from agent.drivers.script import Script, reason, script
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import DriverError, Readiness
from wire.model import Kind, WorkloadReading


class ScriptedDriver:
    """Does to a `ScriptedWorld` what a real driver does to a machine."""

    def __init__(self, world: ScriptedWorld) -> None:
        self._world = world

    async def prepare(self, workload: Workload) -> None:
        """Take the scripted time. Raises `DriverError` if scripted, or for a faulty script."""
        behaviour = script(workload)
        await asyncio.sleep(behaviour.prepare_s)
        if behaviour.prepare_fails:
            raise DriverError(reason(behaviour.prepare_fails, f"{workload.key}: cannot prepare"))

    async def start(self, workload: Workload) -> None:
        """Start its process, once. Raises `DriverError` if scripted."""
        behaviour = script(workload)
        if await self.alive(workload):
            return
        if not behaviour.start_fails:
            self._world.launch(workload)
        await asyncio.sleep(behaviour.start_s)
        if behaviour.start_fails or behaviour.half_start:
            raise DriverError(reason(behaviour.start_fails, f"{workload.key}: cannot start"))

    async def alive(self, workload: Workload) -> bool:
        """Whether its process runs."""
        return self._world.age_s(workload.key) is not None

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """TERM, after `grace_s` seconds KILL. Raises `DriverError` when it is stuck."""
        self._world.terminate(workload.key)
        try:
            async with asyncio.timeout(grace_s):
                await self._world.ended(workload.key)
        except TimeoutError:
            self._world.kill(workload.key)
        if await self.alive(workload):
            raise DriverError(f"{workload.key}: still running after KILL")

    async def probe(self, workload: Workload) -> Readiness:
        """Ready at the scripted time. Raises `DriverError` if scripted."""
        behaviour = script(workload)
        age_s = self._world.age_s(workload.key)
        if age_s is None:
            return Readiness(ready=False, reason="no process runs")
        if behaviour.probe_fails:
            raise DriverError(reason(behaviour.probe_fails, f"{workload.key}: cannot recover"))
        ready = _works(behaviour, age_s) and not self._world.asleep(workload.key)
        return Readiness(ready, f"{'ready' if ready else 'not ready'} after {age_s:g} s")

    async def exited(self, workload: Workload) -> str:
        """Wait until its process has ended, and say how."""
        return await self._world.ended(workload.key)

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Scripted hashrate or tokens, once it does its work."""
        behaviour = script(workload)
        age_s = self._world.age_s(workload.key)
        if age_s is None or not _works(behaviour, age_s):
            return None
        tokens_per_s = behaviour.tokens_per_s
        serving = workload.kind is Kind.INFERENCE
        return WorkloadReading(
            group=workload.group,
            workload=workload.name,
            hashrate_hps=behaviour.hashrate_hps,
            requests_running=0 if serving else None,
            requests_waiting=0 if serving else None,
            tokens_total=None if tokens_per_s is None else int(tokens_per_s * age_s),
        )

    async def drain(self, workload: Workload) -> None:
        """Take the scripted time. Raises `DriverError` if scripted."""
        behaviour = script(workload)
        self._world.close(workload.key, closed=True)
        if behaviour.drain_fails:
            raise DriverError(reason(behaviour.drain_fails, f"{workload.key}: cannot drain"))
        if behaviour.drain_hangs:
            await self._world.ended(workload.key)
        else:
            await asyncio.sleep(behaviour.drain_s)

    async def undrain(self, workload: Workload) -> None:
        """Take work again."""
        self._world.close(workload.key, closed=False)

    async def sleep(self, workload: Workload, _level: int) -> None:
        """Take the scripted time. Raises `DriverError` if scripted, or where no process runs."""
        behaviour = script(workload)
        await asyncio.sleep(behaviour.sleep_s)
        if behaviour.sleep_fails or self._world.asleep(workload.key) is None:
            raise DriverError(reason(behaviour.sleep_fails, f"{workload.key}: cannot sleep"))
        self._world.lull(workload.key)

    async def wake(self, workload: Workload) -> None:
        """Take the scripted time. Raises `DriverError` if scripted, or where no process runs."""
        behaviour = script(workload)
        await asyncio.sleep(behaviour.wake_s)
        if behaviour.wake_fails or self._world.asleep(workload.key) is None:
            raise DriverError(reason(behaviour.wake_fails, f"{workload.key}: cannot wake"))
        self._world.wake(workload.key)

    async def asleep(self, workload: Workload) -> bool | None:
        """Whether its process sleeps; ``None`` when there is none."""
        return self._world.asleep(workload.key)

    async def processes(self, workload: Workload) -> frozenset[int]:
        """The pid of its process."""
        pid = self._world.pid(workload.key)
        return frozenset() if pid is None else frozenset({pid})

    async def lock(self, workload: Workload) -> str | None:
        """Whether somebody has a claim on it; ``None`` while nobody answers."""
        if not self._world.lock_told:
            return None
        return "somebody has a claim on it" if self._world.locked(workload.key) else ""


def _works(behaviour: Script, age_s: float) -> bool:
    return not behaviour.never_ready and age_s >= behaviour.ready_s
