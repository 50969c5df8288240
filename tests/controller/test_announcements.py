"""Announced prices: what of them is believed, hour by hour, and what the live fleet makes of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from controller.core.prices.announcements import HOUR_S, Coming, believed, hourly
from controller.core.prices.plausibility import Cautious, QuoteRules
from controller.core.timing import ledger
from controller.core.timing.ledger import Standing
from controller.core.timing.policies import POLICIES
from controller.core.timing.terms import OFF, Moment, Prices
from tests.controller.live import SITE, Live
from tests.controller.pool import PRICES, days, rough, terms

RULES = QuoteRules(
    unit="usd_per_kwh", stale_after_s=7200.0, min=-0.5, max=2.0, cautious=Cautious.HIGH,
    rises_persist_s=0.0, step_max=0.3,
)  # fmt: skip
CURVE: Coming = [(3600.0, 0.1), (7200.0, 0.3), (10_800.0, 0.02)]

TEN = terms(groups=10)


def test_a_plausible_curve_is_believed_whole() -> None:
    assert believed([CURVE], RULES, 0.1) == list(CURVE)
    assert believed([], RULES, 0.1) == []


@pytest.mark.parametrize("spike", [2.1, -0.6, 1.0, math.nan, math.inf])
def test_from_a_spike_on_nothing_counts_as_announced(spike: float) -> None:
    wild = [CURVE[0], (7200.0, spike), CURVE[2]]
    assert believed([wild], RULES, 0.1) == [CURVE[0]]


def test_the_first_value_is_held_against_the_trusted_one() -> None:
    assert believed([CURVE], RULES, 0.9) == []
    assert believed([CURVE], RULES, None) == list(CURVE)


def test_a_quorum_of_sources_must_announce_much_the_same() -> None:
    both = replace(RULES, quorum=2, step_max=0.25)
    assert believed([CURVE], both, 0.1) == []
    other = [(0.0, 0.12), (7200.0, 0.31), (10_800.0, 0.9)]
    assert believed([CURVE, other], both, 0.1) == list(CURVE[:2])


def test_hours_are_means_of_what_is_known_of_all_of_them() -> None:
    quarters = [(900.0 * n, 0.1 * (n % 4)) for n in range(2, 13)]
    known = dict(hourly(quarters, first_at=0.0))
    assert set(known) == {HOUR_S, 2 * HOUR_S}
    assert known[HOUR_S] == pytest.approx(0.15)
    assert hourly([], first_at=0.0) == ()


def test_before_the_first_change_nothing_is_told_anew() -> None:
    known = dict(hourly([(4 * HOUR_S, 0.3), (6 * HOUR_S, 0.1)], first_at=0.0))
    assert known == {4 * HOUR_S: 0.3, 5 * HOUR_S: 0.3, 6 * HOUR_S: 0.1, 7 * HOUR_S: 0.1}


def course(seed: int, count: int = 2) -> list[Moment]:
    """Rough days; at 13:00 the hours of the next day are announced, as they will be."""
    price = rough(seed)
    plain = days(
        count,
        lambda hour: replace(price(hour), demand_groups=3.0 * price(hour).demand_groups),
        tick_s=TEN.tick_s,
    )
    return [replace(moment, announced=_news(moment, price)) for moment in plain]


def _news(moment: Moment, price: object) -> tuple[tuple[float, float], ...]:
    assert callable(price)
    first = 0 if moment.at_s == 0.0 else 24 * (int(moment.at_s // 86_400.0) + 1)
    if moment.at_s and moment.local_s != 13 * HOUR_S:
        return ()
    return tuple(
        (hour * HOUR_S, price(hour).power_usd_per_kwh) for hour in range(first, first + 24)
    )


def test_with_announced_prices_the_live_decision_earns_what_the_replayed_policy_does() -> None:
    moments = course(11)
    replayed = ledger.play(moments, TEN, POLICIES["look-ahead-announced"](TEN))
    live = Live(TEN)
    played = ledger.play(moments, TEN, live)
    assert played.profit_usd.sum() == pytest.approx(replayed.profit_usd.sum(), rel=0.003)
    assert played.switches == pytest.approx(replayed.switches, rel=0.1)


def test_the_live_fleet_expects_what_was_announced() -> None:
    moments, live = course(12), Live(TEN)
    for moment in moments[: 12 * 3]:
        live.observe(moment)
    expected = live.foresight.sites[SITE].told.power_usd_per_kwh[1:10]
    announced = [moments[12 * hour].prices.power_usd_per_kwh for hour in range(3, 12)]
    assert list(expected) == pytest.approx(announced, rel=1e-6)


def night(hour: int) -> Prices:
    """Power that makes mining lose money until four in the morning."""
    return replace(PRICES, power_usd_per_kwh=0.5 if hour < 4 else 0.02, rental_usd_per_h=0.0)


def test_who_waits_for_an_announced_price_says_so() -> None:
    told = tuple((hour * HOUR_S, night(hour).power_usd_per_kwh) for hour in range(24))
    first, *rest = days(1, night, tick_s=TEN.tick_s)
    live = Live(TEN)
    live.observe(replace(first, announced=told))
    for moment in rest[:20]:
        live.observe(moment)
    live.order(Standing(*np.full((2, TEN.groups), [[OFF], [0]])))
    assert live.plan is not None
    waits = live.plan.decisions[0]
    assert waits.chosen is None
    said = "; power falls from $0.500 to $0.020/kWh in 2.2 h, as announced"
    assert waits.reason.endswith(said)
