"""Putting a server to sleep and waking it, against the demo server that speaks vLLM's API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Readiness, Workload
from agent.demo.http_server import Reply
from agent.demo.memory import SLEEPING_BYTES
from agent.drivers.http import Endpoint
from agent.drivers.inference import InferenceDriver
from agent.drivers.servers.table import SERVERS
from agent.gpu import simulated
from agent.ports import DriverError, Sleepable
from tests.parts.apis import Api, SaysItRuns, asked
from tests.parts.benches import GPUS, InferenceBench
from tests.parts.programs import LOOK_S, swept
from wire.model import Kind

AWAKE_BYTES = 8 * 1024**3


class VllmBench(InferenceBench):
    """The demo server as a vLLM that can sleep."""

    short_name = "vllm"
    arguments: tuple[str, ...] = (*InferenceBench.arguments, "--enable-sleep-mode")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[VllmBench]:
    with swept(tmp_path):
        bench = VllmBench(tmp_path)
        yield bench
        bench.close()


@asynccontextmanager
async def serving(
    bench: VllmBench, *options: str
) -> AsyncIterator[tuple[InferenceDriver, Workload]]:
    """A server that has been proven."""
    driver, workload = bench.driver(), bench.workload()
    workload = replace(workload, command=(*workload.command, *options))
    assert isinstance(driver, InferenceDriver)
    assert isinstance(driver, Sleepable)
    await driver.start(workload)
    while not (await driver.probe(workload)).ready:  # noqa: ASYNC110 - drivers are asked
        await asyncio.sleep(LOOK_S)
    yield driver, workload
    await driver.stop(workload, 30.0)


def held_bytes(directory: Path) -> int:
    (claim,) = simulated.claims(directory / "gpus", GPUS[0])
    return claim.memory_bytes


@pytest.mark.parametrize("level", [1, 2])
def test_what_slept_answers_as_before(bench: VllmBench, tmp_path: Path, level: int) -> None:
    async def scenario() -> None:
        async with serving(bench) as (driver, workload):
            assert await driver.asleep(workload) is False
            assert held_bytes(tmp_path) == AWAKE_BYTES
            await driver.sleep(workload, level)
            assert await driver.asleep(workload) is True
            assert held_bytes(tmp_path) == SLEEPING_BYTES
            assert not (await driver.probe(workload)).ready
            await driver.wake(workload)
            assert await driver.asleep(workload) is False
            assert held_bytes(tmp_path) == AWAKE_BYTES
            assert (await driver.probe(workload)).ready, "with its weights"

    asyncio.run(scenario())


def test_a_server_that_was_woken_without_its_weights_is_found_out(bench: VllmBench) -> None:
    async def scenario() -> None:
        async with serving(bench) as (driver, workload):
            await driver.sleep(workload, 2)
            api = Endpoint.parse(workload.api_url)
            assert (await api.post("/wake_up", timeout_s=30)).ok
            with pytest.raises(DriverError, match="lacks 'ready'"):
                await driver.probe(workload)

    asyncio.run(scenario())


def test_whoever_shall_take_work_is_woken_for_it(bench: VllmBench) -> None:
    async def scenario() -> None:
        async with serving(bench) as (driver, workload):
            await driver.sleep(workload, 2)
            await driver.undrain(workload)
            assert (await driver.probe(workload)).ready

    asyncio.run(scenario())


def test_a_server_at_work_is_not_put_to_sleep(bench: VllmBench) -> None:
    async def scenario() -> None:
        async with serving(bench, "--demand", "20", "--finish-s", "0") as (driver, workload):
            load = None
            while load is None or not load.requests_running:
                load = await driver.read(workload)
            with pytest.raises(DriverError, match="is not idle, so it must not sleep"):
                await driver.sleep(workload, 1)

    asyncio.run(scenario())


IDLE = Reply(200, b"vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n", "text/plain")
WORKLOAD = Workload(
    name="w", kind=Kind.INFERENCE, driver="vllm", group="g", readiness=Readiness(prompt="")
)


def driver(name: str = "vllm") -> InferenceDriver:
    return InferenceDriver(SaysItRuns(), next(row for row in SERVERS if row.driver == name))


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ({}, "is not idle"),
        ({"GET /metrics": IDLE}, "answers with status 404; sleeping needs `--enable-sleep-mode`"),
        ({"GET /metrics": IDLE, "POST /sleep": Reply(200)}, "does not say that it sleeps"),
        (
            {
                "GET /metrics": IDLE,
                "POST /sleep": Reply(200),
                "GET /is_sleeping": Reply.of({"is_sleeping": "yes"}),
            },
            "does not say that it sleeps",
        ),
    ],
)
def test_nothing_counts_as_asleep_but_its_own_word(replies: dict[str, Reply], why: str) -> None:
    api = Api({path: [reply] for path, reply in replies.items()})
    with pytest.raises(DriverError, match=why):
        asked(api, WORKLOAD, lambda workload: driver().sleep(workload, 1))


def test_nothing_counts_as_awake_but_its_own_word() -> None:
    api = Api(
        {
            "POST /wake_up": [Reply(200)],
            "POST /collective_rpc": [Reply(200)],
            "GET /is_sleeping": [Reply.of({"is_sleeping": True})],
        }
    )
    with pytest.raises(DriverError, match="does not say that it is awake"):
        asked(api, WORKLOAD, driver().wake)
    told = [f"{request.path} {request.query.get('tags', '')}".strip() for request in api.asked]
    assert told[1:4] == ["/wake_up weights", "/collective_rpc", "/wake_up kv_cache"]


def test_weights_in_host_memory_are_not_loaded_anew() -> None:
    kept = Reply(200, b'vllm:engine_sleep_state{sleep_state="weights_offloaded"} 1.0\n')
    api = Api(
        {
            "GET /metrics": [kept],
            "POST /wake_up": [Reply(200)],
            "GET /is_sleeping": [Reply.of({"is_sleeping": False})],
        }
    )
    asked(api, WORKLOAD, driver().wake)
    assert [request.path for request in api.asked] == ["/metrics", "/wake_up", "/is_sleeping"]
    assert api.asked[1].query == {}


def test_levels_and_servers_that_do_not_exist_are_named() -> None:
    api = Api({"GET /metrics": [IDLE]})
    with pytest.raises(DriverError, match="sleep level 3 is unknown"):
        asked(api, WORKLOAD, lambda workload: driver().sleep(workload, 3))
    with pytest.raises(DriverError, match="Text Generation Inference cannot sleep"):
        asked(api, WORKLOAD, driver("tgi").wake)
    assert asked(api, WORKLOAD, driver("tgi").asleep) is None
