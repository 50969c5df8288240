"""One command that tells a load balancer; it and all it started end with its time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from agent.drivers import errand
from agent.drivers.command import inherited
from agent.ports import RouteError

_SAID_BYTES = 4096
"""Of what it wrote, the end, where the reason stands."""

_SHOWN_CHARS = 120


async def perform(command: Sequence[str], timeout_s: float) -> None:
    """Run it; returns when exit code 0 confirms it. Raises `RouteError`."""
    teller = errand.running(command, stderr=errand.PIPE, environment=inherited(os.environ))
    try:
        async with teller as process, asyncio.timeout(timeout_s):
            said = await errand.tail(process.stderr, _SAID_BYTES)
            code = await process.wait()
    except TimeoutError as error:
        raise RouteError(f"{command[0]} took more than {timeout_s:g} s") from error
    except OSError as error:
        raise RouteError(f"{command[0]} cannot be run: {error.strerror}") from error
    if code:
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:_SHOWN_CHARS]
        raise RouteError(f"{command[0]} ended with code {code}{f': {last}' if last else ''}")
