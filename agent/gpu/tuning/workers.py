"""Starts a worker for each request, and ends it with the request, whatever it does.

A worker that cannot be killed keeps its GPUs from being tuned again, because the call that holds
it may still change them; every other GPU goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from agent.gpu.tuning import pipe
from agent.ports import TuneError
from wire import logs

Process = asyncio.subprocess.Process
Spawn = Callable[[], Awaitable[Process]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a worker may take for what."""

    answer_s: float = pipe.WORK_S + 4.0
    """Start of the process included; it has a limit of its own, and says more."""
    kill_s: float = 3.0
    """Between KILL and its end; past it the driver holds it in the kernel."""


def spawn_of(options: pipe.Options) -> Spawn:
    """What starts a worker with these options."""
    argument = msgspec.json.encode(options).decode()

    async def spawn() -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent.gpu.tuning.worker",
            argument,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=pipe.LINE_BYTES_MAX,
            start_new_session=True,
            # `-m` looks for modules where it is started.
            cwd="/",
        )

    return spawn


class Workers:
    """At most one worker on any GPU."""

    def __init__(self, spawn: Spawn, limits: Limits | None = None) -> None:
        self._spawn = spawn
        self._limits = limits or Limits()
        self._busy: set[str] = set()
        self._freed = asyncio.Event()
        """Set when the next worker ends, and then made anew."""
        self._stuck: dict[str, Process] = {}
        self._log = logs.get("tuning")

    @property
    def stuck(self) -> bool:
        """Whether a worker could not be killed and still exists."""
        return any(process.returncode is None for process in self._stuck.values())

    async def perform(self, request: pipe.Request) -> pipe.Done:
        """Carry it out. Raises `TuneError`; when cancelled, nothing is set afterwards."""
        gpus = frozenset(request.gpus)
        while self._busy & gpus:
            await self._freed.wait()
        self._busy |= gpus
        try:
            return await self._work(request)
        finally:
            self._busy -= gpus
            self._freed.set()
            self._freed = asyncio.Event()

    async def _work(self, request: pipe.Request) -> pipe.Done:
        self._refuse_stuck(request.gpus)
        try:
            process = await self._spawn()
        except OSError as error:
            raise TuneError(f"the tuning worker cannot be started: {error}") from error
        try:
            answer = await self._ask(process, request)
        finally:
            await self._end(process, request.gpus)
        if isinstance(answer, pipe.Refused):
            raise TuneError(answer.reason)
        return answer

    async def _ask(self, process: Process, request: pipe.Request) -> pipe.Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._limits.answer_s):
                process.stdin.write(pipe.encode(request))
                answer = pipe.decode_answer(await process.stdout.readline())
        except TimeoutError as error:
            limit_s = self._limits.answer_s
            raise TuneError(f"the tuning worker gave no answer within {limit_s:g} s") from error
        except (OSError, ValueError) as error:
            raise TuneError("the tuning worker ended without an answer; see the log") from error
        # It leaves by itself now, unless the driver holds it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.kill_s):
                await process.wait()
        return answer

    async def _end(self, process: Process, gpus: tuple[str, ...]) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        try:
            async with asyncio.timeout(self._limits.kill_s):
                # Read to the end as well: a full pipe would keep the transport open.
                await process.communicate()
        except TimeoutError:
            self._stuck.update(dict.fromkeys(gpus, process))
            self._log.error("tuning worker cannot be killed", pid=process.pid, gpus=gpus)

    def _refuse_stuck(self, gpus: tuple[str, ...]) -> None:
        for gpu in gpus:
            process = self._stuck.get(gpu)
            if process is not None and process.returncode is None:
                raise TuneError(
                    f"{gpu}: process {process.pid} hangs in its driver and cannot be killed; "
                    "reboot the rig"
                )
