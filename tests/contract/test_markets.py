"""What every marketplace's driver promises, over every row of the table."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.drivers.market import MarketDriver
from agent.drivers.markets.row import Row
from agent.drivers.markets.table import MARKETS
from agent.ports import Drainable, Driver, DriverError, Lockable
from tests.parts import markets
from tests.parts.markets import SimMarket, tried

GRACE_S = 30.0
"""Long enough that no test here depends on it."""


@pytest.fixture(params=MARKETS, ids=lambda row: row.driver)
def row(request: pytest.FixtureRequest) -> Row:
    found: Row = request.param
    return found


def test_can_be_drained_and_locked(row: Row, tmp_path: Path) -> None:
    driver: object = markets.driver(row, tmp_path)
    assert isinstance(driver, Drainable)
    assert isinstance(driver, Lockable)


def test_offers_withdraws_and_says_so(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.prepare(workload)
        assert not await driver.alive(workload)
        await driver.start(workload)
        await driver.start(workload)
        assert market.situation == "offered"
        assert await driver.alive(workload)
        assert (await driver.probe(workload)).ready
        await driver.stop(workload, GRACE_S)
        assert market.situation == "withdrawn"
        assert not await driver.alive(workload)
        await driver.stop(workload, GRACE_S)

    tried(row, tmp_path, attempt)


def test_a_tenant_is_a_lock_and_is_never_driven_out(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.start(workload)
        assert await driver.lock(workload) == ""
        market.rented = True
        reason = await driver.lock(workload)
        assert reason is not None
        assert "rented" in reason
        with pytest.raises(DriverError, match="not known to be free"):
            await driver.stop(workload, 0.2)
        assert await driver.alive(workload), "whoever is in stays in"
        leaving = asyncio.create_task(driver.stop(workload, GRACE_S))
        await asyncio.sleep(5 * markets.LOOK_S)
        assert not leaving.done()
        market.rented = False
        await leaving
        assert not await driver.alive(workload)

    tried(row, tmp_path, attempt)


def test_a_tenant_who_comes_with_the_withdrawal_stays(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.start(workload)
        draining = asyncio.create_task(driver.drain(workload))
        while market.offered:  # noqa: ASYNC110 - the marketplace sends no events
            await asyncio.sleep(markets.LOOK_S)
        market.rented = True
        draining.cancel()
        await asyncio.wait([draining])
        assert await driver.lock(workload)
        await driver.undrain(workload)
        assert market.offered

    tried(row, tmp_path, attempt)


def test_silence_frees_nothing(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.start(workload)
        market.silent = True
        assert await driver.lock(workload) is None
        assert not (await driver.probe(workload)).ready
        with pytest.raises(DriverError, match="not known to be free"):
            await driver.stop(workload, 0.2)
        assert await driver.alive(workload)
        watch = asyncio.create_task(driver.exited(workload))
        await asyncio.sleep(5 * markets.LOOK_S)
        assert not watch.done()
        watch.cancel()

    tried(row, tmp_path, attempt)


@pytest.mark.parametrize("broken", [b"<html>", b"[]", b"{}", b'{"machines": []}', b'{"code": 5}'])
def test_nonsense_frees_nothing(row: Row, broken: bytes, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        market.broken = broken
        assert await driver.lock(workload) is None
        assert await driver.read(workload) is None or market.row.driver == "akash"

    tried(row, tmp_path, attempt)


def test_the_next_agent_knows_what_was_offered(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.start(workload)
        market.silent = True
        second: Driver = markets.driver(row, tmp_path)
        assert await second.alive(workload), "without asking anybody"
        market.silent = False
        watch = asyncio.create_task(second.exited(workload))
        await second.stop(workload, GRACE_S)
        assert "not offered" in await watch

    tried(row, tmp_path, attempt)


def test_figures_are_those_of_the_newest_look(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        await driver.start(workload)
        assert await driver.read(workload) is None, "nobody has looked yet"
        market.rented = True
        await driver.lock(workload)
        count = len(market.asked)
        reading = await driver.read(workload)
        assert reading is not None
        assert reading.gpus_rented is not None
        assert reading.gpus_rented >= 1
        assert len(market.asked) == count, "a marketplace is not asked for figures alone"

    tried(row, tmp_path, attempt)


def test_says_what_it_cannot_prepare(row: Row, tmp_path: Path) -> None:
    async def attempt(market: SimMarket, driver: MarketDriver, workload: Workload) -> None:
        with pytest.raises(DriverError, match=r"market\.machine"):
            await driver.prepare(replace(workload, market=None))
        assert workload.market is not None
        plain = replace(workload.market, url="http://market.example")
        with pytest.raises(DriverError, match="keeps secrets secret"):
            await driver.prepare(replace(workload, market=plain))
        market.silent = True
        with pytest.raises(DriverError, match="status 503"):
            await driver.prepare(workload)

    tried(row, tmp_path, attempt)
