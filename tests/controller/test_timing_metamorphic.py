"""What must not change a decision, and what may change it in one direction only: Hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.timing import hindsight, ledger
from controller.core.timing.ledger import Policy, Standing
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.terms import ECO, INFER, MINE, IntArray, Moment, Prices, Terms, Watts
from controller.replay.settings import COSTS, SwitchCosts
from tests.controller.pool import days, ordered, rough, terms

DECIDING = ("work-function", "threshold", "greedy", DEFAULT)
"""Policies that look at prices at all."""
FEW = settings(deadline=None, max_examples=12)
POOL = terms(groups=3, tick_s=1800.0)
LIT = SwitchCosts(into_infer_ticks=0, out_of_infer_ticks=0)
"""Switches that cost dollars and minutes, but no whole tick, which would earn half the shift."""

seeds = st.integers(0, 4000)
cuts = st.integers(3, 90)


def course(seed: int) -> list[Moment]:
    return days(2, rough(seed), tick_s=1800.0)


class Watched:
    """A policy, and the last that it was asked and answered."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.last: tuple[IntArray, IntArray] = (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def observe(self, seen: Moment) -> None:
        self._policy.observe(seen)

    def order(self, standing: Standing) -> IntArray:
        orders = self._policy.order(standing)
        free = standing.left_ticks == 0
        self.last = (np.where(free, standing.options, -1), orders)
        return orders


def last(name: str, moments: list[Moment], pool: Terms) -> tuple[IntArray, IntArray]:
    """Free groups' options (others: -1) as the last tick began, and the orders for it."""
    watched = Watched(POLICIES[name](pool))
    ledger.play(moments, pool, watched)
    return watched.last


@pytest.mark.parametrize("name", POLICIES)
@FEW
@given(seeds, cuts)
def test_what_comes_later_changes_no_earlier_order(name: str, seed: int, cut: int) -> None:
    whole = course(seed)
    short = ledger.play(whole[:cut], POOL, POLICIES[name](POOL))
    long = ledger.play(whole, POOL, POLICIES[name](POOL))
    assert ordered(short, cut) == ordered(long, cut)


@pytest.mark.parametrize("name", DECIDING)
@FEW
@given(seeds, st.sampled_from([0.25, 8.0]))
def test_another_currency_changes_no_order(name: str, seed: int, rate: float) -> None:
    """All prices and all costs times a power of two, so that nothing is rounded anew."""

    def dearer(prices: Prices) -> Prices:
        return replace(
            prices,
            power_usd_per_kwh=prices.power_usd_per_kwh * rate,
            mine_usd_per_h=prices.mine_usd_per_h * rate,
            eco_usd_per_h=prices.eco_usd_per_h * rate,
            rental_usd_per_h=prices.rental_usd_per_h * rate,
        )

    moments = course(seed)
    foreign = [replace(moment, prices=dearer(moment.prices)) for moment in moments]
    tolls = {pair: replace(toll, usd=toll.usd * rate) for pair, toll in POOL.switches.items()}
    pool = replace(POOL, switches=tolls)
    here = ledger.play(moments, POOL, POLICIES[name](POOL))
    there = ledger.play(foreign, pool, POLICIES[name](pool))
    assert there.orders == here.orders
    assert there.profit_usd.sum() == pytest.approx(here.profit_usd.sum() * rate)


@pytest.mark.parametrize("name", ["greedy", "work-function", DEFAULT])
@FEW
@given(seeds, st.integers(1, 40).map(lambda n: n * 10.0))
def test_shifting_every_option_by_a_constant_changes_no_order(
    name: str, seed: int, more_w: float
) -> None:
    """Watts that every option draws take the same from each; nothing is gained by moving."""
    pool = replace(POOL, switches=LIT.switches())
    watts = POOL.watts
    hungry = replace(
        pool,
        watts=Watts(
            mine=watts.mine + more_w,
            eco=watts.eco + more_w,
            infer_busy=watts.infer_busy + more_w,
            infer_idle=watts.infer_idle + more_w,
            off=watts.off + more_w,
        ),
    )
    moments = course(seed)
    plain = ledger.play(moments, pool, POLICIES[name](pool))
    shifted = ledger.play(moments, hungry, POLICIES[name](hungry))
    assert shifted.orders == plain.orders


def test_a_margin_that_is_a_share_of_the_net_does_not_survive_a_shift() -> None:
    """Why `threshold` is missing above: its margin grows with what everybody nets alike."""
    pool = replace(POOL, switches=LIT.switches())
    thirsty = replace(
        pool, watts=Watts(mine=5300.0, eco=5200.0, infer_busy=5400.0, infer_idle=5100.0, off=5050.0)
    )
    moments = course(1)
    plain = ledger.play(moments, pool, POLICIES["threshold"](pool))
    shifted = ledger.play(moments, thirsty, POLICIES["threshold"](thirsty))
    assert shifted.orders != plain.orders


@pytest.mark.parametrize("name", DECIDING)
@FEW
@given(seeds, cuts, st.integers(1, 50).map(lambda n: n / 50))
def test_more_money_for_the_incumbent_never_makes_it_leave(
    name: str, seed: int, cut: int, more_usd: float
) -> None:
    moments = course(seed)[: cut + 1]
    options, orders = last(name, moments, POOL)
    raised: dict[int, Callable[[Prices], Prices]] = {
        MINE: lambda p: replace(p, mine_usd_per_h=p.mine_usd_per_h + more_usd),
        ECO: lambda p: replace(p, eco_usd_per_h=p.eco_usd_per_h + more_usd),
        INFER: lambda p: replace(p, rental_usd_per_h=p.rental_usd_per_h + more_usd),
    }
    for option, dearer in raised.items():
        stays = (options == option) & (orders == option)
        seen = replace(moments[-2], prices=dearer(moments[-2].prices))
        _, instead = last(name, [*moments[:-2], seen, moments[-1]], POOL)
        assert (instead[stays] == option).all()


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(0, 2), st.integers(0, 2))
def test_slower_and_dearer_switches_never_help_perfect_foresight(
    seed: int, into: int, more: int
) -> None:
    moments = course(seed)
    quick = SwitchCosts(into_infer_ticks=into)
    slow = SwitchCosts(into_infer_ticks=into + more, infer_usd=0.01 * (1 + more))
    found = [
        hindsight.best(moments, replace(POOL, switches=costs.switches())).profit_usd.sum()
        for costs in (quick, slow)
    ]
    assert found[1] <= found[0] + 1e-9


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(0, 95), st.sampled_from(sorted(COSTS)))
def test_a_better_price_never_lowers_what_foresight_earns(seed: int, at: int, cost: str) -> None:
    moments = course(seed)
    pool = replace(POOL, switches=COSTS[cost].switches())
    better = replace(moments[at].prices, rental_usd_per_h=2 * moments[at].prices.rental_usd_per_h)
    richer = [*moments[:at], replace(moments[at], prices=better), *moments[at + 1 :]]
    before, after = (hindsight.best(each, pool).profit_usd.sum() for each in (moments, richer))
    assert after >= before - 1e-9
