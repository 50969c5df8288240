"""The demo's recorded prices: whole, plausible, attributed, and worth switching for."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from importlib import resources
from itertools import pairwise

import pytest

from controller.core import farm
from controller.core.books import accounts
from controller.core.books.accounts import Accounts, Activity, Pool, PoolPrices, SwitchTicks
from controller.core.model import GroupKey, GroupView, Observation, Quote, QuoteState
from controller.core.options import economics
from controller.core.prices import plausibility
from controller.demo import recordings, scenario
from controller.demo.scenario import BEGIN, ECO, END, INFER, MINE, SITES, TICK_S, Site
from controller.feeds import recorded
from controller.feeds.recorded import Recording
from wire.model import OFF, GroupOffer, Kind, WorkloadOffer

Prices = dict[str, PoolPrices]

TICKS_PER_H = int(3600 / TICK_S)


@pytest.fixture(scope="module")
def series() -> dict[str, Recording]:
    return recorded.load(recordings.feed())


@pytest.fixture(scope="module")
def window(series: dict[str, Recording]) -> list[Prices]:
    """Prices of both sites at every tick."""
    ticks = int((END - BEGIN).total_seconds() / TICK_S)
    return [prices_at(series, BEGIN.timestamp() + n * TICK_S) for n in range(ticks)]


def prices_at(series: dict[str, Recording], now: float) -> Prices:
    steps = {name: recording.before(now) for name, recording in series.items()}
    quotes = {
        name: Quote(name, step[1], step[0], QuoteState.FRESH)
        for name, step in steps.items()
        if step is not None
    }
    market = economics.market(scenario.farm(), quotes)
    return {site.name: accounts.pool_prices(market, view(site)) for site in SITES}


def view(site: Site) -> GroupView:
    workloads = (
        WorkloadOffer(MINE, Kind.MINING),
        WorkloadOffer(ECO, Kind.MINING),
        WorkloadOffer(INFER, Kind.INFERENCE),
    )
    return GroupView(
        key=GroupKey("rig", "a"),
        site=site.name,
        rig_class=site.rig_class.name,
        labels={},
        offer=GroupOffer("a", ("GPU-0", "GPU-1"), workloads),
        status=None,
        online=True,
        generation=0,
        assigned=None,
        assigned_at=0.0,
    )


def best(prices: PoolPrices, position: int) -> str:
    """The option that pays most right now, switches not counted."""
    workloads = [prospect.workload for prospect in prices.prospects]
    return max(workloads, key=lambda workload: prices.net_usd_per_h(workload, position)) or OFF


def moves(window: list[Prices]) -> Counter[tuple[str, str]]:
    """How often the best option of a group changes, by kind: mine, infer, off."""
    kinds = {MINE: "mine", ECO: "mine", INFER: "infer", OFF: "off"}
    found: Counter[tuple[str, str]] = Counter()
    for before, now in pairwise(window):
        for site in SITES:
            for position in range(scenario.GROUPS_PER_SITE):
                pair = (
                    kinds[best(before[site.name], position)],
                    kinds[best(now[site.name], position)],
                )
                found[pair] += pair[0] != pair[1]
    return found


def test_every_series_is_known_over_the_whole_window(series: dict[str, Recording]) -> None:
    assert set(series) == set(scenario.quote_rules())
    for name, recording in series.items():
        rule = scenario.quote_rules()[name]
        now = BEGIN.timestamp()
        while now <= END.timestamp():
            step = recording.before(now)
            assert step is not None, name
            assert now - step[0] <= rule.stale_after_s, (name, now)
            now += TICK_S


def test_every_value_is_plausible_by_the_demo_s_own_rules(series: dict[str, Recording]) -> None:
    for name, recording in series.items():
        rule = scenario.quote_rules()[name]
        assert not list(plausibility.problems(name, rule))
        for at, value in zip(recording.at, recording.values, strict=True):
            assert not plausibility.fault(Observation(name, "recorded", value, at), rule, at)
        for before, now in pairwise(recording.values):
            assert plausibility.one_step(before, now, rule), (name, before, now)


def test_the_farm_fits_its_series() -> None:
    assert not list(farm.problems(scenario.farm(), set(scenario.quote_rules())))


def test_hours_of_day_and_week_agree() -> None:
    assert recordings.SHIFT % timedelta(weeks=1) == timedelta(0)
    assert (BEGIN - recordings.MIDNIGHT).total_seconds() == 13 * 3600


def test_the_first_hours_move_groups_in_every_direction(window: list[Prices]) -> None:
    found = moves(window[: 30 * TICKS_PER_H])
    for pair in [("mine", "infer"), ("infer", "mine"), ("mine", "off"), ("off", "mine")]:
        assert found[pair] >= 3, pair


def test_groups_move_several_times_a_day(window: list[Prices]) -> None:
    days = (END - BEGIN) / timedelta(days=1)
    groups = len(SITES) * scenario.GROUPS_PER_SITE
    assert 2 < moves(window).total() / groups / days < 8


def test_negative_power_makes_full_power_mining_best(window: list[Prices]) -> None:
    paid = [
        tick[site.name]
        for tick in window
        for site in SITES
        if tick[site.name].power_usd_per_kwh < 0
    ]
    assert len(paid) >= 2 * TICKS_PER_H
    assert {best(prices, scenario.GROUPS_PER_SITE) for prices in paid} == {MINE}


def test_switching_is_worth_it_and_hindsight_is_above_all(window: list[Prices]) -> None:
    groups = range(scenario.GROUPS_PER_SITE)
    pools = tuple(
        Pool(
            name=site.name,
            groups=tuple(GroupKey(site.name, str(position)) for position in groups),
            transition_w=site.rig_class.transition_w * scenario.GPUS_PER_GROUP,
        )
        for site in SITES
    )
    sums = Accounts(pools=pools, tick_s=TICK_S)
    for tick in window[: 72 * TICKS_PER_H]:
        choices = {
            key: Activity(workload if workload != OFF else None)
            for pool in pools
            for position, key in enumerate(pool.groups)
            for workload in [best(tick[pool.name], position)]
        }
        sums = sums.advance(tick, choices)
    swift, slow = SwitchTicks(0, 0), SwitchTicks(8, 4)
    assert sums.profit_usd == pytest.approx(sums.clairvoyant_usd(swift))
    for workload in (MINE, ECO, INFER):
        assert sums.always_usd(workload, slow) < 0.9 * sums.clairvoyant_usd(slow)
    assert sums.clairvoyant_usd(slow) < sums.clairvoyant_usd(swift)


def test_every_file_says_whose_it_is() -> None:
    folder = resources.files("controller.demo") / "prices"
    sources = (folder / "SOURCES.md").read_text(encoding="utf-8")
    files = [entry.name for entry in folder.iterdir() if entry.name.endswith(".csv")]
    assert len(files) == 4
    for name in files:
        row = next(line for line in sources.splitlines() if line.startswith(f"| `{name}`"))
        assert "github.com/" in row
        assert any(licence in row for licence in ("CC BY 4.0", "MIT", "plain facts"))


def test_the_farm_remembers_the_week_before_and_nothing_of_the_days_to_come() -> None:
    hours = list(recordings.past(6))
    for site in SITES:
        mine = [hour for hour in hours if hour.site == site.name]
        begun = [hour.begun_at for hour in mine]
        assert begun == [BEGIN.timestamp() - 3600.0 * ago for ago in range(7 * 24, 0, -1)]
        assert len({hour.power_usd_per_kwh for hour in mine}) > 100
        assert 0.0 < max(hour.demand_groups or 0.0 for hour in mine) < 30.0
