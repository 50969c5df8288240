"""What every driver promises, over every driver: scripted, of demo programs, of a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.ports import Drainable, Driver, DriverError
from tests.parts import programs
from tests.parts.benches import Bench, InferenceBench, LlamaBench, MinerBench, ScriptedBench

GRACE_S = 30.0
"""Long enough that no test here depends on it."""


@pytest.fixture(params=[ScriptedBench, MinerBench, InferenceBench, LlamaBench])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with programs.swept(tmp_path):
        bench: Bench = request.param(tmp_path)
        yield bench
        bench.close()


async def proven(driver: Driver, workload: Workload) -> None:
    while not (await driver.probe(workload)).ready:  # noqa: ASYNC110 - drivers are asked
        await asyncio.sleep(programs.LOOK_S)


def test_runs_from_start_to_stop(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await driver.prepare(workload)
        assert not await driver.alive(workload)
        assert not (await driver.probe(workload)).ready
        assert await driver.read(workload) is None
        await driver.start(workload)
        assert await driver.alive(workload)
        await proven(driver, workload)
        reading = await driver.read(workload)
        assert reading is not None
        assert (reading.group, reading.workload) == ("g", "w")
        await driver.stop(workload, GRACE_S)
        assert not await driver.alive(workload)
        assert not (await driver.probe(workload)).ready

    asyncio.run(scenario())


def test_starting_twice_gives_one_process(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await asyncio.gather(driver.start(workload), driver.start(workload))
        await proven(driver, workload)
        await driver.start(workload)
        await bench.driver().start(workload)
        assert bench.processes() == 1

    asyncio.run(scenario())


def test_stopping_what_does_not_run_is_harmless(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await driver.stop(workload, GRACE_S)
        await driver.start(workload)
        await driver.stop(workload, GRACE_S)
        await driver.stop(workload, GRACE_S)
        assert bench.processes() == 0

    asyncio.run(scenario())


def test_the_next_agent_adopts_what_runs(bench: Bench) -> None:
    async def scenario() -> None:
        workload = bench.workload()
        first = bench.driver()
        await first.start(workload)
        await proven(first, workload)
        second = bench.driver()
        assert await second.alive(workload)
        assert (await second.probe(workload)).ready
        watch = asyncio.create_task(second.exited(workload))
        await second.stop(workload, GRACE_S)
        assert await watch
        assert bench.processes() == 0

    asyncio.run(scenario())


def test_sees_it_killed_from_outside(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await driver.start(workload)
        await proven(driver, workload)
        watch = asyncio.create_task(driver.exited(workload))
        await asyncio.sleep(0)
        assert not watch.done()
        bench.kill(workload)
        assert await watch
        assert not await driver.alive(workload)

    asyncio.run(scenario())


def test_says_how_it_exited_by_itself(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload(exits=True)
        await driver.start(workload)
        assert "ended" in await driver.exited(workload)
        assert not await driver.alive(workload)

    asyncio.run(scenario())


def test_can_be_started_again_after_an_exit(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        for _ in range(2):
            await driver.start(workload)
            await proven(driver, workload)
            bench.kill(workload)
            await driver.exited(workload)

    asyncio.run(scenario())


def test_kills_what_ignores_being_asked(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload(ignores_term=True)
        await driver.start(workload)
        await proven(driver, workload)
        await driver.stop(workload, 0.1)
        assert bench.processes() == 0
        assert "KILL" in await driver.exited(workload)

    asyncio.run(scenario())


def test_a_cancelled_stop_can_be_repeated(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload(ignores_term=True)
        await driver.start(workload)
        await proven(driver, workload)
        stop = asyncio.create_task(driver.stop(workload, GRACE_S))
        await asyncio.sleep(0)
        stop.cancel()
        await asyncio.wait([stop])
        assert stop.cancelled()
        await driver.stop(workload, 0)
        assert not await driver.alive(workload)

    asyncio.run(scenario())


def test_says_what_it_cannot_prepare(bench: Bench) -> None:
    async def scenario() -> None:
        with pytest.raises(DriverError, match="absent"):
            await bench.driver().prepare(bench.broken())

    asyncio.run(scenario())


def test_prepares_beside_a_running_workload_of_its_group(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await driver.start(workload)
        await proven(driver, workload)
        await driver.prepare(replace(workload, name="next"))
        assert (await driver.probe(workload)).ready

    asyncio.run(scenario())


def test_drains_and_takes_work_again(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        if not isinstance(driver, Drainable):
            # Miners have no work in progress that would be worth waiting for.
            assert isinstance(bench, MinerBench)
            return
        await driver.start(workload)
        await proven(driver, workload)
        await driver.drain(workload)
        await driver.undrain(workload)
        await driver.undrain(workload)
        await proven(driver, workload)

    asyncio.run(scenario())


@pytest.mark.parametrize("bench", [MinerBench, InferenceBench, LlamaBench], indirect=True)
def test_refuses_a_port_that_another_program_holds(bench: Bench) -> None:
    async def scenario() -> None:
        workload = bench.workload()
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        taken = replace(workload, api_url=f"http://127.0.0.1:{port}")
        with pytest.raises(DriverError, match=rf"port {port} of `api_url` is taken by pid \d+"):
            await bench.driver().prepare(taken)
        elsewhere = replace(workload, api_url="http://192.0.2.1:80")
        with pytest.raises(DriverError, match=r"`api_url`.*192\.0\.2\.1"):
            await bench.driver().prepare(elsewhere)
        server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("bench", [MinerBench, InferenceBench, LlamaBench], indirect=True)
def test_refuses_a_port_that_another_group_holds(bench: Bench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        await driver.start(workload)
        await proven(driver, workload)
        with pytest.raises(DriverError, match="is taken by pid"):
            await driver.prepare(replace(workload, group="g2"))

    asyncio.run(scenario())
