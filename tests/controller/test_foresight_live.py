"""The live decision, tick by tick: it earns as much as the replayed policy, restarts or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.policy.settings import Timing
from controller.core.timing import hindsight, ledger
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.terms import INFER, Moment, Prices
from controller.store.memory import MemoryStore
from tests.controller.live import SITE, Live
from tests.controller.pool import PRICES, days, rough, terms

TEN = terms(groups=10)
"""The model of the windows: ten equal groups, ticks of five minutes, base costs."""

OFFICE = range(9, 17)
"""Hours with work."""


def course(seed: int) -> list[Moment]:
    price = rough(seed)
    return days(
        2,
        lambda hour: replace(price(hour), demand_groups=3.0 * price(hour).demand_groups),
        tick_s=TEN.tick_s,
    )


def office(count: int) -> list[Moment]:
    def price(hour: int) -> Prices:
        return replace(PRICES, demand_groups=3.0 if hour % 24 in OFFICE else 0.0)

    return days(count, price, tick_s=900.0)


def test_the_live_decision_earns_what_the_replayed_policy_does() -> None:
    moments = course(11)
    replayed = ledger.play(moments, TEN, POLICIES[DEFAULT](TEN))
    live = ledger.play(moments, TEN, Live(TEN))
    earned, wanted = live.profit_usd.sum(), replayed.profit_usd.sum()
    assert earned == pytest.approx(wanted, rel=0.003)
    assert live.switches == pytest.approx(replayed.switches, rel=0.1)
    assert earned > 0.9 * hindsight.best(moments, TEN).profit_usd.sum()


def test_it_earns_more_than_payback_where_bursts_end_soon() -> None:
    pool, price = terms(groups=5, tick_s=900.0), rough(13)
    moments = days(6, lambda hour: replace(price(hour), demand_groups=price(hour).demand_groups))
    ahead = ledger.play(moments, pool, Live(pool))
    payback = ledger.play(moments, pool, Live(pool, timing=Timing.PAYBACK))
    assert ahead.profit_usd.sum() > payback.profit_usd.sum()
    assert ahead.switches < payback.switches


def test_what_was_learnt_survives_a_restart() -> None:
    """After a week a fresh controller over the same store knows when work begins."""
    pool = terms(groups=3, tick_s=900.0)
    store, week = MemoryStore(), office(7)
    old = Live(pool, store)
    for moment in week:
        old.observe(moment)
    fresh, stranger = Live(pool, store), Live(pool)
    night = [replace(moment, at_s=moment.at_s + 7 * 86_400.0) for moment in week[:4]]
    for policy in (old, fresh, stranger):
        for moment in night:
            policy.observe(moment)
    by_day = {name: _expected(one) for name, one in (("old", old), ("fresh", fresh))}
    assert by_day["fresh"] == pytest.approx(by_day["old"], rel=0.1)
    assert by_day["fresh"] > 1.5
    assert _expected(stranger) < 0.5 * by_day["fresh"]


def _expected(policy: Live) -> float:
    """Demand that is expected at noon, seen at one in the morning."""
    told = policy.foresight.sites[SITE].told
    chances = told.coming
    for rows in told.rows[:10]:
        chances = chances @ rows
    return float(chances @ told.points)


def test_groups_load_before_the_work_that_is_expected() -> None:
    pool = terms(groups=3, tick_s=900.0)
    moments = office(9)
    played = ledger.play(moments, pool, Live(pool))
    late = [o.tick % 96 / 4 for o in played.orders if o.option == INFER and o.tick > 7 * 96]
    assert late
    assert max(late) <= OFFICE.start
