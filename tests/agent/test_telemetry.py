"""Telemetry over a real collector and a fake driver: hangs, losses, crashes, recoveries."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from agent import telemetry as telemetries
from agent.gpu import pipe
from agent.gpu.child import Limits
from agent.ports import GpuProbe, Occupancy, Sampler
from agent.settings import GpuSettings
from tests.agent.looking import FAST, PATIENCE_S, RigClock, fresh, looking, sampled, until
from tests.fakenvml.library import FakeDriver
from wire.model import Sample

PAIR = ("GPU-fake-00", "GPU-fake-01")
IMPATIENT = Limits(call_s=1.0, open_s=1.0, answer_s=0.2, retry_s=0.05)


def collector_pids() -> set[int]:
    """Collectors that this process has started and that still run."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = {int(pid) for listed in children for pid in listed.read_text().split()}
    return {pid for pid in pids if b"agent.gpu.collector" in _command_line(pid)}


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_it_is_what_the_ports_ask_for() -> None:
    def takes(sampler: Sampler, probe: GpuProbe) -> None:
        assert sampler.latest().reason
        assert probe is not None

    async def scenario() -> None:
        async with looking() as telemetry:
            takes(telemetry, telemetry)

    asyncio.run(scenario())


def test_before_the_first_look_it_says_so(driver: FakeDriver) -> None:
    async def scenario() -> Sample:
        async with looking() as telemetry:
            return telemetry.latest()

    sample = asyncio.run(scenario())
    assert not sample.ok
    assert "has not looked yet" in sample.reason


def test_a_sample_carries_the_rig_clock_and_the_host(driver: FakeDriver) -> None:
    async def scenario() -> Sample:
        async with looking(clock=RigClock(1234.5)) as telemetry:
            return await sampled(telemetry, lambda sample: sample.ok and sample.host is not None)

    sample = asyncio.run(scenario())
    assert sample.at_s == 1234.5
    assert sample.host is not None
    assert sample.host.uptime_s == 1234.5


def test_a_lost_gpu_stays_lost_and_the_other_goes_on(driver: FakeDriver) -> None:
    async def scenario() -> None:
        async with looking() as telemetry:
            await sampled(telemetry, fresh)
            driver.does("set lost 1 1", "set temperature 0 70")
            sample = await sampled(telemetry, lambda sample: sample.gpus[1].error is not None)
            lost = sample.gpus[1]
            assert lost.error is not None
            assert "lost" in lost.error
            assert (lost.uuid, lost.name) == ("GPU-fake-01", "Fake RTX")
            assert lost.power_w is None
            assert lost.processes is None
            driver.does("set lost 1 1", "set temperature 0 71")
            sample = await sampled(telemetry, lambda sample: sample.gpus[0].temperature_c == 71.0)
            assert sample.gpus[0].error is None
            assert sample.gpus[1].error is not None
            both, sound = await telemetry.occupancy(PAIR), await telemetry.occupancy(PAIR[:1])
            assert both.unseen.startswith("GPU-fake-01: the driver has lost this GPU")
            assert (sound.unseen, sound.memory_used_max_bytes) == ("", 1_000_000_000)

    asyncio.run(scenario())


def test_a_gpu_that_was_reset_comes_back(driver: FakeDriver) -> None:
    async def scenario() -> None:
        async with looking() as telemetry:
            await sampled(telemetry, fresh)
            driver.does("set lost 1 1")
            await sampled(telemetry, lambda sample: sample.gpus[1].error is not None)
            driver.does()
            sample = await sampled(telemetry, lambda sample: sample.gpus[1].error is None)
            assert sample.gpus[1].power_w == 250.0

    asyncio.run(scenario())


def test_an_xid_is_counted_and_outlives_the_collector(driver: FakeDriver) -> None:
    async def scenario() -> None:
        async with looking(limits=IMPATIENT) as telemetry:
            await sampled(telemetry, fresh)
            driver.does("xid event 1 31", "xid event 1 79")
            sample = await sampled(telemetry, lambda sample: sample.gpus[1].xid_count == 2)
            assert sample.gpus[1].xid_last == 79
            assert sample.gpus[0].xid_count == 0
            driver.does("set power 0 111000")
            (pid,) = collector_pids()
            os.kill(pid, signal.SIGKILL)
            sample = await sampled(telemetry, lambda sample: sample.gpus[0].power_w == 111.0)
            await until(lambda: telemetry.health().restarts == 1)
            assert (sample.gpus[1].xid_count, sample.gpus[1].xid_last) == (2, 79)
            driver.does("set power 0 112000", "xid event 0 48")
            sample = await sampled(telemetry, lambda sample: sample.gpus[0].xid_count == 1)
            assert (sample.gpus[1].xid_count, sample.gpus[1].xid_last) == (2, 79)

    asyncio.run(scenario())


