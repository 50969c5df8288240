"""Driver for inference servers, by a row of their table.

Draining has two layers. New requests are to be kept away by the router in front of the servers,
which learns of it through the controller's own channel; a hook for it does not exist yet. The
server itself is asked to admit nothing new where it can; a server that cannot goes on taking what
the router sends. SIGTERM aborts running requests on most servers, so draining comes before it.
"""

from __future__ import annotations

import asyncio

from agent.core.workload import Workload
from agent.drivers.http import Answer, Endpoint, HttpError
from agent.drivers.launched import LaunchedDriver, endpoint
from agent.drivers.servers.load import Load, Signal
from agent.drivers.servers.prompt import Prompt
from agent.drivers.servers.row import Server
from agent.ports import DriverError, Launcher, Readiness
from wire.model import WorkloadReading

API_TIMEOUT_S = 5.0
"""Health and metrics: from memory, but an engine under load may answer late."""

PROMPT_TIMEOUT_S = 60.0
"""The first request to a fresh server may still compile kernels, or load the model."""

DRAIN_LOOK_S = 0.5
"""Time between two looks at a draining server, unless the driver is built with another."""

DRAIN_IDLE_LOOKS = 2
"""Looks in a row that must find it idle: between two requests it is so by chance."""

_UNKNOWN_PATH = frozenset({404, 405})


class InferenceDriver(LaunchedDriver):
    """Runs one kind of inference server through a launcher, reads and drains it over its API."""

    def __init__(
        self,
        launcher: Launcher,
        server: Server,
        *,
        drain_look_s: float = DRAIN_LOOK_S,
        api_timeout_s: float = API_TIMEOUT_S,
    ) -> None:
        super().__init__(launcher)
        self._server = server
        self._drain_look_s = drain_look_s
        self._api_timeout_s = api_timeout_s

    async def prepare(self, workload: Workload) -> None:
        """Check the program and the ports. Raises `DriverError`."""
        if self._server.metrics_apart and not workload.metrics_url:
            raise DriverError(
                f"{workload.key}: `metrics_url` is missing; {self._server.title} has its metrics "
                "on a port of their own"
            )
        if workload.metrics_url:
            port = _metrics_endpoint(workload).port
            await self._require_free(port, "metrics_url", workload)
        await super().prepare(workload)

    async def probe(self, workload: Workload) -> Readiness:
        """Ready when it is healthy and answers the known prompt as expected, if there is one."""
        path = self._server.health
        try:
            health = await endpoint(workload).get(path, timeout_s=self._api_timeout_s)
            if not health.ok:
                return Readiness(ready=False, reason=f"{path} answers with status {health.status}")
            if not workload.readiness.prompt:
                return Readiness(ready=True, reason="healthy; there is no prompt to put")
            return _judge(*await self._ask(workload), workload)
        except HttpError as error:
            return Readiness(ready=False, reason=f"the server does not answer: {error}")

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Requests and tokens over all engines; ``None`` when the server does not answer."""
        load = await self._load(workload)
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

        A server that tells nothing for a while may still be busy, so only its end or the caller's
        deadline ends the wait then.
        """
        await self._quiesce(workload)
        idle_looks = 0
        while idle_looks < DRAIN_IDLE_LOOKS:
            load = await self._load(workload)
            if load is None and not await self.alive(workload):
                return
            idle_looks = idle_looks + 1 if load is not None and load.idle else 0
            await asyncio.sleep(self._drain_look_s)

    async def undrain(self, workload: Workload) -> None:
        """Take work again. Raises `DriverError` when a server that can pause does not resume."""
        path = self._server.resume
        if not path:
            return
        try:
            answer = await endpoint(workload).post(path, timeout_s=self._api_timeout_s)
        except HttpError as error:
            if not await self.alive(workload):
                return
            raise DriverError(f"{workload.key}: cannot take work again: {error}") from error
        if not answer.ok and answer.status not in _UNKNOWN_PATH:
            raise DriverError(f"{workload.key}: {path} answers with status {answer.status}")

    async def _quiesce(self, workload: Workload) -> None:
        row = self._server
        if not row.quiesce:
            return
        body = None if row.quiesce_body is None else row.quiesce_body(workload)
        try:
            await endpoint(workload).post(row.quiesce, body, timeout_s=self._api_timeout_s)
        except HttpError:
            # It answers only when requests in progress have finished, or it cannot do it at all;
            # how busy it is tells.
            return

    async def _ask(self, workload: Workload) -> tuple[Answer, Prompt]:
        """Put the known prompt; servers of chat models may have no plain completions."""
        api = endpoint(workload)
        *others, last = self._server.prompts
        for prompt in others:
            answer = await _put(prompt, api, workload)
            if answer.status not in _UNKNOWN_PATH:
                return answer, prompt
        return await _put(last, api, workload), last

    async def _load(self, workload: Workload) -> Load | None:
        for signal in self._server.signals:
            load = await self._look(signal, workload)
            if load is not None:
                return load
        return None

    async def _look(self, signal: Signal, workload: Workload) -> Load | None:
        apart = signal.separate and workload.metrics_url
        api = _metrics_endpoint(workload) if apart else endpoint(workload)
        try:
            answer = await api.get(signal.path, timeout_s=self._api_timeout_s)
        except HttpError:
            return None
        return signal.read(answer.body, workload) if answer.ok else None


async def _put(prompt: Prompt, api: Endpoint, workload: Workload) -> Answer:
    path = prompt.path.replace("{model}", workload.model)
    return await api.post(path, prompt.body(workload), timeout_s=PROMPT_TIMEOUT_S)


def _judge(answer: Answer, prompt: Prompt, workload: Workload) -> Readiness:
    if not answer.ok:
        return Readiness(ready=False, reason=f"the prompt is answered with status {answer.status}")
    text = prompt.text(answer.body)
    if text is None:
        return Readiness(ready=False, reason="the answer cannot be understood: it holds no text")
    expect = workload.readiness.expect
    if expect not in text:
        return Readiness(ready=False, reason=f"the answer {text[:80]!r} lacks {expect!r}")
    return Readiness(ready=True, reason=f"healthy, answered the prompt with {text[:80]!r}")


def _metrics_endpoint(workload: Workload) -> Endpoint:
    try:
        return Endpoint.parse(workload.metrics_url, workload.api_token)
    except ValueError as error:
        raise DriverError(f"{workload.key}: `metrics_url`: {error}") from error
