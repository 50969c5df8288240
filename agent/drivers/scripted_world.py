"""The processes and GPUs of one simulated machine. Simulation only.

Nothing here is real: no process, no thread, no file. All waiting is done on timers of the event
loop, so a virtual clock controls it. The world belongs to the machine: it lives on when an agent
dies, and what an agent asked of it goes on without the agent. Two workloads on one GPU are possible
here as they are on a real one; it is the agent that must prevent it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agent.core.workload import Workload
from agent.drivers.script import Script, script
from agent.ports import Holding, Occupancy

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
    asleep: bool = False
    naps: int = 0
    """How often it fell asleep."""
    stirred_s: float | None = None
    """When it woke by itself, unless it sleeps again."""
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

    def awake_on(self, gpu: str) -> tuple[str, ...]:
        """Keys of those of them that do not sleep."""
        return tuple(
            life.key for life in self._alive.values() if gpu in life.gpus and not life.asleep
        )

    def stirred_on(self, gpu: str) -> dict[str, float]:
        """Those that woke by themselves and could be ended, by key, and when they woke."""
        return {
            life.key: life.stirred_s
            for life in self._alive.values()
            if gpu in life.gpus and life.stirred_s is not None and not life.script.stop_hangs
        }

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
            holdings=tuple(
                Holding(gpu, life.pid, _held_bytes(life))
                for life in holders
                for gpu in life.gpus
                if gpu in gpus
            ),
        )

    def _used_bytes(self, gpu: str) -> int:
        lives = [*self._alive.values(), *self._residue]
        return sum(_held_bytes(life) for life in lives if gpu in life.gpus)

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

    def asleep(self, key: str) -> bool | None:
        """Whether the workload sleeps; ``None`` when no process runs."""
        life = self._alive.get(key)
        return None if life is None else life.asleep

    def pid(self, key: str) -> int | None:
        """Of the workload's process."""
        life = self._alive.get(key)
        return None if life is None else life.pid

    def lull(self, key: str) -> None:
        """The workload falls asleep; harmless when it sleeps, or there is none."""
        life = self._alive.get(key)
        if life is None or life.asleep:
            return
        life.asleep, life.naps, life.stirred_s = True, life.naps + 1, None
        if life.script.wakes_after_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(life.script.wakes_after_s, self._stir, life, life.naps)

    def _stir(self, life: _Life, nap: int) -> None:
        """It wakes by itself, unless it was woken or ended before."""
        if life.asleep and life.naps == nap and self._alive.get(life.key) is life:
            self._rouse(life)
            life.stirred_s = life.started_s

    def wake(self, key: str) -> None:
        """The workload wakes and has to become ready anew; harmless when there is none."""
        life = self._alive.get(key)
        if life is not None and life.asleep:
            self._rouse(life)

    @staticmethod
    def _rouse(life: _Life) -> None:
        life.asleep, life.started_s = False, asyncio.get_running_loop().time()

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
        """Seconds since the process started, or woke; ``None`` when there is none."""
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


def _held_bytes(life: _Life) -> int:
    slim = life.asleep and not life.script.sleep_lies
    return life.script.sleeping_bytes if slim else life.script.memory_bytes
