"""What the rig sees of itself: the newest look at its GPUs, its host and its workloads.

Nothing here ever waits for a driver: `latest` answers at once, `occupancy` within a limit.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent import host as hosts
from agent.gpu import holders
from agent.gpu.child import Limits, Spawn, spawn_of
from agent.gpu.supervisor import Supervisor
from agent.gpu.xids import XidLedger
from agent.ports import Holding, Occupancy
from agent.settings import GpuSettings
from wire.model import GpuReading, HostReading, Sample, WorkloadReading


@dataclass(frozen=True, slots=True)
class Health:
    """How looking goes, apart from what is seen."""

    up: bool
    """Whether the newest look is fresh."""
    age_s: float | None
    """Since the newest look; ``None`` before the first."""
    restarts: int
    """Collectors that hung or crashed and were replaced."""
    abandoned: int
    """Collectors that cannot be killed and still exist."""


@dataclass(frozen=True, slots=True)
class _Seen:
    at_s: float
    gpus: tuple[GpuReading, ...]


class Telemetry:
    """Implements `agent.ports.Sampler` and `agent.ports.GpuProbe`.

    `latest` and `health` may be called from any thread.
    """

    def __init__(
        self,
        gpu: GpuSettings,
        gpus: tuple[str, ...],
        *,
        host: hosts.Host,
        rig_time_s: Callable[[], float],
        workloads: Callable[[], tuple[WorkloadReading, ...]] = tuple,
        limits: Limits | None = None,
        spawn: Spawn | None = None,
    ) -> None:
        """Prepare; nothing is started before `run`.

        Args:
            gpu: Source and rhythm.
            gpus: UUIDs that must be accounted for in every sample.
            host: Reads the machine.
            rig_time_s: Rig clock, seconds.
            workloads: What the running workloads say of themselves; must not block.
            limits: How long a collector may take; tests shorten it.
            spawn: Starts a collector; by default the real one.
        """
        self._interval_s = gpu.fast_interval_s
        self._floor_bytes = gpu.vacant_memory_bytes
        self._host = host
        self._rig_time_s = rig_time_s
        self._workloads = workloads
        self._seen: _Seen | None = None
        self._host_reading: HostReading | None = None
        self._xids = XidLedger()
        self._supervisor = Supervisor(
            spawn or spawn_of(gpu, gpus),
            gpu.fast_interval_s,
            rig_time_s=rig_time_s,
            took=self._take,
            lost=self._xids.restart,
            limits=limits or Limits(),
        )

    @property
    def settled(self) -> asyncio.Event:
        """Set once GPUs were seen, or it is known why not."""
        return self._supervisor.settled

    @property
    def stale_s(self) -> float:
        """Older than this, a look no longer counts."""
        return 3 * self._interval_s + 5

    def latest(self) -> Sample:
        """The newest look and host reading; not ok, with a reason, when the look is too old."""
        now, seen = self._rig_time_s(), self._seen
        host, workloads = self._host_reading, self._workloads()
        if seen is not None and self._counts(seen, now):
            return Sample(seen.at_s, True, seen.gpus, host, workloads)
        silence = "" if seen is None else f" (last look {now - seen.at_s:.0f} s ago)"
        return Sample(now, False, (), host, workloads, f"{self._supervisor.excuse()}{silence}")

    def health(self) -> Health:
        """How looking goes."""
        now, seen = self._rig_time_s(), self._seen
        return Health(
            up=seen is not None and self._counts(seen, now),
            age_s=None if seen is None else now - seen.at_s,
            restarts=self._supervisor.restarts,
            abandoned=self._supervisor.abandoned,
        )

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy:
        """A look made after this call began; says so where the GPUs could not be seen in time."""
        readings = await self._supervisor.ask(gpus)
        if readings is None:
            return Occupancy((), 0, unseen=self._supervisor.excuse())
        return _occupancy(gpus, readings, self._floor_bytes)

    async def run(self) -> None:
        """Keep looking until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_host())
            tasks.create_task(self._supervisor.run())

    async def _watch_host(self) -> None:
        # Apart from the looks at GPUs: a stuck driver is no reason to lose sight of the host.
        while True:
            self._host_reading = self._host.read()
            await asyncio.sleep(self._interval_s)

    def _take(self, gpus: tuple[GpuReading, ...]) -> None:
        self._seen = _Seen(self._rig_time_s(), self._xids.merge(gpus))

    def _counts(self, seen: _Seen, now: float) -> bool:
        return not self._supervisor.blind and now - seen.at_s <= self.stale_s


def _occupancy(
    gpus: tuple[str, ...], readings: tuple[GpuReading, ...], floor_bytes: int
) -> Occupancy:
    """What holds these GPUs, if every one of them has told."""
    found = {reading.uuid: reading for reading in readings}
    blind = [why for uuid in gpus if (why := holders.unseen(uuid, found.get(uuid)))]
    if blind:
        return Occupancy((), 0, unseen="; ".join(blind))
    seen = [found[uuid] for uuid in gpus]
    return Occupancy(
        pids=tuple(sorted({p.pid for reading in seen for p in reading.processes or ()})),
        memory_used_max_bytes=max(reading.memory_used_bytes or 0 for reading in seen),
        utilization_max_ratio=max(reading.utilization_ratio or 0.0 for reading in seen),
        said=holders.holder(seen, floor_bytes),
        holdings=tuple(
            Holding(reading.uuid, p.pid, p.memory_bytes)
            for reading in seen
            for p in reading.processes or ()
            if p.memory_bytes is not None
        ),
    )


async def sample_once(
    gpu: GpuSettings | None = None, gpus: tuple[str, ...] = (), directory: Path = Path("/")
) -> Sample:
    """One look at this machine, without any configuration: all GPUs that the driver shows."""
    rig_time_s = hosts.boot_time_s
    host = hosts.Host(directory, rig_time_s)
    telemetry = Telemetry(gpu or GpuSettings(), gpus, host=host, rig_time_s=rig_time_s)
    run = asyncio.create_task(telemetry.run())
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(Limits().open_s):
                await telemetry.settled.wait()
        return telemetry.latest()
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
