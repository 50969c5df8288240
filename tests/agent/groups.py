"""Scripted GPU groups and a whole scripted rig on a virtual clock, with the controller's end."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from agent.core.workload import Deadlines, Readiness, Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.gpu.untuned import Untuned
from agent.journal import MemoryJournal
from agent.performer import Performer
from agent.ports import Checker, Driver, GpuProbe, Router, Tuner
from agent.rig import Equipment, Rig
from agent.settings import GpuSettings, GroupSettings, LinkSettings, Settings
from agent.uplink import Identity
from tests.parts.balancer import Balancer
from wire import codec, messages, model
from wire.memory import MemoryNetwork
from wire.messages import Down, Up
from wire.model import Kind
from wire.signing import Signer

GPU = "GPU-0"
SIGNER = Signer(bytes(range(32)))
BOOT = "boot-1"

Body = TypeVar("Body", bound=messages.UpBody)

DEADLINES = Deadlines(
    prepare_s=10, drain_s=6, stop_s=8, vacate_s=8, tune_s=5, start_s=5, probe_s=15
)


def workload(
    name: str, *, hold_s: float = 2.0, profile: str = "neutral", **script: float | bool | str
) -> Workload:
    """A workload of group `g0` that behaves as scripted."""
    return Workload(
        name=name,
        kind=Kind.MINING,
        driver="scripted",
        group="g0",
        gpus=(GPU,),
        profile=profile,
        deadlines=DEADLINES,
        readiness=Readiness(hold_s=hold_s),
        script=dict(script),
    )


def group(*workloads: Workload) -> GroupSettings:
    return GroupSettings(name="g0", gpus=(GPU,), workloads=workloads)


def performer(
    settings: GroupSettings,
    world: ScriptedWorld,
    *,
    driver: Driver | None = None,
    probe: GpuProbe | None = None,
    tuner: Tuner | None = None,
    checker: Checker | None = None,
    router: Router | None = None,
) -> Performer:
    return Performer(
        settings,
        GpuSettings(vacant_samples=2),
        {"scripted": driver or ScriptedDriver(world)},
        probe=probe or world,
        tuner=tuner or Untuned(),
        checker=checker,
        router=router or Balancer(),
        rng=random.Random(1),
    )


async def until(met: Callable[[], object], within_s: float = 600.0) -> None:
    """Let virtual time pass until it is so."""
    deadline_s = asyncio.get_running_loop().time() + within_s
    while not met():
        assert asyncio.get_running_loop().time() < deadline_s, "it never came to be"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def working(work: asyncio.Task[None]) -> AsyncIterator[None]:
    """Cancel a task in the end; if it has failed meanwhile, that is the test's failure."""
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


class Eyes:
    """The rig's sampler: one GPU whose temperature the test sets."""

    def __init__(self) -> None:
        self.temperature_c = 60.0
        self.ok = True
        self.error: str | None = None
        """Nothing can be read of the GPU, for this reason."""
        self.xids: tuple[tuple[int, int], ...] = ()
        """XID errors so far, each with how often it came."""

    def latest(self) -> model.Sample:
        at_s = asyncio.get_running_loop().time()
        seen_c = None if self.error else self.temperature_c
        reading = model.GpuReading(GPU, temperature_c=seen_c, error=self.error, xids=self.xids)
        return model.Sample(
            at_s, self.ok, (reading,) if self.ok else (), reason="" if self.ok else "stuck"
        )


class RigBench:
    """A whole rig with one group, and the controller's end of its link in the test's hands."""

    def __init__(
        self,
        *workloads: Workload,
        driver: Driver | None = None,
        tuner: Tuner | None = None,
        boot_grace_s: float = 300.0,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.world = ScriptedWorld()
        self.journal = MemoryJournal()
        self.eyes = Eyes()
        self.heard: list[Up] = []
        listed = workloads or (workload("etc"), workload("llama"))
        self.settings = Settings(
            rig="rig-1",
            state_dir=Path("/nonexistent"),
            order_key=SIGNER.public_key,
            link=LinkSettings(),
            groups=(group(*listed),),
            gpu=GpuSettings(fast_interval_s=1.0),
            report_interval_s=5.0,
            telemetry_interval_s=10.0,
            boot_grace_s=boot_grace_s,
            **(settings or {}),  # type: ignore[arg-type]
        )
        self.tuner: Tuner = tuner or Untuned()
        self._driver = driver or ScriptedDriver(self.world)
        self._network = MemoryNetwork()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[RigBench]:
        """Let the rig live and listen to it."""
        self._fleet = self._network.fleet_link()
        self.rig = Rig(
            self.settings,
            Identity(boot_id=BOOT, run_id="run-1", version="1", clock=self.clock),
            Equipment(
                link=self._network.agent_link("rig-1"),
                journals={"g0": self.journal},
                drivers={"scripted": self._driver},
                probe=self.world,
                tuner=self.tuner,
                sampler=self.eyes,
                router=Balancer(),
                rng=random.Random(1),
            ),
        )
        async with working(asyncio.create_task(self._listen())):
            async with working(asyncio.create_task(self.rig.run())):
                await until(lambda: self.bodies(messages.StateReport))
                yield self
            await asyncio.sleep(0.05)

    def clock(self) -> float:
        """The rig clock: the machine was booted a hundred seconds before the test began."""
        return asyncio.get_running_loop().time() + 100.0

    @property
    def group(self) -> model.GroupStatus:
        """What the rig would report of its group now."""
        return self.rig.uplink.statuses()[0]

    def bodies(self, kind: type[Body]) -> list[Body]:
        """All that was heard of one kind."""
        return [up.body for up in self.heard if isinstance(up.body, kind)]

    async def say(
        self,
        body: messages.DownBody,
        *,
        boot_id: str = BOOT,
        dated_s: float | None = None,
        ttl_s: float = 30.0,
        signer: Signer = SIGNER,
    ) -> None:
        """Send one frame as the controller would."""
        dated = self.clock() if dated_s is None else dated_s
        await self.send(codec.encode_down(Down("rig-1", boot_id, dated, ttl_s, body), signer))

    async def send(self, frame: bytes) -> None:
        """Send these very bytes."""
        await self._fleet.send("rig-1", frame)
        await asyncio.sleep(0.01)

    async def order(
        self, workload: str | None, generation: int, *, lease_s: float = 300.0, group: str = "g0"
    ) -> None:
        """Assign it."""
        assignment = model.Assignment(f"order-{generation}", group, generation, workload)
        await self.say(messages.Order((assignment,), lease_s))

    async def _listen(self) -> None:
        while True:
            self.heard.append(codec.decode_up((await self._fleet.receive()).frame))