def test_a_dead_event_stream_is_opened_anew(driver: FakeDriver) -> None:
    async def scenario() -> None:
        async with looking() as telemetry:
            await sampled(telemetry, fresh)
            driver.does("fail nvmlEventSetWait_v2 * 999", "set power 0 111000")
            await sampled(telemetry, lambda sample: sample.gpus[0].power_w == 111.0)
            driver.does("xid event 0 48")
            sample = await sampled(telemetry, lambda sample: sample.gpus[0].xid_count == 1)
            assert sample.gpus[0].xid_last == 48

    asyncio.run(scenario())


def test_a_hung_call_is_told_the_collector_killed_and_replaced(driver: FakeDriver) -> None:
    clock = RigClock()

    async def scenario() -> None:
        limits = Limits(call_s=3.0, answer_s=0.2)
        async with looking(gpus=PAIR, limits=limits, clock=clock) as telemetry:
            await sampled(telemetry, fresh)
            (hung,) = collector_pids()
            driver.does("hang nvmlDeviceGetClockInfo 1 1")
            clock.now_s += telemetry.stale_s + 1
            sample = await sampled(telemetry, lambda sample: "stuck since" in sample.reason)
            assert not sample.ok
            assert sample.gpus == ()
            assert sample.host is not None
            assert "nvmlDeviceGetClockInfo of GPU-fake-01" in sample.reason
            blind = await telemetry.occupancy(PAIR[:1])
            assert "nvmlDeviceGetClockInfo of GPU-fake-01" in blind.unseen
            sample = await sampled(telemetry, fresh)
            assert sample.gpus[0].error is None, "one stuck GPU does not hide the others"
            assert sample.gpus[1].error is not None
            assert "is not asked any more for 300 s" in sample.gpus[1].error
            assert (await telemetry.occupancy(PAIR[:1])).unseen == ""
            assert telemetry.health().restarts == 1
            assert hung not in collector_pids()

    asyncio.run(scenario())


def test_a_gpu_whose_call_hung_is_asked_again_after_a_while(driver: FakeDriver) -> None:
    async def scenario() -> None:
        limits = Limits(call_s=1.5, avoid_s=1.0)
        async with looking(gpus=PAIR, limits=limits) as telemetry:
            await sampled(telemetry, fresh)
            driver.does("hang nvmlDeviceGetClockInfo 1 1")
            hung = await sampled(telemetry, lambda s: s.ok and s.gpus[-1].error is not None)
            assert {gpu.uuid for gpu in hung.gpus} == set(PAIR)
            driver.does()
            await sampled(telemetry, lambda s: s.ok and all(gpu.error is None for gpu in s.gpus))
            assert telemetry.health().restarts == 1, "by the same collector"

    asyncio.run(scenario())


def test_a_gpu_that_cannot_even_be_named_does_not_hide_the_others(driver: FakeDriver) -> None:
    async def scenario() -> None:
        driver.does("hang nvmlDeviceGetUUID 1 1")
        async with looking(gpus=PAIR, limits=IMPATIENT) as telemetry:
            sample = await sampled(telemetry, fresh)
            assert sample.gpus[0].error is None
            assert "It cannot open GPU number 1: the driver call" in (sample.gpus[1].error or "")

    asyncio.run(scenario())


def test_a_driver_that_hangs_while_opening_is_tried_again(driver: FakeDriver) -> None:
    driver.does("hang nvmlInitWithFlags * 1")

    async def scenario() -> None:
        async with looking(limits=IMPATIENT) as telemetry:
            await until(lambda: telemetry.health().restarts > 0)
            assert "nvmlInit" in telemetry.latest().reason
            driver.does()
            await sampled(telemetry, fresh)

    asyncio.run(scenario())


