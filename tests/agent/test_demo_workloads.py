"""Demo workloads as the programs that they are: arguments, ports, claims, signals."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.drivers.command import MARKER
from agent.drivers.http import Endpoint
from agent.gpu import simulated
from tests.parts import programs
from tests.parts.programs import free_port, until

TIMEOUT_S = 30.0

NEEDED = {
    "miner": ["--port", "{port}", "--gpus", "A,B", "--simulated-dir", "{dir}", "--power-w", "200"],
}
NEEDED["inference"] = [*NEEDED["miner"], "--model", "m"]


@pytest.fixture(autouse=True)
def _swept(tmp_path: Path) -> Iterator[None]:
    with programs.swept(tmp_path):
        yield


def command(name: str, port: int, directory: Path, *more: str) -> list[str]:
    needed = [part.format(port=port, dir=directory / "gpus") for part in NEEDED[name]]
    return [sys.executable, "-m", f"agent.demo.{name}", *needed, *more]


def launch(name: str, port: int, directory: Path, *more: str) -> subprocess.Popen[str]:
    """Started, and claiming its GPUs."""
    process = subprocess.Popen(
        command(name, port, directory, *more), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert "no real work is done" in process.stderr.readline()
    return process


def ended(*parts: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(parts, check=False, capture_output=True, text=True, timeout=TIMEOUT_S)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stderr is not None
    with process.stderr as errors:
        said = errors.read()
    return process.wait(TIMEOUT_S), said


@pytest.mark.parametrize("name", ["miner", "inference"])
def test_claims_its_gpus_until_told_to_end(tmp_path: Path, name: str) -> None:
    process = launch(name, free_port(), tmp_path)
    (claim,) = simulated.claims(tmp_path / "gpus", "B")
    assert (claim.pid, claim.power_w, claim.workload) == (process.pid, 200.0, name)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (0, "")
    assert simulated.claims(tmp_path / "gpus", "B") == ()
    assert simulated.double_occupancies(tmp_path / "gpus") == 0


def test_claims_under_the_name_that_its_agent_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARKER, f"{tmp_path}/processes/g.w.json")
    process = launch("miner", free_port(), tmp_path)
    (claim,) = simulated.claims(tmp_path / "gpus", "A")
    assert claim.workload == "g.w"
    process.terminate()
    finish(process)


@pytest.mark.parametrize("name", ["miner", "inference"])
def test_a_port_in_use_is_an_error_and_claims_nothing(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        gone = ended(*command(name, port, tmp_path))
    assert gone.returncode == 1
    assert f"demo {name}: " in gone.stderr
    assert "address already in use" in gone.stderr
    assert simulated.claims(tmp_path / "gpus", "A") == ()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--port", "0"], "argument --port: '0' is no whole number"),
        (["--port", "70000"], "argument --port: 70000 is no port"),
        (["--gpus", "A,,B"], "argument --gpus: 'A,,B' is no list"),
        (["--gpus", "../A"], "argument --gpus: '../A' is no list"),
        (["--power-w", "-1"], "argument --power-w: '-1' is no number"),
        (["--power-w", "nan"], "argument --power-w: 'nan' is no number"),
        (["--share-interval-s", "0"], "--share-interval-s must be more than 0"),
        (["--pool", "x"], "unrecognized arguments: --pool x"),
    ],
)
def test_refuses_bad_arguments(tmp_path: Path, more: list[str], said: str) -> None:
    gone = ended(*command("miner", free_port(), tmp_path, *more))
    assert gone.returncode == 2
    assert said in gone.stderr


@pytest.mark.parametrize(("name", "word"), [("miner", "mines nothing"), ("inference", "infers")])
def test_help_says_what_it_is(tmp_path: Path, name: str, word: str) -> None:
    gone = ended(*command(name, 1, tmp_path, "--help"))
    assert gone.returncode == 0
    assert "Demo workload" in gone.stdout
    assert word in gone.stdout


def test_can_play_a_program_that_crashes(tmp_path: Path) -> None:
    process = launch("miner", free_port(), tmp_path, "--exit-after-s", "0")
    code, errors = finish(process)
    assert code == 3
    assert "--exit-after-s" in errors
    assert simulated.claims(tmp_path / "gpus", "A") == ()


def test_refuses_new_and_finishes_running_requests_on_term(tmp_path: Path) -> None:
    port = free_port()
    process = launch(
        "inference", port, tmp_path, "--load-s", "0", "--tokens-per-s", "16", "--finish-s", "60"
    )
    api = Endpoint("127.0.0.1", port)
    request = {"model": "m", "prompt": "Say ready.", "max_tokens": 16}

    async def busy() -> bool:
        metrics = await api.get("/metrics", timeout_s=TIMEOUT_S)
        return b'num_requests_running{engine="0",model_name="m"} 1.0' in metrics.body

    async def scenario() -> None:
        running = asyncio.create_task(api.post("/v1/completions", request, timeout_s=TIMEOUT_S))
        while not await busy():
            pass
        process.send_signal(signal.SIGTERM)
        status = 0
        while status != 503:
            refused = await api.post(
                "/v1/completions", {**request, "max_tokens": 1}, timeout_s=TIMEOUT_S
            )
            status = refused.status
        answer = await running
        assert answer.status == 200
        assert "Say ready." in json.loads(answer.body)["choices"][0]["text"]

    asyncio.run(scenario())
    assert finish(process) == (0, "")


def test_speaks_chat_models_and_says_what_it_lacks(tmp_path: Path) -> None:
    port = free_port()
    process = launch("inference", port, tmp_path, "--load-s", "0", "--tokens-per-s", "1e6")
    api = Endpoint("127.0.0.1", port)

    async def status(path: str, **document: object) -> int:
        return (await api.post(path, document, timeout_s=TIMEOUT_S)).status

    async def scenario() -> None:
        models = await api.get("/v1/models", timeout_s=TIMEOUT_S)
        assert json.loads(models.body)["data"][0]["id"] == "m"
        said = await api.post(
            "/v1/chat/completions",
            {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
            timeout_s=TIMEOUT_S,
        )
        assert "hi" in json.loads(said.body)["choices"][0]["message"]["content"]
        assert await status("/v1/completions", model="other") == 404
        assert await status("/v1/completions", model="m", max_tokens=0) == 400
        assert await status("/v1/completions", model="m", stream=True) == 400
        assert await status("/sleep") == 404
        assert await status("/pause?mode=abort") == 400

    asyncio.run(scenario())
    process.terminate()
    finish(process)


def test_a_pause_ends_self_made_demand(tmp_path: Path) -> None:
    port = free_port()
    process = launch(
        "inference", port, tmp_path,
        "--load-s", "0", "--tokens-per-s", "500", "--demand", "100",
    )  # fmt: skip
    api = Endpoint("127.0.0.1", port)

    async def running() -> bool:
        metrics = await api.get("/metrics", timeout_s=TIMEOUT_S)
        return b'num_requests_running{engine="0",model_name="m"} 0.0' not in metrics.body

    async def scenario() -> None:
        while not await running():
            pass
        assert (await api.post("/pause?mode=wait", timeout_s=TIMEOUT_S)).ok
        assert not await running()
        assert (await api.post("/resume", timeout_s=TIMEOUT_S)).ok
        while not await running():
            pass

    asyncio.run(scenario())
    process.terminate()
    assert finish(process) == (0, "")


@pytest.mark.parametrize(("given", "status"), [("", 401), ("wrong", 403), ("secret", 200)])
def test_miner_asks_for_its_token_and_can_be_paused(
    tmp_path: Path, given: str, status: int
) -> None:
    port = free_port()
    process = launch("miner", port, tmp_path, "--token", "secret", "--start-s", "0")
    api = Endpoint("127.0.0.1", port, given)

    async def scenario() -> None:
        for paused in (True, False):
            call = {"id": 1, "jsonrpc": "2.0", "method": "pause" if paused else "resume"}
            assert (await api.post("/json_rpc", call, timeout_s=TIMEOUT_S)).status == status
            answer = await api.get("/2/summary", timeout_s=TIMEOUT_S)
            assert answer.status == status
            if answer.ok:
                assert json.loads(answer.body)["paused"] is paused

    asyncio.run(scenario())
    process.terminate()
    finish(process)


def test_a_broken_request_is_answered_not_fatal(tmp_path: Path) -> None:
    port = free_port()
    process = launch("inference", port, tmp_path, "--load-s", "0")
    heads = (
        b"GET /health HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /v1/completions HTTP/1.1\r\nContent-Length: 1\r\n\r\n[",
    )
    for head in heads:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(head)
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")

    async def healthy() -> None:
        await until(lambda: process.poll() is None)
        assert (await Endpoint("127.0.0.1", port).get("/health", timeout_s=TIMEOUT_S)).ok

    asyncio.run(healthy())
    process.terminate()
    assert finish(process) == (0, "")
