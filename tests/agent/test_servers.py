"""Every inference server by its row: ready, busy, draining, broken, slow."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from agent.core.workload import Readiness, Workload
from agent.demo.http_server import HttpServer, Reply, Request
from agent.drivers.inference import InferenceDriver
from agent.drivers.servers.row import Server
from agent.drivers.servers.table import SERVERS
from agent.ports import DriverError
from tests.parts.apis import Api, SaysItRuns, asked, serving
from tests.parts.programs import free_port
from wire.model import Kind, WorkloadReading

each_server = pytest.mark.parametrize("row", SERVERS, ids=lambda row: row.driver)

ANSWERS: dict[str, object] = {
    "/generate": {"generated_text": " Paris."},
    "/v1/completions": {"choices": [{"index": 0, "text": " Paris."}]},
    "/api/generate": {"model": "m", "response": "Paris.", "done": True},
    "/v2/models/m/generate": {"model_name": "m", "text_output": "It is Paris."},
}

PROMPTS: dict[str, dict[str, object]] = {
    "/generate": {"inputs": "Capital of France?"},
    "/v1/completions": {"model": "m", "prompt": "Capital of France?"},
    "/api/generate": {"model": "m", "prompt": "Capital of France?", "stream": False},
    "/v2/models/m/generate": {"text_input": "Capital of France?"},
}

BUSY = {
    "openai": "vllm:num_requests_running 2\nvllm:num_requests_waiting 1\n",
    "vllm": "vllm:num_requests_running 2\nvllm:num_requests_waiting 1\n",
    "sglang": "sglang:num_running_reqs 2\nsglang:num_queue_reqs 1\n",
    "tgi": "tgi_batch_current_size 2\ntgi_queue_size 1\n",
    "llamacpp": "llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n",
    "ollama": '{"models":[{"name":"m:latest","model":"m:latest","size_vram":9}]}',
    "triton": 'nv_inference_pending_request_count{model="m",version="1"} 1\n',
    "nim": "num_requests_running 2\nnum_requests_waiting 1\n",
}
IDLE = {name: said.replace(" 2", " 0").replace(" 1\n", " 0\n") for name, said in BUSY.items()}
IDLE["ollama"] = '{"models":[]}'

TELLS = dict.fromkeys(BUSY, (2, 1)) | {"ollama": (None, None), "triton": (None, 1)}


def driver(row: Server, *, api_timeout_s: float = 30.0) -> InferenceDriver:
    return InferenceDriver(SaysItRuns(), row, drain_look_s=0, api_timeout_s=api_timeout_s)


def workload(row: Server) -> Workload:
    return Workload(
        name="w",
        kind=Kind.INFERENCE,
        driver=row.driver,
        group="g",
        command=("/bin/true",),
        model="m",
        readiness=Readiness(prompt="Capital of France?", expect="Paris"),
    )


def answers(row: Server, *, health: Reply | None = None, body: bytes | None = None) -> Api:
    """A server in good health that answers its prompt, or with `body`."""
    path = row.prompts[0].path.replace("{model}", "m")
    reply = Reply.of(ANSWERS[path]) if body is None else Reply(200, body)
    return Api({f"GET {row.health}": [health or Reply(200)], f"POST {path}": [reply]})


def loads(row: Server, *looks: Reply) -> Api:
    return Api({f"GET {row.signals[0].path}": list(looks)})


def said(body: str) -> Reply:
    return Reply(200, body.encode(), "text/plain")


@each_server
def test_ready_with_health_and_the_known_answer(row: Server) -> None:
    api = answers(row)
    look = asked(api, workload(row), driver(row).probe)
    assert look.ready, look.reason
    assert "Paris" in look.reason
    asked_for = json.loads(api.asked[-1].body)
    assert PROMPTS[api.asked[-1].path].items() <= asked_for.items()
    assert "32" in json.dumps(asked_for)


@each_server
def test_not_ready_while_it_loads(row: Server) -> None:
    loading = Reply.of({"error": {"message": "Loading model"}}, 503)
    look = asked(answers(row, health=loading), workload(row), driver(row).probe)
    assert not look.ready
    assert look.reason == f"{row.health} answers with status 503"


@each_server
@pytest.mark.parametrize("body", [b"", b"<html>Paris</html>", b"\xff", b"[]", b"null", b"{}", b"{"])
def test_garbage_is_no_answer(row: Server, body: bytes) -> None:
    look = asked(answers(row, body=body), workload(row), driver(row).probe)
    assert not look.ready
    assert "cannot be understood" in look.reason


@each_server
def test_another_answer_is_not_the_known_one(row: Server) -> None:
    path = row.prompts[0].path.replace("{model}", "m")
    rome = json.dumps(ANSWERS[path]).replace("Paris", "Rome").encode()
    with pytest.raises(DriverError, match="lacks 'Paris'"):
        asked(answers(row, body=rome), workload(row), driver(row).probe)


@each_server
def test_reads_how_busy_it_is(row: Server) -> None:
    running, waiting = TELLS[row.driver]
    found = asked(loads(row, said(BUSY[row.driver])), workload(row), driver(row).read)
    assert found == WorkloadReading("g", "w", requests_running=running, requests_waiting=waiting)


@each_server
def test_drains_until_idle_twice_in_a_row(row: Server) -> None:
    busy, idle = said(BUSY[row.driver]), said(IDLE[row.driver])
    looks = [busy, idle, busy, Reply(500), idle, idle, busy]
    api = loads(row)
    api.replies[f"GET {row.signals[0].path}"] = looks
    for signal in row.signals[1:]:
        api.replies[f"GET {signal.path}"] = [Reply(501)]
    asked(api, workload(row), driver(row).drain)
    assert looks == [busy]
    first = api.asked[0]
    if row.quiesce:
        assert (first.method, first.path) == ("POST", row.quiesce.partition("?")[0])
    else:
        assert {request.method for request in api.asked} == {"GET"}


@each_server
def test_takes_work_again(row: Server) -> None:
    api = Api({"POST /resume": [Reply(200)]})
    asked(api, workload(row), driver(row).undrain)
    looks = [row.nap.state] if row.nap else []
    assert [request.path for request in api.asked] == [
        *looks,
        *([row.resume] if row.resume else []),
    ]


@each_server
def test_silence_is_no_reading(row: Server) -> None:
    async def scenario() -> None:
        over = asyncio.Event()

        async def hang(_request: Request) -> Reply:
            await over.wait()
            return Reply(200)

        server = HttpServer(hang)
        port = await server.listen(0)
        slow = replace(workload(row), api_url=f"http://127.0.0.1:{port}")
        hasty = driver(row, api_timeout_s=0.05)
        assert await hasty.read(slow) is None
        look = await hasty.probe(slow)
        assert look.reason == "the server does not answer: no answer within 0.05 s"
        over.set()
        await server.close()

    asyncio.run(scenario())


def row_of(driver: str) -> Server:
    return next(row for row in SERVERS if row.driver == driver)


def test_ollama_is_told_to_let_its_model_go() -> None:
    row = row_of("ollama")
    api = loads(row, said(BUSY["ollama"]), said(IDLE["ollama"]))
    asked(api, workload(row), driver(row).drain)
    assert json.loads(api.asked[0].body) == {"model": "m", "keep_alive": 0}


def test_llamacpp_without_metrics_shows_its_slots() -> None:
    row = row_of("llamacpp")
    slots = Reply.of([{"id": 0, "is_processing": True}, {"id": 1, "is_processing": False}])
    refused = Reply.of({"error": {"code": 501, "message": "metrics are off"}}, 501)
    api = Api({"GET /metrics": [refused], "GET /slots": [slots]})
    found = asked(api, workload(row), driver(row).read)
    assert found == WorkloadReading("g", "w", requests_running=1)


def test_triton_without_generate_is_asked_by_its_inference_protocol() -> None:
    row = row_of("triton")
    tensors = [
        {"name": "context_logits", "datatype": "FP32", "shape": [1, 1], "data": [0.5]},
        {"name": "text_output", "datatype": "BYTES", "shape": [1, 1], "data": ["Paris."]},
    ]
    api = Api(
        {
            f"GET {row.health}": [Reply(200)],
            "POST /v2/models/m/infer": [Reply.of({"model_name": "m", "outputs": tensors})],
        }
    )
    assert asked(api, workload(row), driver(row).probe).ready
    inputs = {each["name"]: each["data"] for each in json.loads(api.asked[-1].body)["inputs"]}
    assert inputs == {"text_input": ["Capital of France?"], "max_tokens": [32]}


def test_triton_has_its_metrics_elsewhere() -> None:
    row = row_of("triton")

    async def scenario() -> None:
        metrics = loads(row, said(BUSY["triton"]))
        async with (
            serving(answers(row), workload(row)) as main,
            serving(metrics, workload(row)) as apart,
        ):
            both = replace(main, metrics_url=apart.api_url)
            assert (await driver(row).probe(both)).ready
            found = await driver(row).read(both)
        assert found == WorkloadReading("g", "w", requests_waiting=1)

    asyncio.run(scenario())


def test_prepare_wants_a_place_for_metrics_that_have_one() -> None:
    row = row_of("triton")
    here = replace(workload(row), api_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DriverError, match="`metrics_url` is missing; Triton"):
        asyncio.run(driver(row).prepare(here))
    with pytest.raises(DriverError, match=r"`metrics_url`.*is not of the form"):
        asyncio.run(driver(row).prepare(replace(here, metrics_url="http://192.0.2.1:8002")))
    asyncio.run(driver(row).prepare(replace(here, metrics_url=f"http://127.0.0.1:{free_port()}")))


def test_prepare_refuses_a_metrics_port_that_another_program_holds() -> None:
    row = row_of("vllm")

    async def scenario() -> None:
        async with serving(Api({}), workload(row)) as taken:
            here = replace(
                taken, api_url=f"http://127.0.0.1:{free_port()}", metrics_url=taken.api_url
            )
            with pytest.raises(DriverError, match="of `metrics_url` is taken by pid"):
                await driver(row).prepare(here)

    asyncio.run(scenario())
