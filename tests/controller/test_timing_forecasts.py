"""Forecasts of demand and power: sound distributions that learn what there is to learn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.timing.demand import DemandForecast, Learning
from controller.core.timing.hours import Hourly, hour_distance
from controller.core.timing.power import PowerForecast
from controller.core.timing.terms import FloatArray
from tests.controller.pool import PRICES, days, moments

GROUPS = 10


def told(demand: Iterable[float]) -> DemandForecast:
    """A forecast that has seen these hours."""
    forecast = DemandForecast(GROUPS, Learning())
    prices = [replace(PRICES, demand_groups=each) for each in demand]
    for moment in moments(prices, tick_s=3600.0):
        forecast.observe(moment)
    return forecast


def mean(forecast: DemandForecast) -> float:
    coming, _ = forecast.coming(2)
    return float(coming @ forecast.demand_groups)


def power(price: Callable[[int], float], hours: int, *, announcements: bool = False) -> FloatArray:
    forecast = PowerForecast(announcements=announcements)
    seen = [replace(PRICES, power_usd_per_kwh=price(hour)) for hour in range(hours)]
    for moment in moments(seen, tick_s=3600.0):
        forecast.observe(moment)
    return forecast.coming(24)


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=60))
def test_whatever_was_seen_the_chances_add_up(demand: list[float]) -> None:
    forecast = told(demand)
    for chances in forecast.coming(24):
        assert np.isfinite(chances).all()
        assert (chances >= 0).all()
        assert np.allclose(chances.sum(axis=-1), 1.0)


def test_the_chain_leads_to_what_each_hour_is_foretold_to_be() -> None:
    """What lasted is expected to last, though habit alone would forget it after an hour."""
    chance = np.random.default_rng(3)
    slow = np.exp(np.convolve(chance.normal(0.0, 0.4, 700), np.ones(12) / 2, "valid"))
    forecast = told(slow[: int(slow[100:].argmax()) + 101])
    chances, rows = forecast.coming(6)
    means = [float(chances @ forecast.demand_groups)]
    for row in rows:
        chances = chances @ row
        means.append(float(chances @ forecast.demand_groups))
    assert np.allclose(chances.sum(), 1.0)
    assert means[3] > 2 * np.median(slow)


def test_demand_that_does_not_move_is_expected_to_stay() -> None:
    assert mean(told([4.0] * 24 * 14)) == pytest.approx(4.0, rel=0.1)


def test_the_hours_of_the_day_are_learnt() -> None:
    daily = [8.0 if 9 <= hour % 24 < 17 else 0.1 for hour in range(24 * 14)]
    before, within = told(daily[: -24 + 9]), told(daily[: -24 + 13])
    after = told(daily[: -24 + 20])
    assert mean(before) > 3.0
    assert mean(within) > 6.0
    assert mean(after) < 1.0


def test_what_just_happened_matters_more_the_longer_it_lasted() -> None:
    past = [1.0, 1.2, 0.8, 1.1] * 60
    assert mean(told([*past, 1.0, 8.0])) < mean(told([*past, 8.0, 8.0]))


def test_within_an_hour_the_newest_value_counts_and_afterwards_its_mean() -> None:
    hourly = Hourly()
    fresh = [
        hourly.add(moment, value)
        for moment, value in zip(
            moments([PRICES] * 5, 1200.0), (1.0, 2.0, 6.0, 5.0, 4.0), strict=True
        )
    ]
    assert fresh == [True, False, False, True, False]
    assert hourly.values.tolist() == [3.0, 4.0]
    assert hourly.hours.tolist() == [0, 1]


def test_hours_are_near_across_midnight() -> None:
    assert hour_distance(np.array([0, 1, 12, 23]), 23).tolist() == [1, 2, 11, 0]


def test_power_that_does_not_move_is_expected_to_stay() -> None:
    assert np.allclose(power(lambda _: 0.1, 50), 0.1)
    assert np.allclose(power(lambda _: 0.0, 50), 0.0)


def test_power_by_hour_of_day_is_learnt() -> None:
    daily = power(lambda hour: 0.3 if hour % 24 == 18 else 0.1, 24 * 14)
    assert daily[19] == pytest.approx(0.3, abs=0.03)
    assert daily[12] == pytest.approx(0.1, abs=0.03)


def test_a_deviation_that_lasts_is_carried_and_a_spike_is_not() -> None:
    chance = np.random.default_rng(1)
    slow = np.convolve(chance.normal(0.0, 0.01, 600), np.ones(24), "valid") + 0.2
    high = int(slow.argmax()) + 1
    expected = power(lambda hour: float(slow[hour]), high)
    assert expected[1] == pytest.approx(slow[high - 1], rel=0.1)
    wild = chance.normal(0.1, 0.005, 200)
    spike = power(lambda hour: 5.0 if hour == 199 else float(wild[hour]), 200)
    assert spike[0] == 5.0
    assert spike[1] < 0.8


def test_announced_prices_count_only_where_they_are_wanted() -> None:
    course = [
        replace(moment, announced=((moment.at_s, 0.1), (moment.at_s + 2 * 3600, 0.5)))
        for moment in days(1, lambda _: PRICES, tick_s=3600.0)
    ]
    expected = {}
    for wanted in (False, True):
        forecast = PowerForecast(announcements=wanted)
        for moment in course[:3]:
            forecast.observe(moment)
        expected[wanted] = forecast.coming(3)
    assert np.allclose(expected[False], 0.1)
    assert expected[True][2] == pytest.approx(0.5, abs=0.15)
    assert expected[True][3] == pytest.approx(0.1)
