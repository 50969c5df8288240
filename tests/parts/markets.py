"""A simulated marketplace with one machine: recorded answers, and tenants that come and go."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from agent.core.workload import Market, Workload
from agent.demo.http_server import HttpServer, Reply, Request
from agent.drivers.market import MarketDriver
from agent.drivers.markets.desk import Desk
from agent.drivers.markets.row import Call, Row
from agent.drivers.markets.table import MARKETS
from wire.model import Kind

T = TypeVar("T")

ANSWERS = Path(__file__).parents[1] / "answers" / "markets"
ROWS = {row.driver: row for row in MARKETS}
MACHINE = "4242"
TOKEN = "secret-of-the-host"
LOOK_S = 0.01


def answers(driver: str) -> dict[str, Any]:
    """Recorded answers of one marketplace, by the machine's situation."""
    found: dict[str, Any] = json.loads((ANSWERS / f"{driver}.json").read_text())
    return found


@dataclass
class SimMarket:
    """Simulated: it takes what the row's calls say and shows recorded answers."""

    row: Row
    folder: Path
    rented: bool = False
    silent: bool = False
    broken: bytes = b""
    """Said instead of whatever it is asked."""
    asked: list[Request] = field(default_factory=list)
    on_withdrawal: Callable[[], None] = lambda: None
    listed: bool = False

    @property
    def offered(self) -> bool:
        """Whether new tenants can come; a marketplace without calls is told by a file."""
        return (self.folder / "offered").exists() if self.row.enlist is None else self.listed

    @property
    def situation(self) -> str:
        words = ("offered", "rented", "withdrawn", "withdrawn, rented")
        return words[self.rented + 2 * (not self.offered)]

    async def answer(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.silent:
            return Reply(503)
        if self.broken:
            return Reply(200, self.broken)
        for call, listed in ((self.row.enlist, True), (self.row.delist, False)):
            if call is not None and self._is(call, request, listed):
                self.listed = listed
                if not listed:
                    self.on_withdrawal()
                return Reply.of({"success": True, "code": 0})
        if self._is(self.row.look, request, None):
            return Reply.of(answers(self.row.driver)[self.situation])
        return Reply(404)

    def _is(self, call: Call, request: Request, listed: bool | None) -> bool:
        path = call.path.replace("{machine}", MACHINE).partition("?")[0]
        if (request.method, request.path) != (call.method, path):
            return False
        # The two changes of some marketplaces differ in what is sent only.
        said = request.document().get("availability", listed)
        return listed is None or said == listed


def workload(row: Row, folder: Path, url: str) -> Workload:
    """The machine on this marketplace."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    offered = str(folder / "offered")
    touch = f"import pathlib; pathlib.Path({offered!r})"
    return Workload(
        name="rent",
        kind=Kind.INFERENCE,
        driver=row.driver,
        group="g",
        gpus=("GPU-a", "GPU-b"),
        market=Market(
            machine=MACHINE,
            token_file=str(token),
            url=url,
            listing={"price_gpu": 0.35},
            list_command=(sys.executable, "-c", f"{touch}.touch()"),
            unlist_command=(sys.executable, "-c", f"{touch}.unlink(missing_ok=True)"),
        ),
    )


@asynccontextmanager
async def market(row: Row, folder: Path) -> AsyncIterator[tuple[SimMarket, MarketDriver, Workload]]:
    """A simulated marketplace, and a driver that speaks to it without polite pauses."""
    simulated = SimMarket(row, folder)
    server = HttpServer(simulated.answer)
    port = await server.listen(0)
    try:
        yield simulated, driver(row, folder), workload(row, folder, f"http://127.0.0.1:{port}")
    finally:
        await server.close()


def driver(row: Row, folder: Path) -> MarketDriver:
    """As a freshly started agent has it."""
    return MarketDriver(
        row,
        folder / "state",
        desk=Desk(row, gap_s=0.0),
        look_interval_s=LOOK_S,
        watch_interval_s=LOOK_S,
    )


def tried(
    row: Row,
    folder: Path,
    attempt: Callable[[SimMarket, MarketDriver, Workload], Awaitable[T]],
) -> T:
    """What an attempt against a simulated marketplace comes to."""

    async def scenario() -> T:
        async with market(row, folder) as (simulated, made, offered):
            return await attempt(simulated, made, offered)

    return asyncio.run(scenario())
