"""The bound of sites whose pools are in each other's way, and what is played there."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.timing import bound, hindsight, linear, site
from controller.core.timing.duty import Contract
from controller.core.timing.ledger import Played, Policy
from controller.core.timing.linear import Programme, SolverError
from controller.core.timing.policies import POLICIES
from controller.core.timing.site import Pool, Site
from controller.core.timing.terms import ECO, INFER, MINE, OFF, Moment, Prices, Terms
from controller.replay.settings import COSTS, SwitchCosts
from tests.controller.pool import PRICES, Told, days, moments, rough, terms

QUICK = SwitchCosts(into_infer_ticks=1, out_of_infer_ticks=0)
POOL = terms(groups=2, tick_s=900.0, switches=QUICK.switches())
CENTS = 1e-9

cents = st.integers(0, 30).map(lambda n: n / 100)
prices = st.builds(
    Prices,
    power_usd_per_kwh=cents,
    mine_usd_per_h=cents,
    eco_usd_per_h=cents,
    rental_usd_per_h=cents.map(lambda usd: usd + 0.4),
    demand_groups=st.integers(0, 6).map(lambda n: n / 2),
)


def contract(
    groups: int, first: int, end: int, price: float = 0.4, penalty: float = 1.0
) -> Contract:
    return Contract(
        groups=groups, first_tick=first, end_tick=end, price_usd_per_h=price,
        penalty_usd_per_h=penalty,
    )  # fmt: skip


def summed(found: list[hindsight.Best] | list[Played]) -> float:
    return float(sum(each.profit_usd.sum() for each in found))


def told(place: Site, *orders: tuple[tuple[int, ...], ...]) -> float | None:
    """What these orders, by pool and tick, bring; none: they were not carried out as told."""
    waiting = [Told(*each) for each in orders]
    left: list[Policy] = list(waiting)

    def make(pool: Terms) -> Policy:
        return left.pop(0)

    played = site.play(place, make)
    broken = any(done.violations for done in played)
    for done, ordered in zip(played, orders, strict=True):
        last = {change.tick: change for change in done.changes}
        current = np.full(len(ordered[0]), OFF)
        for tick, wanted in enumerate(ordered):
            if tick in last:
                current[last[tick].groups] = last[tick].options
            broken = broken or not np.array_equal(current, wanted)
    return None if broken else summed(played)


@settings(deadline=None, max_examples=25)
@given(st.lists(prices, min_size=1, max_size=16), st.sampled_from(sorted(COSTS)))
def test_where_nobody_is_in_the_way_it_is_what_dynamic_programming_finds(
    steps: list[Prices], cost: str
) -> None:
    pool = Pool(terms=terms(groups=3, switches=COSTS[cost].switches()), moments=moments(steps))
    best = hindsight.best(pool.moments, pool.terms).profit_usd.sum()
    (found,) = bound.bound(Site(pools=(pool,)))
    assert found.profit_usd.sum() == pytest.approx(best, abs=1e-6)


@settings(deadline=None, max_examples=6)
@given(st.lists(prices, min_size=3, max_size=3), st.sampled_from([250.0, 420.0, 620.0]))
def test_under_a_cap_no_sequence_of_orders_beats_it(steps: list[Prices], cap_w: float) -> None:
    """Two pools of one group, every order in every tick."""
    one = replace(POOL, groups=1)
    pools = (Pool(terms=one, moments=moments(steps)), Pool(terms=one, moments=moments(steps[::-1])))
    place = Site(pools=pools, cap_w=cap_w)
    most = summed(bound.bound(place))
    courses = [
        tuple((o,) for o in each) for each in itertools.product((MINE, INFER, OFF), repeat=3)
    ]
    found = [told(place, *pair) for pair in itertools.product(courses, repeat=2)]
    kept = [usd for usd in found if usd is not None]
    assert kept
    assert max(kept) <= most + CENTS


@settings(deadline=None, max_examples=6)
@given(st.lists(prices, min_size=3, max_size=3), st.integers(1, 2))
def test_with_a_contract_no_sequence_of_orders_beats_it(steps: list[Prices], owed: int) -> None:
    pool = Pool(terms=POOL, moments=moments(steps), contracts=(contract(owed, 1, 3),))
    place = Site(pools=(pool,))
    most = summed(bound.bound(place))
    each = list(itertools.product((MINE, INFER, OFF), repeat=2))
    found = [told(place, course) for course in itertools.product(each, repeat=3)]
    kept = [usd for usd in found if usd is not None]
    assert kept
    assert max(kept) <= most + CENTS


def test_with_whole_groups_the_bound_is_reached_where_the_best_is_plain() -> None:
    """Room for one of two to serve: it does so from the first tick on, and is busy all the time."""
    steps = [replace(PRICES, mine_usd_per_h=0.0, eco_usd_per_h=0.0, demand_groups=2.0)] * 12
    place = Site(pools=(Pool(terms=POOL, moments=moments(steps)),), cap_w=450.0)
    (found,) = bound.bound(place)
    orders = told(place, ((INFER, OFF),) * 12)
    assert orders is not None
    assert found.profit_usd.sum() == pytest.approx(orders)
    assert found.switches == 1


def test_a_long_course_is_bounded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(terms=terms(groups=3, tick_s=900.0), moments=days(2, rough(seed=11)))
    whole = summed(bound.bound(Site(pools=(pool,))))
    monkeypatch.setattr(bound, "TICKS_PER_PART", 60)
    (parts,) = bound.bound(Site(pools=(pool,)))
    assert len(parts.profit_usd) == len(pool.moments)
    assert whole - CENTS <= parts.profit_usd.sum() <= whole + 3 * 3 * 0.1


def test_what_has_no_optimum_is_an_error() -> None:
    endless = Programme()
    columns = endless.columns(np.array([1.0]))
    endless.put(endless.rows(np.array([0.0]), np.array([np.inf])), columns, 1.0)
    with pytest.raises(SolverError, match="HiGHS ended with "):
        endless.solve()
    assert linear.OPTIONS["output_flag"] is False


COURSE: list[Moment] = days(5, rough(seed=5))
NEXT_DOOR: list[Moment] = days(5, rough(seed=6))


def crowded(cap_w: float) -> Site:
    """Two pools of four groups, three of which owe inference on the second and third day."""
    pool = terms(groups=4, tick_s=900.0)
    promised = Pool(terms=pool, moments=COURSE, contracts=(contract(3, 96, 288),))
    return Site(pools=(promised, Pool(terms=pool, moments=NEXT_DOOR)), cap_w=cap_w)


@cache
def most_usd(cap_w: float) -> float:
    return summed(bound.bound(crowded(cap_w)))


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("cap_w", [1800.0, 2400.0, 9000.0])
def test_every_policy_keeps_contract_and_cap_and_stays_below_the_bound(
    name: str, cap_w: float
) -> None:
    place = crowded(cap_w)
    played = site.play(place, POLICIES[name])
    assert [done.violations for done in played] == [0, 0]
    assert (played[0].running[96:288, INFER] >= 3).all()
    pairs = zip(place.pools, played, strict=True)
    drawn = sum(site.drawn_w(pool, done.running) for pool, done in pairs)
    assert np.max(drawn) <= cap_w * (1 + 1e-9)
    assert summed(played) <= most_usd(cap_w) + CENTS


def test_a_tighter_cap_never_raises_the_bound() -> None:
    assert most_usd(1800.0) < most_usd(2400.0) < most_usd(9000.0)


@pytest.mark.parametrize("name", POLICIES)
def test_a_limit_that_cannot_bind_changes_no_decision(name: str) -> None:
    pool = Pool(terms=terms(groups=3, tick_s=900.0), moments=COURSE[:200])
    alone = site.play(Site(pools=(pool,)), POLICIES[name])[0]
    # A contract of nothing sends it through the same way as one of something.
    nothing = replace(pool, contracts=(contract(0, 0, 200),))
    guarded = site.play(Site(pools=(nothing,)), POLICIES[name])[0]
    assert guarded.orders == alone.orders
    assert guarded.profit_usd.sum() == pytest.approx(alone.profit_usd.sum())


def test_no_group_is_left_on_the_way_when_a_contract_begins() -> None:
    """It is owed from tick 40 on: who must load for it begins in time, not at once."""
    idle = [replace(PRICES, demand_groups=0.0)] * 80
    pool = Pool(terms=terms(groups=2), moments=moments(idle), contracts=(contract(2, 40, 60),))
    (played,) = site.play(Site(pools=(pool,)), POLICIES["always-mine"])
    assert played.violations == 0
    loading = [order.tick for order in played.orders if order.option == INFER]
    assert min(loading) >= 40 - 4
    assert {o.option for o in played.orders if o.tick >= 60} == {MINE}


def test_a_contract_that_nobody_can_keep_costs_its_penalty_in_every_tick() -> None:
    """It is owed from the first tick on, while the model still loads for two."""
    idle = [replace(PRICES, demand_groups=0.0)] * 6
    pool = Pool(terms=terms(groups=2), moments=moments(idle), contracts=(contract(1, 0, 6),))
    (played,) = site.play(Site(pools=(pool,)), POLICIES["always-mine"])
    assert played.violations == 2
    free = replace(pool, contracts=(contract(1, 0, 6, penalty=0.0),))
    (unpunished,) = site.play(Site(pools=(free,)), POLICIES["always-mine"])
    missed_usd = unpunished.profit_usd.sum() - played.profit_usd.sum()
    assert missed_usd == pytest.approx(2 * 1.0 * 300 / 3600)


def test_contracts_pay_their_price_and_are_filled_before_the_market() -> None:
    """One of two serves a customer for $0.8, the other one the market's demand for half of one."""
    steps = [replace(PRICES, demand_groups=0.5)] * 12
    pool = Pool(terms=terms(groups=2), moments=moments(steps), contracts=(contract(1, 3, 12, 0.8),))
    (played,) = site.play(Site(pools=(pool,)), POLICIES["always-infer"])
    busy_usd, idle_usd = 0.8 - 0.4 * 0.1, (0.5 * 0.8 - 0.4 * 0.1 - 0.1 * 0.1) / 2
    assert played.profit_usd[-1] == pytest.approx((busy_usd + idle_usd) / 12)