def test_a_driver_that_cannot_be_used_is_tried_afresh(driver: FakeDriver) -> None:
    async def scenario() -> None:
        async with looking(limits=IMPATIENT) as telemetry:
            await sampled(telemetry, fresh)
            driver.does("fail nvmlDeviceGetTemperatureV * 9", "fail nvmlInitWithFlags * 18")
            sample = await sampled(telemetry, lambda sample: "reboot the rig [" in sample.reason)
            assert not sample.ok
            assert sample.gpus == ()
            assert not telemetry.health().up
            driver.does()
            await sampled(telemetry, fresh)
            assert telemetry.health().restarts == 0

    asyncio.run(scenario())


def test_occupancy_is_looked_up_after_the_call_began(driver: FakeDriver) -> None:
    lazy = GpuSettings(fast_interval_s=PATIENCE_S, slow_interval_s=PATIENCE_S)

    async def scenario() -> None:
        async with looking(lazy) as telemetry:
            await sampled(telemetry, fresh)
            driver.does("compute 4000000 0 5", "compute 4000001 1 5", "set memory_used 1 7")
            held = await telemetry.occupancy(PAIR)
            assert (held.pids, held.memory_used_max_bytes) == ((4000000, 4000001), 1_000_000_000)
            driver.does("set memory_used 1 7")
            free = await telemetry.occupancy(PAIR[1:])
            assert (free.pids, free.memory_used_max_bytes) == ((), 7)
            assert "does not show this GPU" in (await telemetry.occupancy(("GPU-unknown",))).unseen

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "line",
    [
        "fail nvmlDeviceGetComputeRunningProcesses_v3 0 3",
        "fail nvmlDeviceGetGraphicsRunningProcesses_v3 0 999",
        "fail nvmlDeviceGetMemoryInfo_v2 0 999",
        "set memory_used 0 18446744073709551615",
    ],
)
def test_a_gpu_that_does_not_tell_is_never_called_empty(driver: FakeDriver, line: str) -> None:
    driver.does(line)

    async def scenario() -> Occupancy:
        async with looking() as telemetry:
            return await telemetry.occupancy(PAIR)

    assert asyncio.run(scenario()).unseen.startswith("GPU-fake-00: ")


def test_an_old_look_does_not_count(driver: FakeDriver) -> None:
    clock = RigClock()
    lazy = GpuSettings(fast_interval_s=PATIENCE_S, slow_interval_s=PATIENCE_S)

    async def scenario() -> None:
        async with looking(lazy, clock=clock) as telemetry:
            await sampled(telemetry, fresh)
            clock.now_s += telemetry.stale_s
            assert telemetry.latest().ok
            clock.now_s += 1
            sample = telemetry.latest()
            assert not sample.ok
            assert sample.gpus == ()
            assert sample.at_s == clock.now_s
            assert f"last look {telemetry.stale_s + 1:.0f} s ago" in sample.reason

    asyncio.run(scenario())


def test_no_collector_outlives_its_agent(driver: FakeDriver) -> None:
    async def scenario(telemetry_began: str) -> None:
        driver.does(telemetry_began)
        async with looking() as telemetry:
            await until(lambda: bool(collector_pids()))
            if not telemetry_began:
                await sampled(telemetry, fresh)
        assert collector_pids() == set()

    asyncio.run(scenario(""))
    asyncio.run(scenario("hang nvmlDeviceGetClockInfo 1 1"))
    asyncio.run(scenario("fail nvmlInitWithFlags * 18"))


@pytest.mark.parametrize("line", ["", "hang nvmlDeviceGetClockInfo 1 1"])
def test_a_collector_ends_when_its_parent_is_gone(driver: FakeDriver, line: str) -> None:
    driver.does(line)
    options = pipe.Options("nvml", (), None, FAST.fast_interval_s, FAST.slow_interval_s)
    with subprocess.Popen(
        [sys.executable, "-m", "agent.gpu.collector", msgspec.json.encode(options).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as collector:
        assert collector.stdin is not None
        collector.stdin.close()
        assert collector.wait(PATIENCE_S) == 0


def test_one_sample_needs_no_configuration(driver: FakeDriver) -> None:
    sample = asyncio.run(telemetries.sample_once())
    assert sample.ok
    assert [gpu.uuid for gpu in sample.gpus] == list(PAIR)
