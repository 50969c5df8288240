"""When the miner driver holds a miner for ready, by the example of XMRig."""

from __future__ import annotations

from typing import Any

import pytest

from agent.core.workload import Readiness, Workload
from agent.demo.http_server import Reply
from agent.drivers.miner import MinerDriver
from agent.drivers.registry import drivers
from tests.parts.apis import Api, SaysItRuns, asked
from wire.model import Kind

PATH = "GET /2/summary"

MINER = Workload(
    name="w",
    kind=Kind.MINING,
    driver="xmrig",
    group="g",
    api_token="secret",
    readiness=Readiness(hashrate_min_hps=50e6, shares_min=2),
)


def driver() -> MinerDriver:
    found = drivers(SaysItRuns())["xmrig"]
    assert isinstance(found, MinerDriver)
    return found


def summary(
    *, rates: list[Any] | None = None, good: int = 3, total: int = 4, paused: bool = False
) -> Reply:
    return Reply.of(
        {
            "uptime": 90,
            "paused": paused,
            "results": {"shares_good": good, "shares_total": total, "best": [9, 8]},
            "connection": {"accepted": good, "rejected": total - good},
            "hashrate": {"total": [60e6, 59e6, None] if rates is None else rates},
        }
    )


@pytest.mark.parametrize(
    ("reply", "ready", "said"),
    [
        (summary(), True, "3 accepted shares, 60.0 MH/s"),
        (summary(rates=[None, 55e6, None]), True, "3 accepted shares, 55.0 MH/s"),
        (summary(rates=[None, None, None]), False, "no hashrate yet; needs at least 50.0 MH/s"),
        (summary(rates=[]), False, "no hashrate yet"),
        (summary(rates=[49e6, 60e6, 60e6]), False, "49.0 MH/s; needs at least 50.0 MH/s"),
        (summary(good=1), False, "1 accepted shares, 60.0 MH/s; needs 2 shares"),
        (summary(paused=True), False, "the miner is paused"),
        (Reply(401), False, "refuses `api_token`"),
        (Reply(403), False, "refuses `api_token`"),
        (Reply(500), False, "status 500"),
        (Reply(200, b"<html>"), False, "cannot be understood"),
        (Reply(200, b"\xff"), False, "cannot be understood"),
        (Reply(200, b'{"hashrate": {"total": ["fast"]}}'), False, "no hashrate yet"),
        (Reply(200, b"{}"), False, "no accepted shares, no hashrate yet"),
    ],
)
def test_ready_only_with_hashrate_and_shares(reply: Reply, ready: bool, said: str) -> None:
    api = Api({PATH: [reply]})
    look = asked(api, MINER, driver().probe)
    assert look.ready is ready
    assert said in look.reason
    assert api.asked[0].headers["authorization"] == "Bearer secret"


def test_an_absent_hashrate_is_not_zero() -> None:
    api = Api({PATH: [summary(rates=[None])]})
    reading = asked(api, MINER, driver().read)
    assert reading is not None
    assert reading.hashrate_hps is None
