"""A program run for its answer: it and all that it started end with whoever waits for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

NOWHERE = asyncio.subprocess.DEVNULL
PIPE = asyncio.subprocess.PIPE
MERGED = asyncio.subprocess.STDOUT

END_WAIT_S = 3.0
"""Between KILL and the end; past it the kernel holds the program, and nobody waits for it."""

Output = IO[bytes] | int


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    stdout: Output = NOWHERE,
    stderr: Output = NOWHERE,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    leaves: bool = False,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start it in a session of its own, and kill that session in the end.

    Args:
        command: Program and arguments; no shell reads them.
        stdout: Where it writes; `PIPE` to be read by the caller.
        stderr: The same for its errors; `MERGED` with the rest.
        environment: All of it; none: the agent's own.
        directory: Where it runs; none: where the agent does.
        leaves: What it started may outlive it, once it has ended by itself.

    Raises:
        OSError: It cannot be started.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=NOWHERE,
            stdout=stdout,
            stderr=stderr,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        # A start that is cut off would end the program alone, and leave its children.
        with suppress(OSError):
            await _end(await starting)
        raise
    try:
        yield process
    finally:
        if not leaves or process.returncode is None:
            await _end(process)


async def tail(stream: asyncio.StreamReader | None, most: int) -> bytes:
    """The last `most` bytes of all that is written there."""
    assert stream is not None, "it was asked for"
    kept = b""
    while piece := await stream.read(most):
        kept = (kept + piece)[-most:]
    return kept


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(END_WAIT_S):
            await process.wait()
