"""What a running agent costs: memory and processor time at 1 Hz with eight GPUs, and its frames.

Beside it runs Debian's prometheus-node-exporter; both are scraped once a second, and measured over
the same seconds. The GPUs are those of a fake driver, which answers at once: what NVML itself would
take is not in it.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks import processes, rig
from benchmarks.figures import Figure
from benchmarks.processes import Use
from benchmarks.rig import GPUS, Recorder, Rig
from tests.parts.programs import free_port
from wire import codec, messages
from wire.model import GpuReading, Sample

EXPORTER = "prometheus-node-exporter"
PATIENCE_S = 30.0
SETTLE_S = 5.0
"""For what a start leaves behind to be over."""

PSS_GOAL_MB = 32.0
CPU_GOAL_PERCENT = 1.0
SAMPLE_GOAL_BYTES = 750.0


@dataclass(frozen=True, slots=True)
class Cost:
    """One family of processes over some seconds."""

    use: Use
    processor_percent: float
    """Of one core."""


def measure(python: str, seconds: float) -> Iterator[Figure]:
    """Watch both for so long."""
    with _exporter() as (exporter, port):
        agent, other, frames = asyncio.run(_watch(python, seconds, exporter, port))
    yield Figure(
        f"agent memory (PSS), {agent.use.processes} processes", _mb(agent), "MB", PSS_GOAL_MB
    )
    yield Figure("agent memory (RSS)", agent.use.rss_bytes / 1e6, "MB")
    yield Figure("agent processor time", agent.processor_percent, "% of a core", CPU_GOAL_PERCENT)
    yield Figure("node_exporter memory (PSS)", _mb(other), "MB")
    yield Figure("node_exporter memory (RSS)", other.use.rss_bytes / 1e6, "MB")
    yield Figure("node_exporter processor time", other.processor_percent, "% of a core")
    yield Figure("agent ÷ node_exporter, memory (PSS)", _mb(agent) / _mb(other), "times")
    ratio = agent.processor_percent / max(other.processor_percent, 1e-9)
    yield Figure("agent ÷ node_exporter, processor time", ratio, "times")
    yield Figure(
        "frame with a sample of 8 GPUs, varied as real ones", frames, "bytes", SAMPLE_GOAL_BYTES
    )


def _mb(cost: Cost) -> float:
    return cost.use.pss_bytes / 1e6


@contextmanager
def _exporter() -> Iterator[tuple[int, int]]:
    """Debian's node_exporter while the block runs: pid and port."""
    program = shutil.which(EXPORTER)
    if program is None:
        raise SystemExit(f"benchmarks: to compare with it: sudo apt-get install {EXPORTER}")
    port = free_port()
    process = subprocess.Popen(
        [program, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


async def _watch(python: str, seconds: float, exporter: int, port: int) -> tuple[Cost, Cost, float]:
    groups = rig.idle_groups()
    with tempfile.TemporaryDirectory() as folder:
        one = Rig(Path(folder), python, groups)
        async with one.controller() as (here, recorder), one.agent() as agent:
            await rig.settled(here, groups)
            await rig.sampled(here, recorder)
            ports = (port, one.metrics_port)
            await _scrape(SETTLE_S, ports)
            before = processes.use(agent.pid), processes.use(exporter)
            took_s = await _scrape(seconds, ports)
            after = processes.use(agent.pid), processes.use(exporter)
    costs = [_cost(b, a, took_s) for b, a in zip(before, after, strict=True)]
    return costs[0], costs[1], _sample_bytes(recorder)


def _cost(before: Use, after: Use, took_s: float) -> Cost:
    return Cost(after, 100 * (after.processor_s - before.processor_s) / took_s)


async def _scrape(seconds: float, ports: tuple[int, ...]) -> float:
    """Scrape both once a second for so long; how long it took in the end, in seconds."""
    began_s = time.monotonic()
    for second in range(1, int(seconds) + 1):
        for port in ports:
            await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
        await asyncio.sleep(max(0.0, began_s + second - time.monotonic()))
    return time.monotonic() - began_s


def _get(url: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - ours
                answer.read()
                return
        except urllib.error.URLError:
            if time.monotonic() > deadline_s:
                raise


def _sample_bytes(recorder: Recorder) -> float:
    """Of a frame that carries one look at every GPU; ZeroMQ and TCP add their own."""
    rng = random.Random(0)
    return median(
        len(codec.encode_up(replace(heard.up, body=messages.Telemetry((_varied(sample, rng),)))))
        for heard, body in recorder.bodies(messages.Telemetry)
        for sample in body.samples
        if len(sample.gpus) == len(GPUS)
    )


def _varied(sample: Sample, rng: random.Random) -> Sample:
    """As of real GPUs: fake ones are alike and have short names, so their frames are too short."""

    def vary(gpu: GpuReading) -> GpuReading:
        return replace(
            gpu,
            uuid=f"GPU-{uuid.UUID(int=rng.getrandbits(128))}",
            name="NVIDIA GeForce RTX 4090",
            temperature_c=float(rng.randint(50, 75)),
            memory_temperature_c=float(rng.randint(60, 95)),
            memory_used_bytes=rng.randrange(2**34),
            utilization_ratio=rng.randint(80, 100) / 100,
            fan_ratio=rng.randint(30, 90) / 100,
            power_w=rng.randint(200_000, 350_000) / 1000,
            energy_j=rng.randrange(10**12) / 1000,
            sm_clock_hz=rng.randint(100, 180) * 15e6,
        )

    return replace(sample, gpus=tuple(map(vary, sample.gpus)))
