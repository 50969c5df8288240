"""Miners' APIs with canned answers, over the transport that each one has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from agent.core.workload import Readiness, Workload
from agent.demo.http_server import HttpServer, Reply, Request
from agent.drivers.miners.row import Miner
from agent.drivers.miners.table import MINERS
from tests.parts.lines import LineApi
from wire.model import Kind

T = TypeVar("T")

ANSWERS = Path(__file__).parents[1] / "answers" / "miners"
"""In the format of each miner; the figures are made up."""

BY_NAME = {row.driver: row for row in MINERS}

PORT = 4067
"""Stands in command lines that nobody starts."""


def workload(row: Miner, *flags: str) -> Workload:
    """One that asks for a share and some hashrate."""
    return Workload(
        name="w",
        kind=Kind.MINING,
        driver=row.driver,
        group="g",
        command=("/bin/true", *flags),
        api_url=f"{row.scheme}://127.0.0.1:{PORT}",
        readiness=Readiness(hashrate_min_hps=10.0, shares_min=1),
    )


def answer(row: Miner, moment: str) -> Any:
    """What the miner says when it is `working`, or has just `started`."""
    return json.loads((ANSWERS / f"{row.driver}.json").read_text(encoding="utf-8"))[moment]


def asked(
    row: Miner, body: bytes, ask: Callable[[Workload], Awaitable[T]], *, silent: bool = False
) -> T:
    """What `ask` finds out while the miner's API answers with `body`, or not at all."""
    return asyncio.run(_asked(row, body, ask, silent))


async def _asked(
    row: Miner, body: bytes, ask: Callable[[Workload], Awaitable[T]], silent: bool
) -> T:
    if row.line:
        api = LineApi(body, silent=silent)
        async with api.serving() as port:
            found = await ask(_at(row, port))
        assert api.asked == [row.line.encode() + b"\n"]
        return found
    over = asyncio.Event()

    async def reply(request: Request) -> Reply:
        assert (request.method, request.path) == ("GET", row.path)
        if silent:
            await over.wait()
        return Reply(200, body)

    server = HttpServer(reply)
    port = await server.listen(0)
    try:
        return await ask(_at(row, port))
    finally:
        over.set()
        await server.close()


def _at(row: Miner, port: int) -> Workload:
    return replace(workload(row), api_url=f"{row.scheme}://127.0.0.1:{port}")
