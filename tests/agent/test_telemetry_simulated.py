"""Simulated GPUs through the real collector, with real processes that claim them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent.gpu import simulated
from agent.gpu.simulated import Claim
from agent.gpu.simulated_source import IDLE_MEMORY_BYTES, IDLE_W, NAME, SimulatedSource
from agent.host import Host
from agent.settings import GpuSettings
from tests.agent.looking import RigClock, fresh, looking, sampled

GPUS = ("GPU-sim-0", "GPU-sim-1")

WORKLOAD = """
import sys
from pathlib import Path
from agent.gpu import simulated
simulated.claim(Path(sys.argv[1]), sys.argv[3:], memory_bytes=8_000_000_000, power_w=200.0,
                workload=sys.argv[2])
print("claimed", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def workload(directory: Path, name: str, *gpus: str) -> Iterator[int]:
    """A process that holds simulated GPUs until it is killed, which it is on leaving."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKLOAD, str(directory), name, *gpus],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"claimed\n"
            yield process.pid
        finally:
            process.kill()


def settings(directory: Path) -> GpuSettings:
    return GpuSettings(
        source="simulated", simulated_dir=directory, fast_interval_s=0.02, slow_interval_s=0.05
    )


def test_what_runs_on_simulated_gpus_is_seen_and_gone_when_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with looking(settings(tmp_path), GPUS) as telemetry:
            sample = await sampled(telemetry, fresh)
            assert [gpu.name for gpu in sample.gpus] == [NAME, NAME]
            assert "simulated" in NAME
            with workload(tmp_path, "mine", *GPUS) as pid:
                held = await telemetry.occupancy(GPUS)
                assert (held.pids, held.unseen) == ((pid,), "")
                assert held.memory_used_max_bytes == IDLE_MEMORY_BYTES + 8_000_000_000
                assert held.said.startswith(f"{GPUS[0]}: process {pid} (mine) holds it")
                sample = await sampled(telemetry, lambda sample: sample.gpus[1].power_w != IDLE_W)
                assert sample.gpus[1].power_w == IDLE_W + 200.0
            empty = await telemetry.occupancy(GPUS)
            assert (empty.pids, empty.memory_used_max_bytes) == ((), IDLE_MEMORY_BYTES)
            assert empty.utilization_max_ratio == 0.0
            unknown = await telemetry.occupancy(("GPU-unknown",))
            assert unknown.unseen == "GPU-unknown: no such simulated GPU"

    asyncio.run(scenario())


def test_two_at_once_are_a_double_occupancy_for_good(tmp_path: Path) -> None:
    with workload(tmp_path, "mine", *GPUS), workload(tmp_path, "infer", GPUS[1]):
        assert len(simulated.claims(tmp_path, GPUS[1])) == 2
        assert simulated.double_occupancies(tmp_path) == 1
    with workload(tmp_path, "mine", *GPUS):
        assert simulated.double_occupancies(tmp_path) == 1


def test_one_after_the_other_is_none(tmp_path: Path) -> None:
    for name in ("mine", "infer", "mine"):
        with workload(tmp_path, name, *GPUS):
            assert simulated.double_occupancies(tmp_path) == 0


def test_a_claim_ends_with_its_release(tmp_path: Path) -> None:
    for _ in range(2):
        simulated.claim(
            tmp_path, GPUS, memory_bytes=1, power_w=1.0, workload="w", clock=RigClock(5.0)
        )
    assert [claim.pid for claim in simulated.claims(tmp_path, GPUS[0])] == [os.getpid()]
    simulated.release(tmp_path, GPUS, clock=RigClock(6.0))
    simulated.release(tmp_path, GPUS, clock=RigClock(7.0))
    assert simulated.claims(tmp_path, GPUS[0]) == ()
    assert simulated.double_occupancies(tmp_path) == 0
    assert (tmp_path / GPUS[0] / simulated.LOG).read_text().splitlines() == [
        f"5.000 claim pid={os.getpid()} workload=w",
        f"5.000 claim pid={os.getpid()} workload=w",
        f"6.000 release pid={os.getpid()}",
    ]


@pytest.mark.parametrize("pid", [os.getpid(), 4_194_304], ids=["reused", "dead"])
def test_a_reused_or_dead_pid_holds_nothing(tmp_path: Path, pid: int) -> None:
    gpu = tmp_path / GPUS[0]
    gpu.mkdir()
    stale = Claim(pid, started_ticks=1, workload="old", memory_bytes=1, power_w=1.0)
    (gpu / f"{pid}.claim").write_bytes(msgspec.json.encode(stale))
    assert simulated.claims(tmp_path, GPUS[0]) == ()
    simulated.claim(tmp_path, GPUS[:1], memory_bytes=1, power_w=1.0, workload="new")
    assert simulated.double_occupancies(tmp_path) == 0


def test_heat_and_energy_follow_load_by_the_given_clock(tmp_path: Path) -> None:
    clock = RigClock(0.0)
    source = SimulatedSource(tmp_path, GPUS, clock)

    def look() -> tuple[float, float]:
        gpu = source.look(slow=False)[0]
        assert gpu.temperature_c is not None
        assert gpu.energy_j is not None
        return gpu.temperature_c, gpu.energy_j

    cool, _ = look()
    simulated.claim(tmp_path, GPUS[:1], memory_bytes=1, power_w=282.0, workload="w")
    temperatures = []
    for _ in range(10):
        clock.now_s += 20.0
        temperatures.append(look()[0])
    assert [cool, *temperatures] == sorted({cool, *temperatures})
    assert temperatures[-1] == pytest.approx(70.0, abs=0.5)
    assert look()[1] == pytest.approx(200 * 300.0)
    simulated.release(tmp_path, GPUS[:1])
    clock.now_s += 1000.0
    assert look()[0] == cool


def test_the_host_is_read_and_a_missing_disk_is_absent(tmp_path: Path) -> None:
    reading = Host(tmp_path, RigClock(7.0)).read()
    assert reading.uptime_s == 7.0
    assert reading.memory_total_bytes is not None
    assert reading.memory_available_bytes is not None
    assert 0 < reading.memory_available_bytes <= reading.memory_total_bytes
    assert reading.disk_free_bytes is not None
    assert reading.load1 is not None
    assert reading.cpu_ratio is None or 0 <= reading.cpu_ratio <= 1
    assert Host(tmp_path / "none", RigClock()).read().disk_free_bytes is None
