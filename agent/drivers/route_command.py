"""One command that tells a load balancer; it and all it started end with its time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from agent.drivers.command import INHERITED, PATH_DEFAULT
from agent.ports import RouteError

_SAID_BYTES = 4096
"""Of what it wrote, the end, where the reason stands."""

_SHOWN_CHARS = 120


async def perform(command: Sequence[str], timeout_s: float) -> None:
    """Run it; returns when exit code 0 confirms it. Raises `RouteError`."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ.get("PATH", PATH_DEFAULT),
                **{name: os.environ[name] for name in INHERITED if name in os.environ},
            },
            start_new_session=True,
        )
    except OSError as error:
        raise RouteError(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_s):
            said = await _said(process)
            code = await process.wait()
    except TimeoutError as error:
        raise RouteError(f"{command[0]} took more than {timeout_s:g} s") from error
    finally:
        # Its children share its session; none may outlive it.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code:
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:_SHOWN_CHARS]
        raise RouteError(f"{command[0]} ended with code {code}{f': {last}' if last else ''}")


async def _said(process: asyncio.subprocess.Process) -> bytes:
    assert process.stderr is not None, "it was asked for"
    said = b""
    while piece := await process.stderr.read(_SAID_BYTES):
        said = (said + piece)[-_SAID_BYTES:]
    return said
