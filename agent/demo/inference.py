"""Demo inference server: speaks the part of vLLM's HTTP API that rigshift uses, infers nothing.

It can make demand of its own, so that draining is seen without a client.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from agent.demo import program
from agent.demo.engine import BusyError, Engine
from agent.demo.http_server import Reply, Request
from agent.demo.memory import Memory, SleepState

TOKENS_DEFAULT = 16
"""Of a request that names no `max_tokens`, as in the OpenAI API."""

TOKENS_MAX = 4096
DEMAND_TOKENS = 64
"""Tokens of one self-made request."""

METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{{labels}}} {running}
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{{labels}}} {waiting}
# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{{labels}}} {tokens}
# HELP vllm:request_success_total Count of successfully processed requests.
# TYPE vllm:request_success_total counter
vllm:request_success_total{{{labels},finished_reason="length"}} {succeeded}
# HELP vllm:engine_sleep_state Engine sleep state.
# TYPE vllm:engine_sleep_state gauge
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a demo server behaves."""

    model: str
    load_s: float
    """Until it is healthy."""
    tokens_per_s: float
    """Of each request."""
    demand_hz: float
    """Self-made requests per second."""
    finish_s: float
    """For requests in progress, after SIGTERM."""
    sleep_mode: bool
    """Whether it can be put to sleep."""


class Server:
    """An inference server as seen from outside."""

    def __init__(self, behaviour: Behaviour, memory: Memory) -> None:
        self._behaviour = behaviour
        self._memory = memory
        self._engine = Engine(behaviour.tokens_per_s)
        self._loaded = asyncio.Event()

    async def run(self) -> None:
        """Seem to load a model, then make demand."""
        await asyncio.sleep(self._behaviour.load_s)
        self._loaded.set()
        if not self._behaviour.demand_hz:
            return
        async with asyncio.TaskGroup() as requests:
            while True:
                await asyncio.sleep(1 / self._behaviour.demand_hz)
                if not self._engine.paused:
                    requests.create_task(self._demand())

    async def finish(self) -> None:
        """Refuse new requests and finish those that run, up to the limit."""
        self._engine.closed = True
        try:
            async with asyncio.timeout(self._behaviour.finish_s):
                await self._engine.idle()
        except TimeoutError:
            sys.stderr.write(f"demo inference: {self._engine.running} requests cut off\n")

    async def answer(self, request: Request) -> Reply:
        """Answer as vLLM does once its model is loaded; unhealthy before."""
        if not self._loaded.is_set():
            return _refusal("the model is being loaded", HTTPStatus.SERVICE_UNAVAILABLE)
        match request.method, request.path:
            case "GET", "/health":
                return Reply(HTTPStatus.OK)
            case "GET", "/metrics":
                return Reply(HTTPStatus.OK, self._metrics(), "text/plain; version=0.0.4")
            case "GET", "/v1/models":
                card = {"id": self._behaviour.model, "object": "model", "owned_by": "demo"}
                return Reply.of({"object": "list", "data": [card]})
            case "POST", "/v1/completions" | "/v1/chat/completions":
                return await self._complete(request)
            case "POST", "/pause" | "/resume":
                return await self._gate(request)
            case _, "/is_sleeping" | "/sleep" | "/wake_up" | "/collective_rpc":
                return self._nap(request)
        return _refusal("Not Found", HTTPStatus.NOT_FOUND)

    async def _demand(self) -> None:
        try:
            await self._engine.generate(DEMAND_TOKENS)
        except BusyError:
            # Nobody waits for a self-made request.
            return

    async def _gate(self, request: Request) -> Reply:
        if request.path == "/resume":
            await self._engine.resume()
            return Reply.of({"status": "resumed"})
        if request.query.get("mode") != "wait":
            return _refusal("the demo server pauses with mode=wait only", HTTPStatus.BAD_REQUEST)
        await self._engine.pause()
        return Reply.of({"status": "paused"})

    def _nap(self, request: Request) -> Reply:
        if not self._behaviour.sleep_mode:
            return _refusal("Not Found", HTTPStatus.NOT_FOUND)
        match request.path:
            case "/is_sleeping":
                return Reply.of({"is_sleeping": self._memory.asleep})
            case "/sleep" if self._engine.running:
                # A real engine may crash then.
                return _refusal("requests are running", HTTPStatus.INTERNAL_SERVER_ERROR)
            case "/sleep":
                self._memory.sleep(int(request.query.get("level", "1")))
            case "/wake_up":
                self._memory.wake(request.query.get("tags"))
            case _ if request.document().get("method") == "reload_weights":
                self._memory.reload()
        return Reply(HTTPStatus.OK)

    async def _complete(self, request: Request) -> Reply:
        if self._memory.asleep:
            return _refusal("the model is sleeping", HTTPStatus.SERVICE_UNAVAILABLE)
        document = request.document()
        if document.get("model") != self._behaviour.model:
            message = f"The model `{document.get('model')}` does not exist."
            return _refusal(message, HTTPStatus.NOT_FOUND)
        tokens = document.get("max_tokens", TOKENS_DEFAULT)
        if not isinstance(tokens, int) or not 1 <= tokens <= TOKENS_MAX or document.get("stream"):
            message = f"max_tokens must be 1 to {TOKENS_MAX}, and stream false"
            return _refusal(message, HTTPStatus.BAD_REQUEST)
        try:
            await self._engine.generate(tokens)
        except BusyError as error:
            return _refusal(str(error), HTTPStatus.SERVICE_UNAVAILABLE)
        reply = _completion(document, chat="chat" in request.path, tokens=tokens)
        return Reply.of(reply if self._memory.sound else _nonsense(reply))

    def _metrics(self) -> bytes:
        labels = f'engine="0",model_name="{self._behaviour.model}"'
        sleep_states = "".join(
            f'vllm:engine_sleep_state{{{labels},sleep_state="{state}"}} '
            f"{float(state is self._memory.state)}\n"
            for state in SleepState
        )
        known = METRICS.format(
            labels=labels,
            running=float(self._engine.running),
            waiting=float(self._engine.waiting),
            tokens=float(self._engine.tokens_total()),
            succeeded=float(self._engine.succeeded),
        )
        return f"{known}{sleep_states}".encode()


