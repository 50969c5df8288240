"""What a unit wrote, from systemd's journal; reading it takes the group `systemd-journal`."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from agent.drivers import logfile

READ_TIMEOUT_S = 5.0
"""A journal on a slow disk; past it the reason goes without its last line."""


async def last_line(invocation: str) -> str:
    """The last line that one run of a unit wrote, cleaned for a report; empty when unknown."""
    if not invocation:
        return ""
    arguments = ("--quiet", "--output=cat", "--lines=1", f"_SYSTEMD_INVOCATION_ID={invocation}")
    try:
        process = await asyncio.create_subprocess_exec(
            "journalctl",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ""
    written = b""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            written, _ = await process.communicate()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return logfile.clean(written.decode(errors="replace"))
