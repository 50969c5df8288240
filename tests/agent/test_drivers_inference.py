"""What the inference driver makes of good, odd and broken APIs, and how it drains a vLLM."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from agent.core.workload import Readiness, Workload
from agent.demo.http_server import HttpServer, Reply, Request
from agent.drivers.inference import InferenceDriver
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.table import MINERS
from agent.drivers.registry import COMMAND, drivers
from agent.drivers.servers.table import SERVERS
from agent.ports import Drainable, DriverError
from tests.parts.apis import Api, SaysItRuns, asked, serving
from tests.parts.programs import free_port, until
from wire.model import Kind, WorkloadReading

SERVER = Workload(
    name="w",
    kind=Kind.INFERENCE,
    driver="vllm",
    group="g",
    model="m",
    readiness=Readiness(prompt="Capital of France?", expect="Paris"),
)
HEALTH, METRICS = "GET /health", "GET /metrics"
PLAIN, CHAT = "POST /v1/completions", "POST /v1/chat/completions"

BUSY = b"""\
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_waiting{engine="0"} 4.0
vllm:generation_tokens_total{engine="0"} 1.5e3
"""


def driver(*, runs: bool = True) -> InferenceDriver:
    row = next(row for row in SERVERS if row.driver == SERVER.driver)
    return InferenceDriver(SaysItRuns(runs=runs), row, drain_look_s=0)


def text(said: str) -> Reply:
    return Reply.of({"choices": [{"index": 0, "text": said}]})


def chat(said: str | None) -> Reply:
    return Reply.of({"choices": [{"message": {"role": "assistant", "content": said}}]})


def load(running: int, waiting: int) -> Reply:
    lines = f"vllm:num_requests_running {running}.0\nvllm:num_requests_waiting {waiting}.0\n"
    return Reply(200, lines.encode(), "text/plain")


@pytest.mark.parametrize(
    ("replies", "ready", "said"),
    [
        ({HEALTH: Reply(200), PLAIN: text(" It is Paris.")}, True, "' It is Paris.'"),
        ({HEALTH: Reply(200), CHAT: chat("Paris")}, True, "'Paris'"),
        ({HEALTH: Reply(200), PLAIN: Reply(200, b"{")}, False, "cannot be understood"),
        ({HEALTH: Reply(200), PLAIN: Reply(200, b"{}")}, False, "cannot be understood"),
        ({HEALTH: Reply(200), PLAIN: Reply(500)}, False, "answered with status 500"),
        ({HEALTH: Reply(200)}, False, "answered with status 404"),
        ({HEALTH: Reply(503), PLAIN: text("Paris")}, False, "/health answers with status 503"),
    ],
)
def test_ready_only_with_health_and_the_known_answer(
    replies: dict[str, Reply], ready: bool, said: str
) -> None:
    api = Api({path: [reply] for path, reply in replies.items()})
    look = asked(api, SERVER, driver().probe)
    assert look.ready is ready
    assert said in look.reason


@pytest.mark.parametrize(
    ("replies", "pattern", "fault"),
    [
        ({PLAIN: text("Rome")}, "", "g.w: the answer 'Rome' lacks 'Paris'"),
        ({CHAT: chat(None)}, "", "g.w: the answer '' lacks 'Paris'"),
        ({PLAIN: text("x" * 9000 + "Paris")}, "", "lacks 'Paris'"),
        ({PLAIN: text("Paris, Texas")}, "Paris$", "'Paris, Texas' does not match 'Paris$'"),
    ],
)
def test_a_wrong_answer_is_not_waited_out(
    replies: dict[str, Reply], pattern: str, fault: str
) -> None:
    api = Api({HEALTH: [Reply(200)], **{path: [reply] for path, reply in replies.items()}})
    strict = replace(SERVER, readiness=replace(SERVER.readiness, expect_pattern=pattern))
    with pytest.raises(DriverError) as error:
        asked(api, strict, driver().probe)
    assert fault in str(error.value)


def test_a_pattern_alone_can_tell_the_answer() -> None:
    either = Readiness(prompt="Capital of France?", expect_pattern=r"(?i)\bparis\b")
    api = Api({HEALTH: [Reply(200)], PLAIN: [text("PARIS.")]})
    assert asked(api, replace(SERVER, readiness=either), driver().probe).ready


def test_asks_for_the_model_with_the_prompt_so_that_the_answer_is_always_the_same() -> None:
    api = Api({HEALTH: [Reply(200)], PLAIN: [text("Paris")]})
    short = replace(SERVER, readiness=replace(SERVER.readiness, max_tokens=3))
    asked(api, short, driver().probe)
    assert json.loads(api.asked[-1].body) == {
        "model": "m", "prompt": "Capital of France?", "max_tokens": 3, "temperature": 0, "seed": 0,
    }  # fmt: skip


def test_a_server_that_never_answers_is_not_waited_for_for_long() -> None:
    hasty = replace(SERVER, readiness=replace(SERVER.readiness, prompt_timeout_s=0.05))

    async def scenario() -> None:
        over = asyncio.Event()

        async def answer(request: Request) -> Reply:
            if request.path != "/health":
                await over.wait()
            return Reply(200)

        server = HttpServer(answer)
        port = await server.listen(0)
        look = await driver().probe(replace(hasty, api_url=f"http://127.0.0.1:{port}"))
        assert not look.ready
        assert look.reason == "the server does not answer: no answer within 0.05 s"
        over.set()
        await server.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--shutdown-timeout", "10"), "`--shutdown-timeout 10` is not below the 10 s"),
        (("--shutdown-timeout=5", "--shutdown-timeout=99"), "`--shutdown-timeout 99`"),
        (("--shutdown-timeout", "9"), ""),
        (("--shutdown-timeout",), ""),
        ((), ""),
    ],
)
def test_a_server_has_time_enough_for_its_own_way_out(options: tuple[str, ...], fault: str) -> None:
    command = ("/bin/true", *options)
    url = f"http://127.0.0.1:{free_port()}"
    prepare = driver().prepare(replace(SERVER, command=command, api_url=url))
    if not fault:
        asyncio.run(prepare)
        return
    with pytest.raises(DriverError, match=fault):
        asyncio.run(prepare)


def test_not_ready_while_nothing_listens() -> None:
    workload = replace(SERVER, api_url=f"http://127.0.0.1:{free_port()}")

    async def scenario() -> None:
        inference = driver()
        assert await inference.read(workload) is None
        assert not (await inference.probe(workload)).ready

    asyncio.run(scenario())


def test_reads_load() -> None:
    api = Api({METRICS: [Reply(200, BUSY)]})
    reading = asked(api, SERVER, driver().read)
    assert reading == WorkloadReading(
        "g", "w", requests_running=3, requests_waiting=4, tokens_total=1500
    )


def test_drains_until_idle_twice_in_a_row() -> None:
    looks = [load(2, 1), load(0, 0), load(1, 0), Reply(500), load(0, 0), load(0, 0), load(7, 7)]
    api = Api({METRICS: looks, "POST /pause": [Reply(200)]})
    asked(api, SERVER, driver().drain)
    assert looks == [load(7, 7)]
    assert api.asked[0].query["mode"] == "wait"
    assert api.asked[0].query["wait_for_inflight_requests"] == "true"


def test_drain_ends_when_nothing_runs_any_more() -> None:
    inference = driver(runs=False)
    workload = replace(SERVER, api_url=f"http://127.0.0.1:{free_port()}")

    async def scenario() -> None:
        await inference.drain(workload)
        await inference.undrain(workload)

    asyncio.run(scenario())


def test_drain_waits_while_a_live_server_tells_nothing() -> None:
    inference = driver()

    async def scenario() -> None:
        api = Api({METRICS: [Reply(200), Reply(404), Reply(200)]})
        async with serving(api, SERVER) as workload:
            drain = asyncio.create_task(inference.drain(workload))
            await until(lambda: len(api.asked) > 4)
            assert not drain.done()
            drain.cancel()
            with pytest.raises(asyncio.CancelledError):
                await drain

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [200, 404])
def test_takes_work_again(status: int) -> None:
    api = Api({"POST /resume": [Reply(status)]})
    asked(api, SERVER, driver().undrain)
    assert [request.path for request in api.asked] == ["/is_sleeping", "/resume"]


def test_says_when_a_server_does_not_resume() -> None:
    with pytest.raises(DriverError, match="/resume answers with status 500"):
        asked(Api({"POST /resume": [Reply(500)]}), SERVER, driver().undrain)
    workload = replace(SERVER, api_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DriverError, match="cannot take work again: nothing listens"):
        asyncio.run(driver().undrain(workload))


def test_without_a_prompt_health_is_enough() -> None:
    quiet = replace(SERVER, readiness=Readiness(prompt=""))
    look = asked(Api({HEALTH: [Reply(200)]}), quiet, driver().probe)
    assert look.ready
    assert not asked(Api({HEALTH: [Reply(503)]}), quiet, driver().probe).ready


def test_registry_names_every_driver() -> None:
    found = drivers(SaysItRuns())
    miners = {name for name, driver in found.items() if isinstance(driver, MinerDriver)}
    servers = {name for name, driver in found.items() if isinstance(driver, InferenceDriver)}
    assert miners == {*(row.driver for row in MINERS), "hive", "hiveos"}
    assert servers == {row.driver for row in SERVERS}
    assert miners | servers | {COMMAND} == found.keys()
    assert not any(isinstance(found[name], Drainable) for name in miners)
    assert all(isinstance(found[name], Drainable) for name in servers)
