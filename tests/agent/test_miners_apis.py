"""What each miner's API gives: at work, just started, broken, slow; right to the hash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.drivers.miner import MinerDriver
from agent.drivers.miners.row import Miner
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from tests.parts import miners
from tests.parts.apis import SaysItRuns
from tests.parts.lines import LineApi
from tests.parts.programs import free_port
from wire.model import WorkloadGpu, WorkloadReading

each_miner = pytest.mark.parametrize("row", MINERS, ids=lambda row: row.driver)


def driver(row: Miner, timeout_s: float = 30.0) -> MinerDriver:
    return MinerDriver(SaysItRuns(), ApiSource(row, timeout_s=timeout_s))


def read(row: Miner, document: object) -> WorkloadReading | None:
    return miners.asked(row, json.dumps(document).encode(), driver(row).read)


def reading(**figures: Any) -> WorkloadReading:
    return WorkloadReading(group="g", workload="w", **figures)


def gpu(bus: int | None, hashrate_hps: float | None, accepted: int | None = None) -> WorkloadGpu:
    return WorkloadGpu(bus, hashrate_hps, accepted)


WORKING = {
    "xmrig": reading(
        hashrate_hps=60123456.78,
        shares_accepted=41,
        shares_rejected=1,
        algorithm="kawpow",
        pool="pool.example:3333",
        uptime_s=125,
    ),
    "trex": reading(
        hashrate_hps=194000001,
        shares_accepted=18,
        shares_rejected=1,
        algorithm="ethash",
        pool="stratum+tcp://pool.example:4444",
        uptime_s=620,
        gpus=(gpu(1, 97300000, 10), gpu(10, 96700001, 8)),
    ),
    "lolminer": reading(
        hashrate_hps=122535000,
        shares_accepted=33,
        shares_rejected=2,
        shares_stale=1,
        algorithm="Ethash",
        pool="pool.example:2020",
        uptime_s=301,
        gpus=(gpu(1, 61250000, 16), gpu(12, 61285000, 17)),
    ),
    "rigel": reading(
        hashrate_hps=800000500,
        shares_accepted=70,
        shares_rejected=3,
        algorithm="kheavyhash",
        pool="pool.example",
        uptime_s=900,
        gpus=(gpu(0x01, 410000000, 40), gpu(0x2B, 390000500, 30)),
    ),
    "gminer": reading(
        hashrate_hps=49000123,
        shares_accepted=9,
        shares_rejected=1,
        shares_stale=2,
        algorithm="KawPow",
        pool="stratum://rvn.example:6060",
        uptime_s=376,
        gpus=(gpu(0x01, 24650123, 5), gpu(0x0A, 24350000, 4)),
    ),
    "nbminer": reading(
        hashrate_hps=120900000.5,
        shares_accepted=7,
        shares_rejected=0,
        algorithm="ethash",
        pool="stratum+tcp://pool.example:2020",
        gpus=(gpu(1, 60500000.5, 3), gpu(37, 60400000, 4)),
    ),
    "teamredminer": reading(
        hashrate_hps=61234567,
        shares_accepted=12,
        shares_rejected=1,
        shares_stale=3,
        uptime_s=444,
        gpus=(gpu(None, 30617284, 5), gpu(None, 30617283, 7)),
    ),
    "srbminer": reading(
        hashrate_hps=151000002.5,
        shares_accepted=21,
        shares_rejected=1,
        algorithm="autolykos2",
        pool="stratum+tcp://pool.example:1111",
        uptime_s=512,
        gpus=(gpu(3, 75000001.5), gpu(11, 76000001)),
    ),
    "bzminer": reading(
        hashrate_hps=999999999.75,
        shares_accepted=50,
        shares_rejected=2,
        shares_stale=1,
        algorithm="kaspa",
        pool="stratum+tcp://kas.example:5555",
        uptime_s=333,
        gpus=(gpu(None, 500000000.25, 30), gpu(None, 499999999.5, 20)),
    ),
    "onezerominer": reading(
        hashrate_hps=81999.75,
        shares_accepted=15,
        shares_rejected=0,
        algorithm="xelis",
        pool="xelis.example:7019",
        uptime_s=77,
        gpus=(gpu(1, 41000.5, 8), gpu(66, 40999.25, 7)),
    ),
    "miniz": reading(
        hashrate_hps=123.75,
        shares_accepted=7,
        shares_rejected=0,
        algorithm="125,4",
        pool="flux.example:2001",
        gpus=(gpu(0x01, 62.5, 4), gpu(0x1F, 61.25, 3)),
    ),
}

SILENT_AT_FIRST = {"xmrig", "lolminer", "rigel", "bzminer"}
"""They give no hashrate before they have measured one; the others give 0."""


def test_there_is_an_answer_of_every_miner() -> None:
    assert WORKING.keys() == miners.BY_NAME.keys()
    assert {path.stem for path in miners.ANSWERS.iterdir()} == miners.BY_NAME.keys()


@each_miner
def test_reads_a_miner_at_work(row: Miner) -> None:
    assert read(row, miners.answer(row, "working")) == WORKING[row.driver]


@each_miner
def test_a_miner_at_work_is_ready(row: Miner) -> None:
    body = json.dumps(miners.answer(row, "working")).encode()
    look = miners.asked(row, body, driver(row).probe)
    assert look.ready
    assert f"{WORKING[row.driver].shares_accepted} accepted shares" in look.reason


@each_miner
def test_a_miner_that_has_just_started_is_not_ready(row: Miner) -> None:
    document = miners.answer(row, "started")
    found = read(row, document)
    assert found is not None
    assert found.hashrate_hps == (None if row.driver in SILENT_AT_FIRST else 0)
    assert not found.shares_accepted
    assert found.pool is None
    look = miners.asked(row, json.dumps(document).encode(), driver(row).probe)
    assert not look.ready


@each_miner
def test_hashrate_without_a_share_is_not_ready(row: Miner) -> None:
    document = _mapped(
        miners.answer(row, "working"),
        lambda key, value: 0 if "accepted" in key.lower() or "valid" in key else value,
    )
    document.pop("results", None)
    if row.driver in ("rigel", "srbminer"):
        document = _mapped(document, lambda key, value: 0 if key == "accepted" else value)
    look = miners.asked(row, json.dumps(document).encode(), driver(row).probe)
    assert not look.ready
    assert "needs 1 shares" in look.reason


@each_miner
def test_numbers_written_as_texts_are_numbers(row: Miner) -> None:
    document = _mapped(
        miners.answer(row, "working"),
        lambda _key, value: str(value) if type(value) in (int, float) else value,
    )
    assert read(row, document) == WORKING[row.driver]


@each_miner
@pytest.mark.parametrize("odd", [None, "N/A", "", [], {}, True, -1, "60.1 MH/s", "nan"])
def test_nothing_is_made_of_odd_values(row: Miner, odd: object) -> None:
    found = read(row, _mapped(miners.answer(row, "working"), lambda _key, _value: odd))
    assert found is not None
    assert (found.hashrate_hps, found.shares_accepted, found.shares_rejected) == (None, None, None)
    assert (found.shares_stale, found.uptime_s) == (None, None)
    assert all(one == gpu(None, None) for one in found.gpus)


@each_miner
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>It works</body></html>",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"3",
        b'"busy"',
        b'{"hashrate": ',
    ],
)
def test_garbage_is_no_reading(row: Miner, body: bytes) -> None:
    assert miners.asked(row, body, driver(row).read) is None
    look = miners.asked(row, body, driver(row).probe)
    assert not look.ready
    assert "cannot be understood" in look.reason


@each_miner
def test_silence_is_no_reading(row: Miner) -> None:
    hasty = driver(row, timeout_s=0.05)
    assert miners.asked(row, b"", hasty.read, silent=True) is None
    look = miners.asked(row, b"", hasty.probe, silent=True)
    assert not look.ready
    assert "does not answer: no answer within 0.05 s" in look.reason


@each_miner
def test_a_closed_port_is_no_reading(row: Miner) -> None:
    workload = replace(miners.workload(row), api_url=f"{row.scheme}://127.0.0.1:{free_port()}")

    async def scenario() -> None:
        assert await driver(row).read(workload) is None
        look = await driver(row).probe(workload)
        assert "does not answer: nothing listens there" in look.reason

    asyncio.run(scenario())


@pytest.mark.parametrize("end", [b"\0", b"\0garbage", b"\n", b""])
@pytest.mark.parametrize("stays_open", [False, True])
def test_every_end_of_a_tcp_answer_will_do(end: bytes, stays_open: bool) -> None:
    row = miners.BY_NAME["teamredminer"]
    body = json.dumps(miners.answer(row, "working")).encode() + end

    async def scenario() -> WorkloadReading | None:
        async with LineApi(body, stays_open=stays_open).serving() as port:
            workload = replace(miners.workload(row), api_url=f"tcp://127.0.0.1:{port}")
            return await driver(row).read(workload)

    assert asyncio.run(scenario()) == WORKING["teamredminer"]


def test_a_tcp_answer_without_end_is_refused() -> None:
    row = miners.BY_NAME["miniz"]
    look = miners.asked(row, bytes(b"x" * (1024 * 1024 + 1)), driver(row).probe)
    assert "longer than 1048576 bytes" in look.reason


def _mapped(document: Any, change: Callable[[str, Any], Any], key: str = "") -> Any:
    """The document with every value that holds no others changed."""
    match document:
        case dict():
            return {name: _mapped(value, change, name) for name, value in document.items()}
        case list():
            return [_mapped(value, change, key) for value in document]
    return change(key, document)
