"""A simulated machine without its agent: processes, GPUs, disk, and the clock since the boot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from agent.core.model import State
from agent.settings import Settings
from tests.sim.disk import SimDisk
from tests.sim.gpus import CheckedWorld, Eyes, Life, SimTuner
from tests.sim.witness import Witness

UPTIME_S = 20.0
"""What the rig clock shows when the agent is first started after a boot."""


class Hardware:
    """What outlives an agent."""

    def __init__(
        self,
        settings: Settings,
        rng: random.Random,
        life: Life,
        witness: Witness,
        durable: Callable[[str], State | None],
    ) -> None:
        """`durable`: what a group's journal says."""
        self.disk = SimDisk()
        owners = {gpu: group.name for group in settings.groups for gpu in group.gpus}
        self.tuner = SimTuner(life, witness, lambda gpu: durable(owners[gpu]))
        self.world = CheckedWorld(self.tuner, witness, lambda gpu: durable(owners[gpu]))
        gpus = tuple(gpu for group in settings.groups for gpu in group.gpus)
        self.eyes = Eyes(self.world, self.tuner, gpus, now_s)
        self.writable_s = float("-inf")
        """Since when the disk has room."""
        self._gpus = {group.name: group.gpus[0] for group in settings.groups}
        self._rng = rng
        self._boots = 0
        self._booted_s = 0.0

    @property
    def boot_id(self) -> str:
        """Machines that were cloned may well agree on this."""
        return f"boot-{self._boots}"

    def rig_clock(self) -> float:
        """Seconds since the boot."""
        return now_s() - self._booted_s

    def lose_power(self) -> None:
        """Nothing runs any more, settings are gone, and of the disk what was not synced."""
        self._boots += 1
        self._booted_s = now_s() - UPTIME_S
        self.world.reset()
        self.tuner.reset()
        self.disk.cut_power(self._rng)

    def fill_disk(self, refusal: str | None) -> None:
        """Nothing can be written any more, for this reason; none: there is room again."""
        self.disk.refusal = refusal
        self.writable_s = now_s()

    def crash_workloads(self) -> None:
        """Whatever runs ends by itself."""
        for gpu in self._gpus.values():
            for key in self.world.alive_on(gpu):
                self.world.crash(key)

    def alive(self, group: str) -> frozenset[str]:
        """Workloads whose processes are on the group's GPUs."""
        return frozenset(map(_workload, self.world.alive_on(self._gpus[group])))

    def awake(self, group: str) -> frozenset[str]:
        """Those of them that do not sleep."""
        return frozenset(map(_workload, self.world.awake_on(self._gpus[group])))

    def astray_s(self, group: str) -> float:
        """How long the longest of them is awake that woke by itself; 0: none did."""
        since = self.world.stirred_on(self._gpus[group]).values()
        return now_s() - min(since) if since else 0.0

    def stoppable(self, group: str) -> frozenset[str]:
        """Those of them that a KILL would end."""
        return frozenset(map(_workload, self.world.stoppable_on(self._gpus[group])))

    def empty_looks(self, group: str, since_s: float) -> int:
        """How often the agent was shown since then that the group's GPUs are empty."""
        return self.eyes.empty_looks(self._gpus[group], since_s)

    def locked(self, group: str, workload: str) -> bool:
        """Whether somebody outside has a claim on a workload, told or not."""
        return self.world.locked(f"{group}.{workload}")

    def age_s(self, group: str, workload: str) -> float | None:
        """Seconds since a workload's process started; none when there is none."""
        return self.world.age_s(f"{group}.{workload}")


def now_s() -> float:
    """Virtual seconds."""
    return asyncio.get_running_loop().time()


def _workload(key: str) -> str:
    return key.partition(".")[2]
