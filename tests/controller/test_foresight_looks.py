"""What looks at prices once a tick: when it looks, what it leaves alone, and what it remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from controller.core.model import GroupView
from controller.core.options import economics
from controller.core.options.economics import Market
from controller.core.planning.planner import Situation, plan
from controller.core.timing import brake
from controller.foresight import FIRST_LOOK_S, Foresight, Pace
from controller.ports import StoreError
from controller.records import SeenHour
from controller.store.memory import MemoryStore
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view
from tests.sim.clock import run

TICK_S = 300.0
HOUR_S = 3600.0


class Refusing(MemoryStore):
    """Refuses hours while it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses = False

    def put_hours(self, hours: Sequence[SeenHour]) -> None:
        if self.refuses:
            raise StoreError("no room left")
        super().put_hours(hours)


class Site:
    """A site, its clock and its prices; what looks at it is real."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.now = NOW - NOW % HOUR_S
        self.prices: Mapping[str, float | None] = PRICES
        self.views: list[GroupView] = [view(0), view(1)]
        self.looks = 0
        self.store = store or MemoryStore()
        self.foresight = Foresight(
            self.store, FARM.sites, Pace(self._clock, TICK_S), market=self._market,
            views=lambda: self.views,
        )  # fmt: skip

    def pass_ticks(self, count: int) -> None:
        async def scenario() -> None:
            for _ in range(count):
                self.now += TICK_S
                await self.foresight.look()

        asyncio.run(scenario())

    def _clock(self) -> float:
        return self.now

    def _market(self) -> Market:
        self.looks += 1
        return economics.market(FARM, quotes(self.prices))


def test_each_hour_is_stored_once_when_it_has_passed() -> None:
    site = Site()
    site.pass_ticks(6)
    site.prices = {**PRICES, "power": 0.30, "demand": 1.2}
    site.pass_ticks(6)
    assert site.store.hours() == []
    site.pass_ticks(1)
    begun_at = NOW - NOW % HOUR_S
    (hour,) = site.store.hours()
    assert (hour.site, hour.begun_at) == ("oslo", begun_at)
    assert hour.power_usd_per_kwh == pytest.approx(0.20)
    assert hour.demand_groups == pytest.approx(2.2)
    site.pass_ticks(24)
    assert [one.begun_at - begun_at for one in site.store.hours()] == [0.0, HOUR_S, 2 * HOUR_S]


@pytest.mark.parametrize("missing", ["power", "demand"])
def test_without_a_trusted_price_nothing_is_learnt_and_nothing_foreseen(missing: str) -> None:
    site = Site()
    site.pass_ticks(1)
    assert set(site.foresight.sites) == {"oslo"}
    site.prices = {**PRICES, missing: None}
    site.pass_ticks(24)
    assert not site.foresight.sites
    site.prices = PRICES
    site.pass_ticks(12)
    assert set(site.foresight.sites) == {"oslo"}
    (early,) = site.store.hours()[:1]
    assert early.demand_groups == PRICES["demand"]


def test_what_the_store_refuses_is_stored_later() -> None:
    store = Refusing()
    site = Site(store)
    store.refuses = True
    site.pass_ticks(25)
    assert store.hours() == []
    assert set(site.foresight.sites) == {"oslo"}
    store.refuses = False
    site.pass_ticks(1)
    assert len(store.hours()) == 2


def test_switches_are_counted_and_their_price_survives_a_restart() -> None:
    site = Site()
    for tick in range(36 * 12):
        site.views = [view(number, ("etc", "xmr")[tick // 4 % 2]) for number in range(2)]
        site.pass_ticks(1)
    hours = site.store.hours()
    assert sum(hour.switches for hour in hours[-24:]) == pytest.approx(24 * 3 * 2, abs=4)
    assert hours[-1].brake_ratio > 2 * brake.FIRST_RATIO
    again = Site(site.store)
    again.now = site.now
    again.pass_ticks(1)
    told = again.foresight.sites["oslo"].told
    assert told.brake_ratio == pytest.approx(hours[-1].brake_ratio, rel=0.2)


def test_a_site_that_grows_keeps_what_it_learnt() -> None:
    site = Site()
    for hour in range(5 * 24):
        site.prices = {**PRICES, "demand": 6.0 if hour % 24 in range(8, 16) else 0.1}
        site.pass_ticks(12)
    small = site.foresight.sites["oslo"]
    site.views = [view(number) for number in range(10)]
    site.pass_ticks(1)
    large = site.foresight.sites["oslo"]
    assert (small.groups, large.groups) == (2, 10)
    assert large.told.points.max() > 4 * small.told.points.max()
    chances = large.told.coming
    peaks = []
    for rows in large.told.rows:
        chances = chances @ rows
        peaks.append(float(chances @ large.told.points))
    assert max(peaks) > 3.0 * min(peaks)


def test_a_clock_that_was_set_back_leaves_no_future_behind() -> None:
    site = Site()
    site.pass_ticks(3 * 12)
    ahead_s = 30 * 24 * HOUR_S
    site.now += ahead_s
    site.prices = {**PRICES, "power": 9.0}
    site.pass_ticks(13)
    site.now -= ahead_s
    site.prices = PRICES
    site.pass_ticks(1)
    assert site.foresight.sites["oslo"].told.power_usd_per_kwh.max() < 1.0


def test_the_first_price_need_not_wait_for_a_tick_and_later_looks_keep_to_it() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        site = Site()
        begin = site.now
        site.foresight = Foresight(
            site.store, FARM.sites, Pace(lambda: begin + loop.time() - began, TICK_S),
            market=site._market, views=lambda: site.views,
        )  # fmt: skip
        site.prices = {**PRICES, "power": None}
        task = asyncio.create_task(site.foresight.run())
        await asyncio.sleep(2.5 * FIRST_LOOK_S)
        assert (site.looks, site.foresight.sites) == (3, {})
        site.prices = PRICES
        await asyncio.sleep(FIRST_LOOK_S)
        assert set(site.foresight.sites) == {"oslo"}
        seen = site.looks
        await asyncio.sleep(3 * TICK_S)
        assert site.looks == seen + 3
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())


def test_what_was_asked_is_known_again_before_the_next_tick_counts() -> None:
    site = Site()
    site.pass_ticks(1)
    policy = replace(POLICY, timing_tick_s=TICK_S)
    situation = Situation(
        views=site.views, quotes=quotes(), holds=(), policy=policy, farm=FARM, now=NOW,
        foresight=site.foresight.sites,
    )  # fmt: skip
    plan(situation)
    asked = site.foresight.sites["oslo"].asked
    assert len(asked) == 1
    site.pass_ticks(1)
    fresh = site.foresight.sites["oslo"]
    assert not fresh.asked
    assert set(fresh._known) == set(asked)
    site.pass_ticks(1)
    assert not site.foresight.sites["oslo"]._known
