"""Scripted workloads on a virtual clock: each behaviour of the script, and the world's hooks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.core.workload import Workload
from agent.drivers.script import MEMORY_BYTES
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import Drainable, DriverError, Holding, Occupancy
from tests.sim import clock
from wire.model import Kind

GPUS = ("GPU-a", "GPU-b")


def workload(
    name: str = "w", *, kind: Kind = Kind.MINING, gpus: tuple[str, ...] = GPUS, **script: Any
) -> Workload:
    return Workload(name=name, kind=kind, driver="scripted", group="g", gpus=gpus, script=script)


def now_s() -> float:
    return round(asyncio.get_running_loop().time(), 6)


def test_prepare_takes_its_time_and_may_fail() -> None:
    async def scenario() -> None:
        driver = ScriptedDriver(ScriptedWorld())
        await driver.prepare(workload(prepare_s=30))
        assert now_s() == 30
        with pytest.raises(DriverError, match="disk is full"):
            await driver.prepare(workload(prepare_s=5, prepare_fails="disk is full"))
        assert now_s() == 35
        with pytest.raises(DriverError, match="cannot prepare"):
            await driver.prepare(workload(prepare_fails=True))

    clock.run(scenario())


@pytest.mark.parametrize("script", [{"prepair_s": 1}, {"stop_s": "long"}, {"half_start": 1}])
def test_refuses_a_script_that_it_does_not_understand(script: dict[str, Any]) -> None:
    async def scenario() -> None:
        with pytest.raises(DriverError, match=r"g\.w: `script`: .*`\$?"):
            await ScriptedDriver(ScriptedWorld()).prepare(workload(**script))

    clock.run(scenario())


def test_runs_at_once_but_starts_slowly() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        start = asyncio.create_task(ScriptedDriver(world).start(workload(start_s=10)))
        await asyncio.sleep(1)
        assert world.alive_on("GPU-a") == ("g.w",)
        assert not start.done()
        start.cancel()
        await asyncio.wait([start])
        assert world.alive_on("GPU-b") == ("g.w",)

    clock.run(scenario())


@pytest.mark.parametrize(
    ("script", "left"), [({"start_fails": "no memory"}, ()), ({"half_start": True}, ("g.w",))]
)
def test_start_may_fail_whole_or_half(script: dict[str, Any], left: tuple[str, ...]) -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        with pytest.raises(DriverError, match=r"no memory|cannot start"):
            await ScriptedDriver(world).start(workload(start_s=2, **script))
        assert now_s() == 2
        assert world.alive_on("GPU-a") == left

    clock.run(scenario())


def test_is_ready_in_its_own_time() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        slow = workload(ready_s=20, hashrate_hps=5.0)
        assert not (await driver.probe(slow)).ready
        await driver.start(slow)
        await asyncio.sleep(19)
        assert not (await driver.probe(slow)).ready
        assert await driver.read(slow) is None
        await asyncio.sleep(1)
        assert (await driver.probe(slow)).ready
        reading = await driver.read(slow)
        assert reading is not None
        assert reading.hashrate_hps == 5.0
        never = workload("never", never_ready=True)
        await driver.start(never)
        await asyncio.sleep(3600)
        assert not (await driver.probe(never)).ready

    clock.run(scenario())


def test_probe_may_find_it_beyond_recovery() -> None:
    async def scenario() -> None:
        driver = ScriptedDriver(ScriptedWorld())
        await driver.start(workload(probe_fails="wrong model"))
        with pytest.raises(DriverError, match="wrong model"):
            await driver.probe(workload(probe_fails="wrong model"))

    clock.run(scenario())


def test_counts_tokens() -> None:
    async def scenario() -> None:
        driver = ScriptedDriver(ScriptedWorld())
        served = workload(kind=Kind.INFERENCE, tokens_per_s=40.0)
        await driver.start(served)
        await asyncio.sleep(10)
        reading = await driver.read(served)
        assert reading is not None
        assert (reading.tokens_total, reading.requests_running) == (400, 0)

    clock.run(scenario())


def test_exits_by_itself_and_by_crash() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        brief = workload(exit_after_s=60)
        await driver.start(brief)
        assert await driver.exited(brief) == "ended by itself"
        assert now_s() == 60
        await driver.start(brief)
        await asyncio.sleep(1)
        world.crash("g.w")
        world.crash("g.w")
        assert await driver.exited(brief) == "crashed"
        await driver.start(brief)
        assert await driver.exited(brief) == "ended by itself"
        # Neither the first nor the second life's timer may end the third one early.
        assert now_s() == 121

    clock.run(scenario())


@pytest.mark.parametrize(
    ("script", "at_s", "ending"),
    [
        ({}, 0, "ended by SIGTERM"),
        ({"stop_s": 5}, 5, "ended by SIGTERM"),
        ({"stop_s": 50}, 30, "ended by SIGKILL"),
        ({"ignores_term": True}, 30, "ended by SIGKILL"),
    ],
)
def test_stops_by_term_then_kill(script: dict[str, Any], at_s: float, ending: str) -> None:
    async def scenario() -> None:
        driver = ScriptedDriver(ScriptedWorld())
        await driver.start(workload(**script))
        await driver.stop(workload(**script), 30)
        assert now_s() == at_s
        assert await driver.exited(workload(**script)) == ending

    clock.run(scenario())


def test_may_be_stuck_for_good() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        stuck = workload(stop_hangs=True)
        await driver.start(stuck)
        with pytest.raises(DriverError, match="still running after KILL"):
            await driver.stop(stuck, 30)
        assert world.alive_on("GPU-a") == ("g.w",)
        world.reset()
        assert await driver.exited(stuck) == "ended by a reboot"

    clock.run(scenario())


def test_what_an_agent_began_goes_on_without_it() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        slow = workload(stop_s=20)
        await ScriptedDriver(world).start(slow)
        stop = asyncio.create_task(ScriptedDriver(world).stop(slow, 30))
        await asyncio.sleep(1)
        stop.cancel()
        await asyncio.wait([stop])
        restarted = ScriptedDriver(world)
        assert await restarted.alive(slow)
        assert await restarted.exited(slow) == "ended by SIGTERM"
        assert now_s() == 20

    clock.run(scenario())


def test_drains_as_scripted() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        assert isinstance(driver, Drainable)
        await driver.drain(workload(drain_s=40))
        assert now_s() == 40
        with pytest.raises(DriverError, match="no router"):
            await driver.drain(workload(drain_fails="no router"))
        hanging = workload(drain_hangs=True, exit_after_s=1000)
        await driver.start(hanging)
        await driver.drain(hanging)
        assert now_s() == 1040
        await driver.undrain(hanging)

    clock.run(scenario())


def test_occupancy_is_what_lives_and_what_is_left_over() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        assert await world.occupancy(GPUS) == Occupancy((), 0)
        lasting = workload(keeps_memory_s=15, memory_bytes=100)
        await driver.start(lasting)
        await driver.start(workload("other", gpus=("GPU-c",)))
        seen = await world.occupancy(GPUS)
        assert seen is not None
        assert (len(seen.pids), seen.memory_used_max_bytes) == (1, 100), "on each of two GPUs"
        pid = seen.pids[0] + 1
        held = Holding("GPU-c", pid, MEMORY_BYTES)
        assert await world.occupancy(("GPU-c",)) == Occupancy(
            (pid,), MEMORY_BYTES, holdings=(held,)
        )
        await driver.stop(lasting, 1)
        assert await world.occupancy(GPUS) == Occupancy((), 100)
        await asyncio.sleep(16)
        assert await world.occupancy(GPUS) == Occupancy((), 0)

    clock.run(scenario())


def test_memory_may_stay_until_a_reboot() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        await ScriptedDriver(world).start(workload(keeps_memory=True, memory_bytes=100))
        world.crash("g.w")
        await asyncio.sleep(86_400)
        assert await world.occupancy(("GPU-a",)) == Occupancy((), 100)
        world.reset()
        assert await world.occupancy(("GPU-a",)) == Occupancy((), 0)

    clock.run(scenario())


def test_a_gpu_may_be_out_of_sight() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        world.hide("GPU-b")
        assert await world.occupancy(GPUS) is None
        assert await world.occupancy(("GPU-a",)) == Occupancy((), 0)
        world.show("GPU-b")
        assert await world.occupancy(GPUS) == Occupancy((), 0)

    clock.run(scenario())


def test_the_world_lets_two_share_a_gpu_as_a_real_one_does() -> None:
    async def scenario() -> None:
        world = ScriptedWorld()
        driver = ScriptedDriver(world)
        await driver.start(workload("one"))
        await driver.start(workload("two", gpus=("GPU-b",)))
        assert world.alive_on("GPU-b") == ("g.one", "g.two")
        assert world.alive_on("GPU-a") == ("g.one",)

    clock.run(scenario())
