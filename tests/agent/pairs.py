"""A rig of two groups with one GPU each over the fake driver library: real collector, real time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from agent.core.model import Assigned, Desired
from agent.core.workload import Deadlines, Readiness, Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.gpu.child import Limits
from agent.gpu.untuned import Untuned
from agent.host import Host
from agent.journal import MemoryJournal
from agent.reactor import Reactor
from agent.rig import Equipment, Rig
from agent.settings import GpuSettings, GroupSettings, LinkSettings, SafetySettings, Settings
from agent.telemetry import Telemetry
from agent.uplink import Identity
from tests.agent.groups import SIGNER
from tests.agent.looking import until
from tests.fakenvml.library import FakeDriver
from tests.parts.balancer import Balancer
from wire.memory import MemoryNetwork
from wire.model import Kind, Phase

SOUND, STUCK = "GPU-fake-00", "GPU-fake-01"

IDLE = (
    *("set utilization * 0", "set throttle * 1", "set pcie_width * 16", "set memory_used * 1"),
    "field 230 * 0",
)
"""GPUs on which nothing goes on; the fake library's own are at work."""

DEADLINES = Deadlines(
    prepare_s=5, drain_s=5, stop_s=1.0, vacate_s=1.5, tune_s=5, start_s=5, probe_s=30
)


class Pair:
    """Group `g0` stays sound; whatever is planted hits `g1`."""

    def __init__(self, driver: FakeDriver, **scripts: float | bool | str) -> None:
        """`scripts`: how the workloads of `g1` behave."""
        self.driver = driver
        self.world = ScriptedWorld()
        self.journals = {"g0": MemoryJournal(), "g1": MemoryJournal()}
        self.settings = Settings(
            rig="rig-1",
            state_dir=Path("/nonexistent"),
            order_key=SIGNER.public_key,
            link=LinkSettings(),
            groups=(_group("g0", SOUND), _group("g1", STUCK, **scripts)),
            gpu=GpuSettings(fast_interval_s=0.05, slow_interval_s=0.1),
            safety=SafetySettings(xid_faults_max=1),
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Pair]:
        """Let the rig live, with both groups at work."""
        self.plant()
        self.telemetry = telemetry = Telemetry(
            self.settings.gpu,
            (SOUND, STUCK),
            host=Host(Path("/"), _clock),
            rig_time_s=_clock,
            limits=Limits(call_s=1.0, answer_s=0.5),
        )
        self.rig = Rig(
            self.settings,
            Identity(boot_id="boot", run_id="run", version="1", clock=_clock),
            Equipment(
                link=MemoryNetwork().agent_link("rig-1"),
                journals=self.journals,
                drivers={"scripted": ScriptedDriver(self.world)},
                probe=telemetry,
                tuner=Untuned(),
                router=Balancer(),
                sampler=telemetry,
                rng=random.Random(1),
            ),
        )
        tasks = [asyncio.create_task(telemetry.run()), asyncio.create_task(self.rig.run())]
        try:
            await until(lambda: all(reactor.resumed for reactor in self.rig.reactors.values()))
            self.order("g1", "llm", 1)
            await self.reaches("g1", Phase.RUNNING)
            yield self
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    def plant(self, *lines: str) -> None:
        """From now on the driver does this."""
        self.driver.does(*lines, *IDLE)

    def order(self, group: str, workload: str | None, generation: int) -> None:
        """Assign it."""
        self.rig.reactors[group].post(Assigned(Desired(generation=generation, workload=workload)))

    def group(self, name: str) -> Reactor:
        return self.rig.reactors[name]

    async def reaches(self, group: str, phase: Phase) -> None:
        await until(lambda: self.group(group).state.phase is phase)

    async def quarantined(self) -> str:
        """Why `g1` was given up, once it is, and the other group has been switched on since."""
        await self.reaches("g1", Phase.FAILED)
        self.order("g0", "etc", 1)
        await self.reaches("g0", Phase.RUNNING)
        assert self.group("g1").state.phase is Phase.FAILED
        return self.group("g1").state.reason


def _group(name: str, gpu: str, **script: float | bool | str) -> GroupSettings:
    mining = Workload(
        name="etc",
        kind=Kind.MINING,
        driver="scripted",
        group=name,
        gpus=(gpu,),
        deadlines=DEADLINES,
        readiness=Readiness(hold_s=0.05),
        script=script,
    )
    serving = replace(mining, name="llm", kind=Kind.INFERENCE)
    return GroupSettings(name=name, gpus=(gpu,), workloads=(mining, serving))


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
