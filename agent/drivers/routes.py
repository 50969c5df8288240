"""Tells the farm's load balancer by the hooks of the rig's own file: HTTP call, command or file.

A deed that was begun ends before the next one on the same route begins, even when nobody waits for
it any more: an "open" that is late must not undo a "close".
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import defaultdict
from pathlib import Path

from agent.core.route import Hook
from agent.core.workload import Workload
from agent.drivers import route_call, route_command
from agent.ports import RouteError


class HookRouter:
    """Performs the hooks of whatever workload has a route; for others there is nothing to tell."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def check(self, workload: Workload) -> None:
        """Look for programs, folders and secrets. Raises `RouteError`."""
        if workload.route is None:
            return
        for name, hook in (("close", workload.route.close), ("open", workload.route.open)):
            try:
                await asyncio.to_thread(_check, hook)
            except RouteError as error:
                raise RouteError(f"{workload.key}: `route.{name}`: {error}") from error

    async def close(self, workload: Workload) -> None:
        """Send nothing more to it. Raises `RouteError`."""
        if workload.route is not None:
            await self._perform(workload, workload.route.close, workload.route.timeout_s, "closed")

    async def open(self, workload: Workload) -> None:
        """Send requests to it. Raises `RouteError`."""
        if workload.route is not None:
            await self._perform(workload, workload.route.open, workload.route.timeout_s, "opened")

    async def _perform(self, workload: Workload, hook: Hook, timeout_s: float, done: str) -> None:
        turn = self._turns[workload.key]
        await turn.acquire()
        deed = asyncio.create_task(_do(hook, timeout_s))

        def over(ended: asyncio.Task[None]) -> None:
            turn.release()
            if not ended.cancelled():
                ended.exception()  # Nobody may be left to take it.

        deed.add_done_callback(over)
        try:
            await asyncio.shield(deed)
        except RouteError as error:
            raise RouteError(f"its route could not be {done}: {error}") from error


async def _do(hook: Hook, timeout_s: float) -> None:
    if hook.http is not None:
        await asyncio.to_thread(route_call.perform, hook.http, timeout_s)
    elif hook.command:
        await route_command.perform(hook.command, timeout_s)
    else:
        await asyncio.to_thread(_put, hook)


def _put(hook: Hook) -> None:
    try:
        if hook.create:
            Path(hook.create).touch()
        else:
            Path(hook.remove).unlink(missing_ok=True)
    except OSError as error:
        raise RouteError(f"{hook.create or hook.remove}: {error.strerror}") from error


def _check(hook: Hook) -> None:
    if hook.http is not None:
        route_call.check(hook.http)
    elif hook.command:
        if shutil.which(hook.command[0]) is None:
            raise RouteError(f"program {hook.command[0]} is not there or may not be executed")
    else:
        folder = Path(hook.create or hook.remove).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise RouteError(f"folder {folder} is missing or may not be written by the agent")
