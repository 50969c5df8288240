"""An HTTP API with canned replies, and a launcher that only says whether something runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.demo.http_server import HttpServer, Reply, Request

T = TypeVar("T")


@dataclass
class SaysItRuns:
    """A launcher for tests in which programs are not the point."""

    runs: bool = True

    async def prepare(self, workload: Workload) -> None:
        """There is always something to start."""

    async def start(self, workload: Workload) -> None:
        self.runs = True

    async def alive(self, workload: Workload) -> bool:
        return self.runs

    async def stop(self, workload: Workload, grace_s: float) -> None:
        self.runs = False

    async def exited(self, workload: Workload) -> str:
        return "ended"

    async def processes(self, workload: Workload) -> frozenset[int]:
        return frozenset()

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        return ()


@dataclass
class Api:
    """Replies by method and path, in order, the last one again and again; else status 404."""

    replies: dict[str, list[Reply]]
    asked: list[Request] = field(default_factory=list)

    async def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        replies = self.replies.get(f"{request.method} {request.path}", [Reply(404)])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@asynccontextmanager
async def serving(api: Api, workload: Workload) -> AsyncIterator[Workload]:
    """The workload with `api` as its API."""
    server = HttpServer(api.answer)
    port = await server.listen(0)
    try:
        yield replace(workload, api_url=f"http://127.0.0.1:{port}")
    finally:
        await server.close()


def asked(api: Api, workload: Workload, ask: Callable[[Workload], Awaitable[T]]) -> T:
    """What `ask` finds out while `api` serves."""

    async def scenario() -> T:
        async with serving(api, workload) as served:
            return await ask(served)

    return asyncio.run(scenario())
