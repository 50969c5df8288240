"""Driver for OpenAI-compatible inference servers with vLLM's metrics and endpoints.

Draining has two layers. New requests are to be kept away by the router in front of the servers,
which learns of it through the controller's own channel; a hook for it does not exist yet. The
server itself is asked to admit nothing new where it can (vLLM's `/pause`, in its development
mode only); a server without it goes on taking what the router sends. SIGTERM aborts running
requests on vLLM unless it was started with `--shutdown-timeout`, so draining comes before it.
"""

from __future__ import annotations

import asyncio

import msgspec

from agent.core.workload import Workload
from agent.drivers import vllm_metrics
from agent.drivers.http import Answer, HttpError
from agent.drivers.launched import LaunchedDriver, endpoint
from agent.drivers.vllm_metrics import Load
from agent.ports import DriverError, Launcher, Readiness
from wire.model import WorkloadReading

API_TIMEOUT_S = 5.0
"""Health and metrics: from memory, but an engine under load may answer late."""

PROMPT_TIMEOUT_S = 60.0
"""The first request to a fresh server may still compile kernels."""

PROMPT_TOKENS_MAX = 32
"""Enough for a known answer, short enough not to delay paying work."""

DRAIN_LOOK_S = 0.5
"""Time between two looks at a draining server, unless the driver is built with another."""

DRAIN_IDLE_LOOKS = 2
"""Looks in a row that must find it idle: between two requests it is so by chance."""

_UNKNOWN_PATH = frozenset({404, 405})

# Older servers know only the second way to say that requests in progress shall finish, and would
# abort them without it.
_PAUSE_PATH = "/pause?mode=wait&wait_for_inflight_requests=true&clear_cache=false"
_RESUME_PATH = "/resume"


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    text: str | None = None
    message: _Message | None = None


class _Completion(msgspec.Struct):
    """The parts of an answer that count here, of a completion or of a chat."""

    choices: list[_Choice]

    @property
    def text(self) -> str:
        parts = (
            choice.text or (choice.message and choice.message.content) for choice in self.choices
        )
        return "".join(part or "" for part in parts)


class InferenceDriver(LaunchedDriver):
    """Runs an inference server through a launcher, and reads and drains it over its API."""

    def __init__(self, launcher: Launcher, *, drain_look_s: float = DRAIN_LOOK_S) -> None:
        super().__init__(launcher)
        self._drain_look_s = drain_look_s

    async def probe(self, workload: Workload) -> Readiness:
        """Ready when it is healthy and answers the known prompt as expected."""
        try:
            health = await endpoint(workload).get("/health", timeout_s=API_TIMEOUT_S)
            if not health.ok:
                return Readiness(ready=False, reason=f"/health answers with status {health.status}")
            return _judge(await _ask(workload), workload)
        except HttpError as error:
            return Readiness(ready=False, reason=f"the server does not answer: {error}")

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Requests and tokens over all engines; ``None`` when the server does not answer."""
        load = await _load(workload)
        if load is None:
            return None
        return WorkloadReading(
            group=workload.group,
            workload=workload.name,
            requests_running=load.running,
            requests_waiting=load.waiting,
            tokens_total=load.tokens_total,
        )

    async def drain(self, workload: Workload) -> None:
        """Ask for no new work where the server can, and wait until nothing is in progress.

        A server that gives no metrics for a while may still be busy, so only its end or the
        caller's deadline ends the wait then.
        """
        await self._pause(workload)
        idle_looks = 0
        while idle_looks < DRAIN_IDLE_LOOKS:
            load = await _load(workload)
            if load is None and not await self.alive(workload):
                return
            idle_looks = idle_looks + 1 if load is not None and load.idle else 0
            await asyncio.sleep(self._drain_look_s)

    async def undrain(self, workload: Workload) -> None:
        """Take work again. Raises `DriverError` when a server that can pause does not resume."""
        try:
            answer = await endpoint(workload).post(_RESUME_PATH, timeout_s=API_TIMEOUT_S)
        except HttpError as error:
            if not await self.alive(workload):
                return
            raise DriverError(f"{workload.key}: cannot take work again: {error}") from error
        if not answer.ok and answer.status not in _UNKNOWN_PATH:
            raise DriverError(f"{workload.key}: /resume answers with status {answer.status}")

    async def _pause(self, workload: Workload) -> None:
        try:
            await endpoint(workload).post(_PAUSE_PATH, timeout_s=API_TIMEOUT_S)
        except HttpError:
            # It answers only when requests in progress have finished, or it cannot pause at all;
            # the metrics tell.
            return


async def _ask(workload: Workload) -> Answer:
    """Put the known prompt; servers of chat models may have no plain completions."""
    api = endpoint(workload)
    prompt = workload.readiness.prompt
    common = {"model": workload.model, "max_tokens": PROMPT_TOKENS_MAX, "temperature": 0}
    answer = await api.post(
        "/v1/completions", {**common, "prompt": prompt}, timeout_s=PROMPT_TIMEOUT_S
    )
    if answer.status not in _UNKNOWN_PATH:
        return answer
    messages = [{"role": "user", "content": prompt}]
    return await api.post(
        "/v1/chat/completions", {**common, "messages": messages}, timeout_s=PROMPT_TIMEOUT_S
    )


def _judge(answer: Answer, workload: Workload) -> Readiness:
    if not answer.ok:
        return Readiness(ready=False, reason=f"the prompt is answered with status {answer.status}")
    try:
        text = msgspec.json.decode(answer.body, type=_Completion).text
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return Readiness(ready=False, reason=f"the answer cannot be understood: {error}")
    expect = workload.readiness.expect
    if expect not in text:
        return Readiness(ready=False, reason=f"the answer {text[:80]!r} lacks {expect!r}")
    return Readiness(ready=True, reason=f"healthy, answered the prompt with {text[:80]!r}")


async def _load(workload: Workload) -> Load | None:
    try:
        answer = await endpoint(workload).get("/metrics", timeout_s=API_TIMEOUT_S)
    except HttpError:
        return None
    return vllm_metrics.parse(answer.body) if answer.ok else None