def _completion(document: dict[str, object], *, chat: bool, tokens: int) -> dict[str, object]:
    """An answer that says what it is and repeats what was asked."""
    asked = document.get("messages" if chat else "prompt", "")
    text = f"Demo answer, nothing was inferred. You said: {asked}"
    said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
    return {
        "id": "demo",
        "object": "chat.completion" if chat else "text_completion",
        "created": int(time.time()),
        "model": document["model"],
        "choices": [{"index": 0, **said, "finish_reason": "length"}],
        "usage": {"completion_tokens": tokens},
    }


def _nonsense(reply: dict[str, object]) -> dict[str, object]:
    """What a model says whose weights are any numbers."""
    said = {"text": "!" * TOKENS_DEFAULT, "message": {"content": "!" * TOKENS_DEFAULT}}
    return {**reply, "choices": [{"index": 0, **said, "finish_reason": "length"}]}


def _refusal(message: str, status: HTTPStatus) -> Reply:
    return Reply.of({"error": {"message": message, "type": status.phrase, "code": status}}, status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo inference server; returns the exit code."""
    parser = program.parser(
        "inference",
        "Demo workload: speaks an inference server's API on simulated GPUs. It infers nothing.",
    )
    add = parser.add_argument
    add("--model", required=True, help="name of the model it seems to serve")
    add("--load-s", type=program.positive, default=3.0, help="seconds until it is healthy")
    add("--tokens-per-s", type=program.positive, default=40.0, help="speed of each request")
    add("--demand", type=program.positive, default=0.0, help="self-made requests per second")
    add("--finish-s", type=program.positive, default=10.0, help="seconds to finish after SIGTERM")
    add("--enable-sleep-mode", action="store_true", help="let it be put to sleep")
    options = parser.parse_args(arguments)
    if options.tokens_per_s == 0:
        parser.error("--tokens-per-s must be more than 0")
    behaviour = Behaviour(
        model=options.model,
        load_s=options.load_s,
        tokens_per_s=options.tokens_per_s,
        demand_hz=options.demand,
        finish_s=options.finish_s,
        sleep_mode=options.enable_sleep_mode,
    )
    memory = Memory(options.memory_bytes, partial(program.hold, "inference", options))
    return program.main("inference", options, Server(behaviour, memory))


if __name__ == "__main__":
    sys.exit(main())
