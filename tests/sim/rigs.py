"""A simulated machine: the real agent over scripted workloads, and its lives and deaths."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agent.core.model import State
from agent.core.workload import Deadlines, Readiness, Workload
from agent.drivers.scripted import ScriptedDriver, ScriptedWorld
from agent.gpu.untuned import Untuned
from agent.journal import MemoryJournal
from agent.ports import Occupancy
from agent.ports import Readiness as Look
from agent.rig import Equipment, Rig
from agent.settings import GpuSettings, GroupSettings, LinkSettings, Settings
from agent.uplink import Identity
from tests.sim import checks
from tests.sim.faults import Schedule
from wire import model
from wire.memory import MemoryNetwork
from wire.model import Kind

WORKLOADS = {"coin": Kind.MINING, "chat": Kind.INFERENCE, "spare": Kind.MINING}
FLOOR_BYTES = 1024**3


class PowerCutError(BaseException):
    """The agent dies at this very line."""


@dataclass(slots=True)
class Trace:
    """Everything that was made durable, in order: two runs of a seed must agree."""

    lines: list[str]
    now: Callable[[], float]

    def note(self, text: str) -> None:
        """One line."""
        self.lines.append(f"{self.now():.6f} {text}")


class SimJournal(MemoryJournal):
    """A journal that can die before or after a line, and checks what is written."""

    def __init__(self, name: str, trace: Trace) -> None:
        super().__init__()
        self.crashes: dict[int, bool] = {}
        """Journal lines at which the agent dies, by number; true: the line was durable."""
        self._name = name
        self._trace = trace
        self._count = 0

    @property
    def durable(self) -> State | None:
        """The newest durable state."""
        return self.states[-1] if self.states else None

    def append(self, state: State) -> None:
        """See `agent.ports.Journal`."""
        self._count += 1
        crash = self.crashes.pop(self._count, None)
        if crash is False:
            raise PowerCutError
        checks.generation_grows(self.durable, state)
        super().append(state)
        self._trace.note(f"{self._name} {state.phase} {state.target} {state.desired.generation}")
        if crash:
            raise PowerCutError


class CheckedWorld(ScriptedWorld):
    """Simulated GPUs that shout at the moment two workloads meet."""

    def launch(self, workload: Workload) -> None:
        """See `ScriptedWorld`."""
        for gpu in workload.gpus:
            held = sum(life.script.memory_bytes for life in self._residue if gpu in life.gpus)
            checks.empty_before_start(gpu, self.alive_on(gpu), held, FLOOR_BYTES)
        super().launch(workload)
        for gpu in workload.gpus:
            checks.exclusive(gpu, self.alive_on(gpu))


class CheckedDriver(ScriptedDriver):
    """A scripted driver that refuses to act on what the journal does not say."""

    def __init__(
        self, world: ScriptedWorld, journals: dict[str, SimJournal], calm: Callable[[], bool]
    ) -> None:
        super().__init__(world)
        self._journals = journals
        self._calm = calm

    async def prepare(self, workload: Workload) -> None:
        """See `agent.ports.Driver`."""
        await super().prepare(self._checked("prepare", workload))

    async def start(self, workload: Workload) -> None:
        """See `agent.ports.Driver`."""
        await super().start(self._checked("start", workload))

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """See `agent.ports.Driver`."""
        await super().stop(self._checked("stop", workload), grace_s)

    async def probe(self, workload: Workload) -> Look:
        """See `agent.ports.Driver`."""
        return await super().probe(self._checked("probe", workload))

    async def drain(self, workload: Workload) -> None:
        """See `agent.ports.Drainable`."""
        await super().drain(self._checked("drain", workload))

    async def undrain(self, workload: Workload) -> None:
        """See `agent.ports.Drainable`."""
        await super().undrain(self._checked("undrain", workload))

    def _checked(self, verb: str, workload: Workload) -> Workload:
        journal = self._journals[workload.group]
        if not (verb == "stop" and journal.refusal):
            checks.journaled(verb, workload.name, journal.durable)
        return replace(workload, script={}) if self._calm() else workload


class Eyes:
    """The rig's sampler and GPU probe: what a simulated machine shows of itself."""

    def __init__(
        self, world: ScriptedWorld, gpus: tuple[str, ...], now: Callable[[], float]
    ) -> None:
        self.hot = False
        self._world = world
        self._gpus = gpus
        self._now = now

    def latest(self) -> model.Sample:
        """See `agent.ports.Sampler`."""
        heat = [99.0 if self.hot and i == 0 else 60.0 for i in range(len(self._gpus))]
        return model.Sample(
            at_s=self._now(),
            ok=True,
            gpus=tuple(
                model.GpuReading(uuid, temperature_c=c)
                for uuid, c in zip(self._gpus, heat, strict=True)
            ),
        )

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        """See `agent.ports.GpuProbe`."""
        return await self._world.occupancy(gpus)


