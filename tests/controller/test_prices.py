"""Polls feeds side by side; one that fails is named, and changes nothing."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from controller.core.model import Observation, QuoteState
from controller.core.prices.plausibility import QuoteRules
from controller.ports import FeedError
from controller.prices import Prices
from tests.agent.groups import working
from tests.sim.clock import run

RULES = {
    series: QuoteRules(unit="usd", stale_after_s=60.0, min=0.0, max=10.0, rises_persist_s=0.0)
    for series in ("etc", "rent")
}
INTERVAL_S = 10.0


class Said:
    """A feed that says what the test tells it to."""

    def __init__(self, name: str, series: str, value: float) -> None:
        self.name = name
        self.series = series
        self.value = value
        self.fault = ""
        self.takes_s = 0.0
        self.asked = 0
        self.closed = 0

    async def observe(self) -> list[Observation]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        if self.fault:
            raise FeedError(self.fault)
        now = asyncio.get_running_loop().time()
        return [Observation(self.series, self.name, self.value, now)]

    async def close(self) -> None:
        self.closed += 1


def made(*feeds: Said) -> Prices:
    clock = asyncio.get_running_loop().time
    return Prices(list(feeds), RULES, clock=clock, interval_s=INTERVAL_S)


def value(prices: Prices, series: str) -> float | None:
    return prices.quotes()[series].value


def test_one_look_asks_every_feed_once() -> None:
    async def scenario() -> None:
        feeds = Said("pool", "etc", 0.03), Said("market", "rent", 1.5)
        prices = made(*feeds)
        assert prices.quotes()["etc"].state is QuoteState.MISSING
        await prices.look()
        assert (value(prices, "etc"), value(prices, "rent")) == (0.03, 1.5)
        assert [feed.asked for feed in feeds] == [1, 1]

    run(scenario())


def test_feeds_are_polled_and_a_slow_one_holds_up_no_other() -> None:
    async def scenario() -> None:
        slow, quick = Said("pool", "etc", 0.03), Said("market", "rent", 1.5)
        slow.takes_s = 45.0
        prices = made(slow, quick)
        async with working(asyncio.create_task(prices.run())):
            await asyncio.sleep(100.0)
            assert slow.asked == 2
            assert quick.asked == 10
            quick.value = 1.0
            await asyncio.sleep(INTERVAL_S)
            assert value(prices, "rent") == 1.0

    run(scenario())


def test_a_feed_that_fails_is_named_and_its_last_word_stands_until_it_is_stale() -> None:
    async def scenario() -> None:
        feed = Said("pool", "etc", 0.03)
        prices = made(feed)
        async with working(asyncio.create_task(prices.run())):
            await asyncio.sleep(1.0)
            feed.fault = "the pool answered 503"
            await asyncio.sleep(40.0)
            assert prices.faults == {"pool": "the pool answered 503"}
            assert value(prices, "etc") == 0.03
            await asyncio.sleep(40.0)
            assert prices.quotes()["etc"].state is QuoteState.STALE
            assert value(prices, "etc") is None
            feed.fault = ""
            await asyncio.sleep(INTERVAL_S)
            assert prices.faults == {}
            assert value(prices, "etc") == 0.03

    run(scenario())


def test_what_cannot_be_a_price_is_not_one() -> None:
    async def scenario() -> None:
        feed = Said("pool", "etc", 0.03)
        prices = made(feed)
        await prices.look()
        feed.value = 1e9
        await prices.look()
        assert value(prices, "etc") == 0.03

    run(scenario())


class Market(Said):
    """A feed that also announces."""

    coming: ClassVar = {"etc": [(100.0, 0.05), (200.0, 99.0), (300.0, 0.02)]}

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        return self.coming


def test_what_is_announced_is_told_as_far_as_it_is_plausible() -> None:
    async def scenario() -> None:
        prices = made(Said("pool", "etc", 0.03), Market("market", "etc", 0.04))
        assert prices.announced("etc") == [(100.0, 0.05)]
        assert prices.announced("rent") == []

    run(scenario())


def test_feeds_are_let_go_of() -> None:
    async def scenario() -> None:
        feeds = Said("pool", "etc", 0.03), Said("market", "rent", 1.5)
        await made(*feeds).close()
        assert [feed.closed for feed in feeds] == [1, 1]

    run(scenario())
