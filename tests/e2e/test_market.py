"""A machine on a simulated marketplace, under a real agent, controller and command line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.demo.http_server import HttpServer
from tests.e2e.farm import Farm, farm
from tests.parts.markets import MACHINE, ROWS, SimMarket

REASON = ("--reason", "a look", "--yes")
GROUP = "rig-1/g0"


@contextmanager
def serving(market: SimMarket) -> Iterator[str]:
    """The marketplace's address, as long as this lasts."""
    loop, over = asyncio.new_event_loop(), asyncio.Event()
    listening: list[str] = []
    ready = threading.Event()

    async def serve() -> None:
        server = HttpServer(market.answer)
        listening.append(f"http://127.0.0.1:{await server.listen(0)}")
        ready.set()
        await over.wait()
        await server.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        ready.wait()
        yield listening[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@pytest.fixture
def market(tmp_path: Path) -> SimMarket:
    return SimMarket(ROWS["clore"], tmp_path)


@pytest.fixture
def at_work(market: SimMarket, tmp_path: Path) -> Iterator[Farm]:
    """A farm whose first group may be offered for rent."""
    token = tmp_path / "key"
    token.touch(mode=0o600)
    token.write_text("secret-of-the-host")
    with serving(market) as url:
        offer = {
            "name": "rent",
            "kind": "inference",
            "driver": "clore",
            "market": {"machine": MACHINE, "token_file": str(token), "url": url},
            "readiness": {"hold_s": 0.2},
            "deadlines": {"drain_s": 30, "stop_s": 60},
        }
        with farm(tmp_path / "farm", {"rig-1": offer}) as made:
            yield made


@pytest.mark.timeout(300)  # Marketplaces are asked slowly, even simulated ones.
def test_a_rental_is_kept_through_orders_deaths_and_nonsense(
    at_work: Farm, market: SimMarket
) -> None:
    at_work.until(at_work.running)
    code, said = at_work.cli("switch", GROUP, "rent", *REASON)
    assert code == 0, said
    assert market.situation == "offered"
    market.rented = True
    at_work.until(lambda: at_work.groups()[GROUP].lock)
    code, said = at_work.cli("release", GROUP)
    assert code == 0, said
    code, said = at_work.cli("switch", GROUP, "etc", *REASON)
    assert code == 1
    assert "rented on clore.ai" in said
    assert "--break-lock" in said
    for question in (("status",), ("explain", GROUP), ("rigs",), ("plan",)):
        code, said = at_work.cli(*question)
        assert code == 0
        assert "rented on clore.ai" in " ".join(said.split())

    market.broken = b"<html>back soon</html>"
    at_work.kill("rig-1")
    at_work.start("rig-1")
    at_work.kill("controller")
    at_work.start("controller")
    at_work.until(at_work.running)
    line = at_work.groups()[GROUP]
    assert (line.active, bool(line.lock)) == ("rent", True)

    market.broken = b""
    market.rented = False
    at_work.until(lambda: not at_work.groups()[GROUP].lock)
    code, said = at_work.cli("switch", GROUP, "etc", *REASON)
    assert code == 0, said
    assert market.situation == "withdrawn"
    assert "secret-of-the-host" not in at_work.logs()
