"""Driver for inference servers, by a row of their table.

Draining has two layers. The load balancer in front of the servers was told before to send nothing
more (`agent.traffic`). The server itself is asked to admit nothing new where it can; a server that
cannot goes on taking what comes. SIGTERM aborts running requests on most servers, so draining comes
before it.
"""

from __future__ import annotations

import asyncio

from agent.core.workload import Workload
from agent.drivers import paths
from agent.drivers.command import option_value
from agent.drivers.http import Answer, Endpoint, HttpError
from agent.drivers.launched import LaunchedDriver, endpoint
from agent.drivers.servers import answer as answers
from agent.drivers.servers.load import Load, Signal
from agent.drivers.servers.nap import Nap
from agent.drivers.servers.prompt import Prompt
from agent.drivers.servers.row import Server
from agent.ports import DriverError, Launcher, Readiness
from wire.model import WorkloadReading

API_TIMEOUT_S = 5.0
"""Health and metrics: from memory, but an engine under load may answer late."""

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
        _check_grace(self._server.finish_option, workload)
        await super().prepare(workload)

    async def probe(self, workload: Workload) -> Readiness:
        """Ready when it is healthy and answers the known prompt as expected, if there is one.

        Raises:
            DriverError: It answers wrongly. The prompt is put so that the answer is always the
                same, so waiting does not mend it: weights, GPU or settings are not as they were.
        """
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
        if await self.asleep(workload):
            await self.wake(workload)
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

    async def sleep(self, workload: Workload, level: int) -> None:
        """Leave the GPU memory; servers crash when that happens under a request, so none may run.

        Raises:
            DriverError: It cannot sleep, is busy, or does not say that it sleeps.
        """
        load = await self._load(workload)
        if load is None or not load.idle:
            raise DriverError(f"{workload.key}: is not idle, so it must not sleep")
        await self._nap(workload).begin(endpoint(workload), level, timeout_s=self._api_timeout_s)

    async def wake(self, workload: Workload) -> None:
        """Take the GPU memory again. Raises `DriverError`."""
        api = endpoint(workload)
        await self._nap(workload).end(api, workload, timeout_s=self._api_timeout_s)

    async def asleep(self, workload: Workload) -> bool | None:
        """Whether it sleeps; ``None`` when it does not tell, or cannot sleep."""
        nap = self._server.nap
        if nap is None:
            return None
        return await nap.look(endpoint(workload), timeout_s=self._api_timeout_s)

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Pids of all its processes. Raises `DriverError`."""
        return await self._launcher.processes(workload)

    def _nap(self, workload: Workload) -> Nap:
        if self._server.nap is None:
            raise DriverError(f"{workload.key}: {self._server.title} cannot sleep")
        return self._server.nap

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
    timeout_s = workload.readiness.prompt_timeout_s
    return await api.post(path, prompt.body(workload), timeout_s=timeout_s)


def _judge(answer: Answer, prompt: Prompt, workload: Workload) -> Readiness:
    if not answer.ok:
        return Readiness(ready=False, reason=f"the prompt is answered with status {answer.status}")
    text = prompt.text(answer.body)
    if text is None:
        return Readiness(ready=False, reason="the answer cannot be understood: it holds no text")
    fault = answers.fault(text, workload.readiness)
    if fault:
        raise DriverError(f"{workload.key}: {fault}")
    return Readiness(ready=True, reason=f"healthy, answered the prompt with {answers.shown(text)}")


def _check_grace(option: str, workload: Workload) -> None:
    """A server that is killed while it lets requests finish has let none of the late ones finish.

    Raises:
        DriverError: Its own limit is not below the time that it is given.
    """
    given = option_value(workload, option) if option else None
    limit_s, grace_s = paths.number(given), workload.deadlines.grace_s
    if limit_s is not None and limit_s >= grace_s:
        raise DriverError(
            f"{workload.key}: `{option} {given}` is not below the {grace_s:g} s that it is given "
            "to end (half of `deadlines.stop_s`); make one shorter or the other longer"
        )


def _metrics_endpoint(workload: Workload) -> Endpoint:
    try:
        return Endpoint.parse(workload.metrics_url, workload.api_token)
    except ValueError as error:
        raise DriverError(f"{workload.key}: `metrics_url`: {error}") from error