def test_watts_go_to_whoever_earns_most_by_them() -> None:
    """Watts for one server or one miner: it mines until there is work, and then serves."""
    idle = replace(PRICES, demand_groups=0.0, eco_usd_per_h=0.0)
    busy = replace(idle, demand_groups=1.0, mine_usd_per_h=0.0)
    miner = replace(PRICES, demand_groups=0.0, eco_usd_per_h=0.0)
    one = replace(terms(groups=1), switches=QUICK.switches())
    pools = (
        Pool(terms=one, moments=moments([*[idle] * 10, *[busy] * 20])),
        Pool(terms=one, moments=moments([miner] * 30)),
    )
    played = site.play(Site(pools=pools, cap_w=460.0), POLICIES["greedy"])
    assert played[1].running[9, MINE] == 1 or played[0].running[9, MINE] == 1
    assert played[0].running[-1, INFER] == 1
    assert played[1].running[-1, OFF] == 1


def test_a_miner_without_watts_for_all_mines_at_the_lower_limit_if_that_pays() -> None:
    pool = Pool(terms=terms(groups=1), moments=moments([PRICES] * 5))
    (played,) = site.play(Site(pools=(pool,), cap_w=250.0), POLICIES["always-mine"])
    assert played.running[-1, ECO] == 1
    poor = moments([replace(PRICES, eco_usd_per_h=0.0)] * 5)
    (played,) = site.play(
        Site(pools=(replace(pool, moments=poor),), cap_w=250.0), POLICIES["always-mine"]
    )
    assert played.running[-1, OFF] == 1
