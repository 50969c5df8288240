"""Timing policies: none sees ahead, and each does what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.core.timing import brake, hindsight, ledger
from controller.core.timing.brake import SwitchBrake
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.rules import Threshold
from controller.core.timing.terms import ECO, INFER, MINE, OFF, Moment, Prices
from controller.replay.settings import COSTS
from tests.controller.pool import PRICES, days, moments, ordered, rough, terms

POOL = terms(groups=3, tick_s=900.0)


def play(name: str, course: list[Moment]) -> ledger.Played:
    return ledger.play(course, POOL, POLICIES[name](POOL))


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_sees_ahead(name: str) -> None:
    course = days(4, rough(seed=2))
    cut = 2 * 96 + 37
    other = course[:cut] + days(4, rough(seed=3))[cut:]
    whole = ordered(play(name, course), cut)
    assert ordered(play(name, course[:cut]), cut) == whole
    assert ordered(play(name, other), cut) == whole


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_course_gives_the_same_orders(name: str) -> None:
    course = days(2, rough(seed=4))
    assert play(name, course).orders == play(name, course).orders


@pytest.mark.parametrize("name", POLICIES)
def test_before_there_is_a_price_nobody_moves(name: str) -> None:
    assert {order.option for order in play(name, days(1, rough(5))[:1]).orders} == {OFF}


@pytest.mark.parametrize("name", [DEFAULT, "greedy", "threshold", "work-function"])
@pytest.mark.parametrize(
    ("mine", "power", "demand", "best"),
    [(0.2, 0.1, 0.0, MINE), (0.02, 0.3, 0.0, OFF), (0.06, 0.1, 3.0, INFER), (0.04, 0.1, 0.0, ECO)],
)
def test_where_prices_stay_everybody_ends_at_the_best(
    name: str, mine: float, power: float, demand: float, best: int
) -> None:
    price = replace(
        PRICES, mine_usd_per_h=mine, eco_usd_per_h=mine * 0.9 if best != OFF else 0.0,
        power_usd_per_kwh=power, demand_groups=demand,
    )  # fmt: skip
    played = play(name, days(2, lambda _: price))
    last = {order.group: order.option for order in played.orders}
    assert set(last.values()) == {best}


@pytest.mark.parametrize(("name", "option"), [("always-infer", INFER), ("always-mine", MINE)])
def test_always_moves_once(name: str, option: int) -> None:
    played = play(name, days(2, rough(6)))
    assert played.switches == POOL.groups
    assert {order.option for order in played.orders if order.tick} == {option}


def test_a_threshold_ignores_less_and_looks_only_now_and_then() -> None:
    better = replace(PRICES, eco_usd_per_h=0.0512, mine_usd_per_h=0.06, demand_groups=0.0)
    course = moments([replace(PRICES, demand_groups=0.0), *[better] * 4])
    pool = terms(groups=1)
    wide = ledger.play(course, pool, Threshold(pool, ratio=0.05, interval_s=300.0))
    # Mining nets 3.00 cents an hour, eco 3.12: less than 5 % more.
    assert ordered(wide, 5) == [(0, 0, OFF), (1, 0, MINE)]
    greedy = ledger.play(course, pool, Threshold(pool, ratio=0.0, interval_s=0.0))
    assert ordered(greedy, 5) == [(0, 0, OFF), (1, 0, MINE), (2, 0, ECO)]
    slow = ledger.play(course, pool, Threshold(pool, ratio=0.0, interval_s=900.0))
    assert ordered(slow, 5) == [(0, 0, OFF), (1, 0, MINE), (4, 0, ECO)]


def test_the_work_function_moves_once_staying_has_cost_as_much_as_moving() -> None:
    idle = replace(PRICES, demand_groups=0.0, mine_usd_per_h=0.0, eco_usd_per_h=0.0)
    busy = replace(idle, demand_groups=1.0, rental_usd_per_h=0.2)
    pool = terms(groups=1, switches=COSTS["slow"].switches())
    course = moments([*[idle] * 3, *[busy] * 60])
    played = ledger.play(course, pool, POLICIES["work-function"](pool))
    moved = [order.tick for order in played.orders if order.option == INFER]
    # Serving nets 12 cents an hour more than off; the way there takes 5 cents and 3 ticks.
    assert len(moved) == 1
    assert 5 + 3 < moved[0] < 3 + 24


def test_the_default_stands_still_where_a_burst_cannot_pay_for_the_way() -> None:
    """An hour of work every sixth hour, and a model that loads slowly: it learns to stay."""

    def price(hour: int) -> Prices:
        return replace(
            PRICES, demand_groups=3.0 if hour % 6 == 0 else 0.0, rental_usd_per_h=0.12,
            mine_usd_per_h=0.05, eco_usd_per_h=0.0,
        )  # fmt: skip

    pool = terms(groups=3, tick_s=900.0, switches=COSTS["slow"].switches())
    course = days(6, price)
    learnt = 2 * 96
    played = {name: ledger.play(course, pool, POLICIES[name](pool)) for name in (DEFAULT, "greedy")}
    assert played["greedy"].switches > 20 * pool.groups
    late = [order for order in played[DEFAULT].orders if order.tick >= learnt]
    assert len(late) <= pool.groups
    assert played[DEFAULT].profit_usd.sum() > played["greedy"].profit_usd.sum() + 0.5


def test_the_default_learns_the_hours_of_the_day() -> None:
    """Work from 9 to 17 every day: after some days it loads before, and nothing is missed."""
    price = lambda hour: replace(PRICES, demand_groups=3.0 if 9 <= hour % 24 < 17 else 0.0)  # noqa: E731
    course = days(10, price)
    played = play(DEFAULT, course)
    late = range(7 * 96, 10 * 96)
    best = hindsight.best(course, POOL).profit_usd[late.start :].sum()
    assert played.profit_usd[late.start :].sum() > 0.97 * best
    loads = [o.tick % 96 for o in played.orders if o.option == INFER and o.tick in late]
    assert loads
    assert max(loads) <= 9 * 4 + 1


def test_the_default_keeps_its_budget_of_switches() -> None:
    """Two limits that take turns to be a little better: who follows every hour has 24 a day."""

    def price(hour: int) -> Prices:
        return replace(
            PRICES, demand_groups=0.0, mine_usd_per_h=0.2, eco_usd_per_h=0.183 + 0.014 * (hour % 2)
        )

    course = days(12, price)
    assert play("greedy", course).switches > 20 * 12 * POOL.groups
    late = [order for order in play(DEFAULT, course).orders if order.tick >= 6 * 96]
    assert len(late) < 5 * 6 * POOL.groups


def test_the_price_of_switches_follows_their_number() -> None:
    price = SwitchBrake(groups=2)
    ratios = []
    for begun in [4] * 100 + [0] * 250:
        price.count(begun)
        price.pass_hour()
        ratios.append(price.ratio)
    assert max(ratios) == brake.MOST_RATIO
    assert ratios[-1] == brake.LEAST_RATIO
    assert ratios.index(max(ratios)) < 120


def test_of_a_large_pool_each_group_does_as_the_nearest_position_that_is_solved() -> None:
    pool = terms(groups=200, tick_s=3600.0)
    price = rough(seed=7)
    course = days(3, lambda hour: replace(price(hour), demand_groups=90.0), tick_s=3600.0)
    played = ledger.play(course, pool, POLICIES[DEFAULT](pool))
    last = {order.group: order.option for order in played.orders}
    serving = np.array([last[group] == INFER for group in range(200)])
    assert serving[:80].all()
    assert not serving[150:].any()
