"""Driver for workloads that are data, and the world that they live in. Simulation only.

Nothing here is real: no process, no thread, no file. All waiting is done on timers of the event
loop, so a virtual clock controls it. `ScriptedWorld` belongs to the machine: it lives on when an
agent dies, and what an agent asked of it goes on without the agent. Two workloads on one GPU are
possible here as they are on a real one; it is the agent that must prevent it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agent.core.workload import Workload
from agent.drivers.script import Script, reason, script
from agent.ports import DriverError, Occupancy, Readiness
from wire.model import Kind, WorkloadReading

FIRST_PID = 1000
"""Scripted processes are numbered from here."""


@dataclass(slots=True, eq=False)
class _Life:
    """A scripted process, from its start to its end."""

    key: str
    pid: int
    gpus: tuple[str, ...]
    script: Script
    started_s: float
    """Time of the event loop."""
    terminated: bool = False
    closed: bool = False
    """It takes nothing new: no claim on it can begin."""
    locked: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ending: str = ""


class ScriptedWorld:
    """The processes and GPUs of one simulated machine, and the hooks of a simulation."""

    def __init__(self) -> None:
        self._alive: dict[str, _Life] = {}
        self._endings: dict[str, str] = {}
        self._residue: list[_Life] = []
        self._hidden: set[str] = set()
        self._pid = FIRST_PID
        self.lock_told = True
        """Whether anybody answers who is asked for locks."""

    # Hooks for a simulation

    def crash(self, key: str) -> None:
        """The process of this workload ends now; harmless when there is none."""
        self._end(self._alive.get(key), "crashed")

    def alive_on(self, gpu: str) -> tuple[str, ...]:
        """Keys of the workloads whose processes are on this GPU, oldest first."""
        return tuple(life.key for life in self._alive.values() if gpu in life.gpus)

    def locked(self, key: str) -> bool:
        """Whether somebody outside has a claim on this workload, told or not."""
        life = self._alive.get(key)
        return life is not None and life.locked

    def hide(self, gpu: str) -> None:
        """From now on this GPU cannot be looked at."""
        self._hidden.add(gpu)

    def show(self, gpu: str) -> None:
        """This GPU can be looked at again."""
        self._hidden.discard(gpu)

    def reset(self) -> None:
        """The machine reboots: no process and no memory taken outlives it."""
        for life in list(self._alive.values()):
            self._end(life, "ended by a reboot")
        self._residue.clear()

    # Port `GpuProbe`

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        """What holds these GPUs now; ``None`` when one of them cannot be seen."""
        if self._hidden.intersection(gpus):
            return None
        holders = [life for life in self._alive.values() if set(gpus) & set(life.gpus)]
        return Occupancy(
            pids=tuple(life.pid for life in holders),
            memory_used_max_bytes=max(map(self._used_bytes, gpus), default=0),
        )

    def _used_bytes(self, gpu: str) -> int:
        lives = [*self._alive.values(), *self._residue]
        return sum(life.script.memory_bytes for life in lives if gpu in life.gpus)

    # What the driver does to it

    def launch(self, workload: Workload) -> None:
        """Start a process, unless one runs."""
        if workload.key in self._alive:
            return
        loop = asyncio.get_running_loop()
        self._pid += 1
        life = _Life(workload.key, self._pid, workload.gpus, script(workload), loop.time())
        self._alive[workload.key] = life
        if life.script.exit_after_s is not None:
            loop.call_later(life.script.exit_after_s, self._end, life, "ended by itself")
        if life.script.locked_after_s is not None:
            loop.call_later(life.script.locked_after_s, self._claim, life)

    def close(self, key: str, *, closed: bool) -> None:
        """Whether the workload takes anything new."""
        if key in self._alive:
            self._alive[key].closed = closed

    def _claim(self, life: _Life) -> None:
        if not life.closed:
            life.locked = True
            asyncio.get_running_loop().call_later(life.script.locked_for_s, self._let_go, life)

    @staticmethod
    def _let_go(life: _Life) -> None:
        life.locked = False

    def terminate(self, key: str) -> None:
        """TERM: the process ends in its own time, whether or not the agent lives to see it."""
        life = self._alive.get(key)
        if life is None or life.terminated or life.script.ignores_term or life.script.stop_hangs:
            return
        life.terminated = True
        loop = asyncio.get_running_loop()
        loop.call_later(life.script.stop_s, self._end, life, "ended by SIGTERM")

    def kill(self, key: str) -> None:
        """KILL: the process ends now, unless it is stuck."""
        life = self._alive.get(key)
        if life is not None and not life.script.stop_hangs:
            self._end(life, "ended by SIGKILL")

    def age_s(self, key: str) -> float | None:
        """Seconds since the process started; ``None`` when there is none."""
        life = self._alive.get(key)
        return None if life is None else asyncio.get_running_loop().time() - life.started_s

    async def ended(self, key: str) -> str:
        """Wait until there is no process, and say how it ended."""
        life = self._alive.get(key)
        if life is None:
            return self._endings.get(key, "is not running")
        await life.ended.wait()
        return life.ending

    def _end(self, life: _Life | None, ending: str) -> None:
        # A timer may still name a process that was replaced meanwhile.
        if life is None or self._alive.get(life.key) is not life:
            return
        del self._alive[life.key]
        self._endings[life.key] = life.ending = ending
        life.ended.set()
        if life.script.keeps_memory or life.script.keeps_memory_s > 0:
            self._residue.append(life)
        if life.script.keeps_memory_s > 0 and not life.script.keeps_memory:
            loop = asyncio.get_running_loop()
            loop.call_later(life.script.keeps_memory_s, self._give_back, life)

    def _give_back(self, life: _Life) -> None:
        if life in self._residue:
            self._residue.remove(life)


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
        ready = _works(behaviour, age_s)
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

    async def lock(self, workload: Workload) -> str | None:
        """Whether somebody has a claim on it; ``None`` while nobody answers."""
        if not self._world.lock_told:
            return None
        return "somebody has a claim on it" if self._world.locked(workload.key) else ""


def _works(behaviour: Script, age_s: float) -> bool:
    return not behaviour.never_ready and age_s >= behaviour.ready_s
