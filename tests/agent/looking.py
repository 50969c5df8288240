"""A running `Telemetry` for tests, and waiting for what it shall see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from agent.gpu.child import Limits, Spawn
from agent.host import Host
from agent.settings import GpuSettings
from agent.telemetry import Telemetry
from wire.model import GpuReading, Sample

PATIENCE_S = 60.0
FAST = GpuSettings(fast_interval_s=0.02, slow_interval_s=0.05)


@dataclass
class RigClock:
    """A rig clock that tests move by hand."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@contextlib.asynccontextmanager
async def looking(
    gpu: GpuSettings = FAST,
    gpus: tuple[str, ...] = (),
    *,
    limits: Limits | None = None,
    clock: RigClock | None = None,
    spawn: Spawn | None = None,
) -> AsyncIterator[Telemetry]:
    clock = clock or RigClock()
    telemetry = Telemetry(
        gpu, gpus, host=Host(Path("/"), clock), rig_time_s=clock, limits=limits, spawn=spawn
    )
    run = asyncio.create_task(telemetry.run())
    try:
        yield telemetry
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what other processes did has no event here
            await asyncio.sleep(0.01)


async def sampled(telemetry: Telemetry, wanted: Callable[[Sample], bool]) -> Sample:
    """The first sample that fits."""
    await until(lambda: wanted(telemetry.latest()))
    return telemetry.latest()


def reading(sample: Sample, position: int) -> GpuReading:
    return sample.gpus[position]


def fresh(sample: Sample) -> bool:
    return sample.ok


def once(gpus: tuple[str, ...] = ()) -> Sample:
    """One look, or the reason why there is none."""

    async def scenario() -> Sample:
        async with looking(gpus=gpus) as telemetry, asyncio.timeout(PATIENCE_S):
            await telemetry.settled.wait()
            return telemetry.latest()

    return asyncio.run(scenario())
