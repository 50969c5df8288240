"""Less power for a while: what a grid order and a price ask of a site, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import curtailment
from controller.core.curtailment import LEAD_S, GridOrder, Limit
from controller.core.farm import FarmSettings, StrikeSettings
from controller.core.model import Quote, QuoteState
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, planned, quotes, view

DEAR = StrikeSettings(above_usd_per_kwh=0.30, below_usd_per_kwh=0.20, cap_w=500.0)
SCARCE = StrikeSettings(above_usd_per_kwh=1.00, below_usd_per_kwh=0.90)
NIGHT = 1_000_000.0 - 1_000_000.0 % 86_400


def farm(*strikes: StrikeSettings, cap_w: float | None = None, zone: str = "UTC") -> FarmSettings:
    site = replace(FARM.sites[0], strikes=strikes, power_cap_w=cap_w, time_zone=zone)
    return replace(FARM, sites=(site,))


def order(cap_w: float = 300.0) -> GridOrder:
    return GridOrder(
        order_id="g1",
        site="oslo",
        cap_w=cap_w,
        starts_at=NOW,
        ends_at=NOW + 3600,
        owner="statnett",
        reason="reserve",
    )


def at(usd_per_kwh: float | None) -> dict[str, Quote]:
    return quotes({**PRICES, "power": usd_per_kwh})


def test_a_strike_begins_above_its_price_and_ends_below_a_lower_one() -> None:
    site = farm(DEAR)
    in_force: curtailment.Struck = frozenset()
    course = [(0.30, 0), (0.31, 1), (0.25, 1), (0.201, 1), (0.20, 0), (0.30, 0)]
    for price, count in course:
        in_force = curtailment.struck(site, at(price), in_force, NOW)
        assert len(in_force) == count, price


def test_an_unknown_price_begins_nothing_and_ends_nothing() -> None:
    site = farm(DEAR)
    assert not curtailment.struck(site, at(None), frozenset(), NOW)
    before = frozenset({("oslo", 0)})
    assert curtailment.struck(site, at(None), before, NOW) == before
    assert curtailment.struck(site, {}, before, NOW) == before


def test_the_sites_adder_counts() -> None:
    site = replace(FARM.sites[0], strikes=(DEAR,), power_adder_usd_per_kwh=0.15)
    assert curtailment.struck(replace(FARM, sites=(site,)), at(0.16), frozenset(), NOW)


def test_two_strikes_the_lower_cap_counts() -> None:
    site = farm(DEAR, SCARCE)
    in_force = curtailment.struck(site, at(1.5), frozenset(), NOW)
    assert curtailment.limits(site, [], in_force, NOW) == (
        Limit("oslo", 0.0, "power costs more than $1/kWh, until it costs at most $0.9/kWh"),
    )
    (limit,) = curtailment.limits(site, [order(cap_w=-0.0)], in_force, NOW)
    assert limit.why == "a grid order of statnett until 1970-01-12 14:46 UTC: reserve"


@pytest.mark.parametrize(
    ("hours", "zone", "clock_h", "counts"),
    [
        ("16:00-21:00", "UTC", 15.99, False),
        ("16:00-21:00", "UTC", 16.0, True),
        ("16:00-21:00", "UTC", 21.0, False),
        ("22:00-06:00", "UTC", 23.5, True),
        ("22:00-06:00", "UTC", 5.9, True),
        ("22:00-06:00", "UTC", 6.0, False),
        ("16:00-21:00", "America/Chicago", 22.5, True),
        ("16:00-21:00", "America/Chicago", 16.5, False),
        ("", "UTC", 3.0, True),
    ],
)
def test_a_strike_counts_within_the_hours_of_its_site(
    hours: str, zone: str, clock_h: float, counts: bool
) -> None:
    site = farm(replace(DEAR, hours=hours), zone=zone)
    now = NIGHT + clock_h * 3600
    assert bool(curtailment.struck(site, at(0.5), frozenset(), now)) == counts


def test_an_order_is_planned_for_before_it_begins_and_always_ends() -> None:
    assert not order().stands(NOW - LEAD_S - 1)
    assert order().stands(NOW - LEAD_S)
    assert order().stands(NOW + 3599)
    assert not order().stands(NOW + 3600)


def test_groups_stop_for_an_order_and_the_least_worth_per_watt_first() -> None:
    views = [view(n, "llama" if n < 2 else "etc") for n in range(6)]
    prices = {**PRICES, "etc": 0.06, "xmr": 0.0, "demand": 2.0}
    assert not any(d.moves for d in planned(views, prices, policy=POLICY).decisions)
    limits = curtailment.limits(FARM, [order(cap_w=400.0)], frozenset(), NOW)
    plan = planned(views, prices, policy=POLICY, farm=curtailment.curtailed(FARM, limits))
    assert [d.chosen for d in plan.decisions] == ["llama", "llama", None, None, None, None]
    assert plan.power_w["oslo"] <= 400.0


caps = st.sampled_from([None, 100.0, 1000.0])


@given(caps, st.lists(st.sampled_from([0.0, 50.0, 500.0, 5000.0]), max_size=4))
def test_a_limit_only_ever_lowers_the_cap(own: float | None, ordered: list[float]) -> None:
    site = farm(cap_w=own)
    orders = [order(cap_w=cap) for cap in ordered]
    limits = curtailment.limits(site, orders, frozenset(), NOW)
    found = curtailment.curtailed(site, limits).sites[0].power_cap_w
    wanted = [cap for cap in [own, *ordered] if cap is not None]
    assert found == (min(wanted) if wanted else None)


@pytest.mark.parametrize(
    ("strike", "text"),
    [
        (replace(DEAR, below_usd_per_kwh=0.4), "`below_usd_per_kwh` must be at most"),
        (replace(DEAR, above_usd_per_kwh=float("nan")), "both finite"),
        (replace(DEAR, cap_w=-1.0), "`cap_w` must be 0 or more"),
        (replace(DEAR, hours="16-21"), "'16-21' is no span of hours; write it as 16:00-21:00"),
        (replace(DEAR, hours="16:00-25:00"), "is no span of hours"),
    ],
)
def test_what_cannot_be_meant_is_named(strike: StrikeSettings, text: str) -> None:
    (problem,) = curtailment.problems(farm(strike).sites[0])
    assert text in problem
    assert problem.startswith("site oslo: strike 1: ")


def test_a_quote_in_any_other_state_than_fresh_still_counts_by_its_value() -> None:
    held = {"power": Quote("power", 0.5, NOW, QuoteState.HELD, "spike")}
    assert curtailment.struck(farm(DEAR), held, frozenset(), NOW)