class SimMachine:
    """One machine: what survives an agent (processes, disk) and what does not."""

    def __init__(
        self, name: str, schedule: Schedule, network: MemoryNetwork, order_key: str, trace: Trace
    ) -> None:
        self.name = name
        self.settings = settings(name, schedule, order_key)
        self.journals = {
            g.name: SimJournal(f"{name}/{g.name}", trace) for g in self.settings.groups
        }
        self.world = CheckedWorld()
        self.rig: Rig | None = None
        self.deaths = 0
        self._schedule = schedule
        self._network = network
        self._rng = random.Random(f"{schedule.seed}/{name}")
        self._boots = 0
        self._booted_s = 0.0
        self._link: object = None
        self._task: asyncio.Task[None] | None = None
        gpus = tuple(gpu for group in self.settings.groups for gpu in group.gpus)
        self.eyes = Eyes(self.world, gpus, self._now)
        for rig, line, durable in schedule.crash_at_line:
            if rig == name:
                next(iter(self.journals.values())).crashes[line] = durable

    async def live(self) -> None:
        """Boot, and let systemd start the agent again whenever it dies. Until cancelled."""
        self.boot()
        while True:
            self._task = asyncio.create_task(self._agent_run(), name=f"agent:{self.name}")
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()
            self._check_death(self._task)
            self.deaths += 1
            self.rig = None
            await asyncio.sleep(self._rng.uniform(0.2, 8.0))

    def kill(self) -> None:
        """kill -9: the agent is gone at once; what it started goes on."""
        if self._task is not None and not self._task.done():
            self._mute()
            self._task.cancel()

    def boot(self) -> None:
        """Power cycle: nothing runs any more, the rig clock starts again."""
        self._boots += 1
        self._booted_s = asyncio.get_running_loop().time() - 20.0
        self.world.reset()
        self.kill()

    def crash_workloads(self) -> None:
        """Whatever runs ends by itself."""
        for group in self.settings.groups:
            for key in self.world.alive_on(group.gpus[0]):
                self.world.crash(key)

    def refuse(self, reason: str | None) -> None:
        """The disk is full, or has room again."""
        for journal in self.journals.values():
            journal.refusal = reason

    async def _agent_run(self) -> None:
        network_link = self._network.agent_link(self.name)
        self._mute = lambda: self._network.agent_link(self.name)  # type: ignore[method-assign]
        identity = Identity(
            boot_id=f"{self.name}-boot-{self._boots}",
            run_id=f"{self.name}-run-{self.deaths}",
            version="sim",
            clock=self._rig_clock,
        )
        driver = CheckedDriver(self.world, self.journals, self._calm)
        self.rig = Rig(
            self.settings,
            identity,
            Equipment(
                link=network_link,
                journals=self.journals,
                drivers={"scripted": driver},
                probe=self.eyes,
                tuner=Untuned(),
                sampler=self.eyes,
                rng=self._rng,
            ),
        )
        await self.rig.run()

    def _mute(self) -> None:
        """A dead agent says nothing: a link opened in its place silences the old one."""

    def _check_death(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        with contextlib.suppress(PowerCutError):
            if isinstance(error, BaseExceptionGroup):
                rest = error.split(PowerCutError)[1]
                if rest is None:
                    raise PowerCutError
                raise rest
            if error is not None:
                raise error

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _rig_clock(self) -> float:
        return self._now() - self._booted_s

    def _calm(self) -> bool:
        return self._now() >= self._schedule.calm_s


def settings(name: str, schedule: Schedule, order_key: str) -> Settings:
    """A rig with small deadlines, so that much can happen in little time."""
    return Settings(
        rig=name,
        state_dir=Path("/nonexistent"),
        order_key=order_key,
        link=LinkSettings(),
        groups=tuple(_group(name, number, schedule) for number in range(schedule.groups)),
        gpu=GpuSettings(fast_interval_s=5.0),
        report_interval_s=8.0,
        telemetry_interval_s=60.0,
        boot_grace_s=60.0,
    )


def _group(rig: str, number: int, schedule: Schedule) -> GroupSettings:
    group, gpus = f"g{number}", (f"{rig}-gpu{number}",)
    return GroupSettings(
        name=group,
        gpus=gpus,
        workloads=tuple(
            Workload(
                name=name,
                kind=kind,
                driver="scripted",
                group=group,
                gpus=gpus,
                deadlines=Deadlines(
                    prepare_s=10, drain_s=6, stop_s=8, vacate_s=8, tune_s=5, start_s=5, probe_s=15
                ),
                readiness=Readiness(hold_s=2.0),
                script=schedule.scripts[rig][name],
                power_w=300.0,
            )
            for name, kind in WORKLOADS.items()
        ),
    )
