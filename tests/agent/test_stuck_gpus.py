"""Stuck GPUs, planted in the driver library: each is given up with what to do about it, and the
rig's other group goes on switching.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.workload import Deadlines
from agent.gpu.child import Limits
from agent.gpu.collector import BEAT_S
from agent.gpu.supervisor import PAUSE_S
from agent.gpu.tuning.helper_link import ANSWER_S
from agent.gpu.tuning.pipe import WORK_S
from agent.settings import GpuSettings, SafetySettings
from tests.agent.looking import until
from tests.agent.pairs import STUCK, Pair
from tests.fakenvml.library import FakeDriver
from wire.model import Phase

QUARANTINE_S = 30.0
"""From a fault that can be seen until the group is given up, at most."""

RESET = f"nvidia-smi --gpu-reset -i {STUCK}"

WHILE_RUNNING = {
    "off the bus": (("set lost 1 1",), "power-cycle the rig"),
    "must be reset": (("fail nvmlDeviceGetMemoryInfo_v2 1 16",), RESET),
    "hung driver call": (("hang nvmlDeviceGetClockInfo 1 1",), "did not come back"),
    "recovery action reset": (("field 230 1 1",), RESET),
    "recovery action reboot": (("field 230 1 2",), "node_reboot: reboot the rig"),
    "uncontained ECC error": (("xid event 1 95",), RESET),
    "off the bus, announced": (("xid event 1 79",), "power-cycle the rig"),
    "GSP dead": (("xid event 1 119",), RESET),
    "no spare memory row": (("set rows_failed 1 1",), "have the board replaced"),
    "power brake": (("set throttle 1 128",), "hw_power_brake"),
    "lost PCIe lanes": (("set pcie_width 1 1",), "reseat card and riser"),
}
"""Lines of the fake driver that hit the GPU while it works, and what the operator must read."""

WHILE_EMPTYING = {
    "memory held by no process": (("set memory_used 1 9000000000",), RESET),
    "phantom busy": (("set utilization 1 100",), f"100% busy with no process; reset it (`{RESET}`"),
    "processes not told": (
        ("fail nvmlDeviceGetComputeRunningProcesses_v3 1 4",),
        "does not tell its processes",
    ),
    "foreign process": ((f"compute {os.getpid()} 1 5",), f"`ps -fp {os.getpid()}`"),
    "long gone process": (("compute 4000000 1 5",), "process 4000000 has ended"),
}
"""The same for a GPU that does not become empty."""


@pytest.mark.parametrize("kind", WHILE_RUNNING)
def test_a_gpu_that_fails_at_work_is_given_up_alone(driver: FakeDriver, kind: str) -> None:
    lines, advice = WHILE_RUNNING[kind]

    async def scenario() -> str:
        async with Pair(driver).run() as pair:
            pair.plant(*lines)
            return await pair.quarantined()

    reason = asyncio.run(scenario())
    assert STUCK in reason
    assert advice in reason


@pytest.mark.parametrize("kind", WHILE_EMPTYING)
def test_a_gpu_that_does_not_become_empty_is_given_up_alone(driver: FakeDriver, kind: str) -> None:
    lines, advice = WHILE_EMPTYING[kind]
    assert advice in _not_emptied(driver, *lines)


def test_a_process_that_hangs_in_the_kernel_is_called_that(
    driver: FakeDriver, unkillable: int
) -> None:
    reason = _not_emptied(driver, f"compute {unkillable} 1 5")
    assert f"process {unkillable} (stuck) hangs in the kernel" in reason
    assert "reboot the rig" in reason


def test_a_zombie_that_the_driver_still_counts_is_called_that(driver: FakeDriver) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        reason = _not_emptied(driver, f"compute {zombie.pid} 1 5")
    assert f"process {zombie.pid} (" in reason
    assert "has ended, but the driver counts it still" in reason


def test_a_workload_that_no_kill_ends_is_given_up_alone(driver: FakeDriver) -> None:
    async def scenario() -> str:
        async with Pair(driver, stop_hangs=True).run() as pair:
            pair.order("g1", None, 2)
            return await pair.quarantined()

    reason = asyncio.run(scenario())
    assert reason.startswith("llm could not be stopped")
    assert f"it may still hold {STUCK}; if it hangs in the kernel, only a reboot" in reason


def test_an_application_fault_is_restarted_and_its_repetition_is_the_gpus(
    driver: FakeDriver,
) -> None:
    async def scenario() -> str:
        async with Pair(driver).run() as pair:
            pair.plant("xid event 1 31")
            await until(lambda: pair.group("g1").state.restarts == 1)
            await pair.reaches("g1", Phase.RUNNING)
            assert pair.group("g1").state.active == "llm"
            pair.plant("xid event 1 31", "xid event 1 13")
            return await pair.quarantined()

    reason = asyncio.run(scenario())
    assert f"{STUCK}: XID 13 (graphics engine exception), 2 times lately" in reason


def test_a_gpu_that_fails_where_nothing_runs_is_given_up_before_an_order_comes(
    driver: FakeDriver,
) -> None:
    async def scenario() -> str:
        async with Pair(driver).run() as pair:
            pair.order("g1", None, 2)
            await pair.reaches("g1", Phase.IDLE)
            pair.plant("field 230 1 1")
            reason = await pair.quarantined()
            pair.plant()
            await until(lambda: not pair.rig._demands)
            pair.order("g1", "etc", 3)
            await pair.reaches("g1", Phase.RUNNING)
            return reason

    assert RESET in asyncio.run(scenario())


def test_by_its_own_figures_an_agent_gives_a_gpu_up_in_time() -> None:
    gpu, safety, limits, deadlines = GpuSettings(), SafetySettings(), Limits(), Deadlines()
    told_s = gpu.fast_interval_s * safety.samples
    guard_s = gpu.fast_interval_s
    seen = {
        "fast value": told_s,
        "slow value": gpu.slow_interval_s + told_s,
        "brake": gpu.fast_interval_s * safety.slowed_samples,
        "hung call": limits.call_s + 2 * BEAT_S + limits.kill_s + PAUSE_S + told_s,
    }
    assert {kind: s for kind, s in seen.items() if s + guard_s >= QUARANTINE_S} == {}
    assert deadlines.stop_s < QUARANTINE_S
    assert deadlines.vacate_s < QUARANTINE_S


def test_a_tuner_says_what_hung_before_a_step_of_derating_is_given_up() -> None:
    safety, tune_s = SafetySettings(), Deadlines().tune_s
    assert WORK_S < ANSWER_S < tune_s
    assert tune_s <= min(safety.mining.derate_wait_s, safety.inference.derate_wait_s)


def _not_emptied(driver: FakeDriver, *lines: str) -> str:
    async def scenario() -> str:
        async with Pair(driver).run() as pair:
            pair.plant(*lines)
            pair.order("g1", "etc", 2)
            return await pair.quarantined()

    reason = asyncio.run(scenario())
    assert "could not be emptied" in reason
    assert STUCK in reason
    return reason


@pytest.fixture
def unkillable(tmp_path: Path) -> Iterator[int]:
    """A process in state D: one that waits for the child it has borrowed its memory to."""
    source, program = tmp_path / "stuck.c", tmp_path / "stuck"
    source.write_text(
        "#include <unistd.h>\nint main(void) { if (vfork() == 0) for (;;) pause(); return 0; }\n"
    )
    subprocess.run(["cc", "-o", program, source], check=True)
    with subprocess.Popen([program], start_new_session=True) as process:
        yield process.pid
        os.killpg(process.pid, signal.SIGKILL)
