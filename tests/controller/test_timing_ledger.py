"""The accounts of a replay, against sums done by hand, and against perfect foresight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.timing import clairvoyant, hindsight, ledger
from controller.core.timing.clairvoyant import Course
from controller.core.timing.policies import POLICIES
from controller.core.timing.terms import ECO, INFER, MINE, OFF, OPTIONS, Prices, net_usd_per_h
from controller.replay.settings import COSTS, SwitchCosts
from tests.controller.pool import PRICES, Told, days, free_switches, moments, ordered, rough, terms

TICK_H = 300 / 3600
OFF_USD = -0.05 * 0.1 * TICK_H
"""One group off for one tick: 50 W at $0.1."""
MINE_USD = (0.06 - 0.3 * 0.1) * TICK_H
MOVING_USD = -0.2 * 0.1 * TICK_H
"""Half of 400 W."""
BUSY_USD = (0.5 * 0.8 - 0.4 * 0.1) * TICK_H
IDLE_USD = -0.1 * 0.1 * TICK_H
HALF_USD = (BUSY_USD + IDLE_USD) / 2


def profits(*orders: tuple[int, int], prices: Prices = PRICES) -> list[float]:
    """Dollars by tick, in cents of cents, of two groups that do as they are told."""
    course = moments([prices] * len(orders))
    played = ledger.play(course, terms(), Told(*orders))
    return [round(usd, 9) for usd in played.profit_usd.tolist()]


def test_groups_begin_off_and_are_paid_by_the_tick() -> None:
    assert profits((OFF, OFF)) == [round(2 * OFF_USD, 9)]
    started = -0.001 - 0.06 * 1.5 / 60 + MINE_USD
    assert profits((MINE, OFF), (MINE, OFF)) == [
        round(started + OFF_USD, 9),
        round(MINE_USD + OFF_USD, 9),
    ]


def test_between_limits_and_to_a_stop_there_are_only_cents() -> None:
    tuned = -0.0002 - 0.05 * 0.25 / 60 + (0.05 - 0.2 * 0.1) * TICK_H
    assert profits((MINE, OFF), (ECO, OFF))[1] == round(tuned + OFF_USD, 9)
    assert profits((MINE, OFF), (OFF, OFF))[1] == round(2 * OFF_USD - 0.0005, 9)


def test_a_group_on_its_way_to_serve_earns_nothing_and_the_next_takes_its_work() -> None:
    both, one = (INFER, INFER), (OFF, INFER)
    assert profits(one, both, both, both, both) == [
        round(OFF_USD + MOVING_USD - 0.01, 9),
        round(2 * MOVING_USD - 0.01, 9),
        # The second group serves first, so it is filled first.
        round(MOVING_USD + BUSY_USD, 9),
        round(BUSY_USD + HALF_USD, 9),
        round(BUSY_USD + HALF_USD, 9),
    ]


def test_leaving_inference_costs_a_tick_and_a_minute() -> None:
    serve, leave = (INFER, OFF), (MINE, OFF)
    assert profits(serve, serve, serve, leave, leave, leave)[3:] == [
        round(MOVING_USD - 0.01 + OFF_USD, 9),
        round(MINE_USD - 0.06 / 60 + OFF_USD, 9),
        round(MINE_USD + OFF_USD, 9),
    ]


def test_lost_minutes_of_a_negative_revenue_cost_nothing() -> None:
    poor = replace(PRICES, mine_usd_per_h=-0.06)
    assert profits((MINE, OFF), prices=poor) == [
        round(-0.001 + (-0.06 - 0.03) * TICK_H + OFF_USD, 9)
    ]


def test_an_order_during_a_switch_counts_when_it_ends() -> None:
    told = Told((INFER, OFF), (MINE, OFF), (MINE, OFF), (MINE, OFF), (MINE, OFF))
    played = ledger.play(moments([PRICES] * 5), terms(), told)
    assert [standing.options[0] for standing in told.standings] == [OFF, INFER, INFER, MINE, MINE]
    assert [standing.left_ticks[0] for standing in told.standings] == [0, 1, 0, 0, 0]
    assert played.switches == 2
    assert ordered(played, 5) == [(0, 0, INFER), (0, 1, OFF), (1, 0, MINE)]


def test_who_moves_on_at_the_very_end_of_a_switch_has_arrived_all_the_same() -> None:
    told = Told((INFER, OFF), (INFER, OFF), (INFER, OFF), (MINE, OFF), (ECO, OFF), (ECO, OFF))
    played = ledger.play(moments([PRICES] * 6), terms(), told)
    assert played.switches == 3
    assert round(float(played.profit_usd[4]), 9) == round(
        -0.06 / 60 - 0.0002 - 0.05 * 0.25 / 60 + (0.05 - 0.2 * 0.1) * TICK_H + OFF_USD, 9
    )


def test_a_policy_is_shown_a_tick_only_after_it_ordered_for_it() -> None:
    told = Told((OFF, OFF))
    course = moments([PRICES] * 4)
    ledger.play(course, terms(), told)
    assert told.seen == course[:3]
    assert len(told.standings) == 4


def test_an_order_that_names_no_option_is_a_violation_and_moves_nobody() -> None:
    played = ledger.play(moments([PRICES] * 2), terms(), Told((4, -1)))
    assert played.violations == 4
    assert played.switches == 0


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("name", POLICIES)
def test_nobody_beats_perfect_foresight(name: str, cost: str) -> None:
    pool = terms(groups=4, tick_s=900.0, switches=COSTS[cost].switches())
    course = days(4, rough(seed=1))
    played = ledger.play(course, pool, POLICIES[name](pool))
    assert played.profit_usd.sum() <= hindsight.best(course, pool).profit_usd.sum() + 1e-9
    assert played.violations == 0


cents = st.integers(0, 40).map(lambda n: n / 100)
ticks = st.builds(
    Prices,
    power_usd_per_kwh=cents,
    mine_usd_per_h=cents,
    eco_usd_per_h=cents,
    rental_usd_per_h=cents.map(lambda usd: usd + 0.5),
    demand_groups=st.integers(0, 5).map(lambda n: n / 2),
)
orders = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(st.lists(st.tuples(ticks, orders), min_size=1, max_size=12), st.integers(0, 2))
def test_no_sequence_of_orders_beats_perfect_foresight(
    steps: list[tuple[Prices, tuple[int, int]]], dark: int
) -> None:
    costs = SwitchCosts(into_infer_ticks=dark, out_of_infer_ticks=dark)
    pool = terms(switches=costs.switches())
    course = moments([prices for prices, _ in steps])
    best = hindsight.best(course, pool).profit_usd
    played = ledger.play(course, pool, Told(*(order for _, order in steps)))
    assert played.profit_usd.sum() <= best.sum() + 1e-9


@given(st.lists(ticks, min_size=1, max_size=12), st.sampled_from(sorted(COSTS)))
def test_it_is_the_clairvoyant_of_each_position(steps: list[Prices], cost: str) -> None:
    """The same as the plain dynamic programme that judges the live accounts."""
    pool = terms(switches=COSTS[cost].switches())
    best = hindsight.best(moments(steps), pool)
    found = [clairvoyant.best(position(steps, k), pool.switches, start="off") for k in range(2)]
    assert best.profit_usd.sum() == pytest.approx(sum(each.profit_usd for each in found))


def position(steps: list[Prices], index: int) -> Course:
    """What one order position could have earned."""
    busy = [np.clip(np.array([each.demand_groups - index]), 0.0, 1.0) for each in steps]
    net = [net_usd_per_h(terms(), p, b)[0] * TICK_H for p, b in zip(steps, busy, strict=True)]
    return Course(
        net_usd={name: [float(row[o]) for row in net] for o, name in enumerate(OPTIONS)},
        revenue_usd_per_h={
            "mine": [each.mine_usd_per_h for each in steps],
            "eco": [each.eco_usd_per_h for each in steps],
        },
        transition_usd=[0.2 * each.power_usd_per_kwh * TICK_H for each in steps],
    )


@given(st.lists(ticks, min_size=1, max_size=8))
def test_where_switches_are_free_the_best_tick_by_tick_is_the_best(steps: list[Prices]) -> None:
    pool = terms(groups=1, switches=free_switches())
    best = hindsight.best(moments(steps), pool).profit_usd
    each = [
        max(ledger.play(moments([p]), pool, Told((o,))).profit_usd.sum() for o in range(4))
        for p in steps
    ]
    assert np.allclose(best, each)
