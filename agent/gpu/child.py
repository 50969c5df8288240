"""The collector as its parent sees it: a child process that may hang, crash or babble.

Whatever it does, waiting for it is bounded here.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from agent.gpu import pipe
from agent.settings import GpuSettings


class ChildError(Exception):
    """A collector is of no more use; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a collector may take for what."""

    call_s: float = 8.0
    """One driver call; none takes so long on a sound GPU. Past it that GPU is left alone."""
    open_s: float = 120.0
    """Opening the driver; without persistence mode it wakes every GPU, one after the other."""
    silence_s: float = 20.0
    """Without any line, beyond the interval between looks."""
    answer_s: float = 10.0
    """A look on request."""
    kill_s: float = 5.0
    """Between KILL and the end of the process; past it the driver holds it in the kernel."""
    retry_s: float = 30.0
    """Longest wait before a collector is started anew."""
    avoid_s: float = 300.0
    """A GPU whose call hung is left alone for this long, at the next time for twice as long."""
    avoid_max_s: float = 3600.0
    """Longest time for which it is left alone."""
    abandoned_max: int = 3
    """Collectors that could not be killed; with so many, no more is started."""


Spawn = Callable[[tuple[pipe.Avoided, ...]], Awaitable[asyncio.subprocess.Process]]
"""Starts a collector that leaves some GPUs alone."""


def spawn_of(gpu: GpuSettings, gpus: tuple[str, ...]) -> Spawn:
    """What starts a collector for these settings; `gpus` must be accounted for."""
    options = pipe.Options(
        source=gpu.source,
        gpus=gpus,
        simulated_dir=None if gpu.simulated_dir is None else str(gpu.simulated_dir),
        fast_interval_s=gpu.fast_interval_s,
        slow_interval_s=gpu.slow_interval_s,
    )

    async def spawn(avoided: tuple[pipe.Avoided, ...]) -> asyncio.subprocess.Process:
        argument = msgspec.json.encode(msgspec.structs.replace(options, avoided=avoided)).decode()
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent.gpu.collector",
            argument,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=pipe.LINE_BYTES_MAX,
            # Ctrl-C is for the agent; it ends the collector itself, after its own last words.
            start_new_session=True,
        )

    return spawn


class Child:
    """One running collector."""

    def __init__(self, process: asyncio.subprocess.Process, silence_s: float) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._silence_s = silence_s

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.returncode is not None

    async def receive(self) -> pipe.Message:
        """Wait for its next message. Raises `ChildError`."""
        try:
            async with asyncio.timeout(self._silence_s):
                line = await self._stdout.readline()
        except TimeoutError as error:
            raise ChildError(f"collector silent for {self._silence_s:.0f} s") from error
        except ValueError as error:
            raise ChildError(f"collector wrote a line over {pipe.LINE_BYTES_MAX} bytes") from error
        if not line.endswith(b"\n"):
            raise ChildError("collector ended")
        try:
            return pipe.decode(line)
        except ValueError as error:
            raise ChildError(f"collector wrote what is no message: {error}") from error

    def ask(self, request: int, gpus: tuple[str, ...]) -> None:
        """Request a look; a collector that is gone never answers."""
        if not self._stdin.is_closing():
            self._stdin.write(pipe.encode(pipe.Ask(request, gpus)))

    async def end(self, kill_s: float) -> bool:
        """Kill it; false when it is still there after `kill_s` seconds."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        try:
            async with asyncio.timeout(kill_s):
                # Read to the end as well: a full pipe would keep the transport open.
                await self._process.communicate()
        except TimeoutError:
            return False
        return True
