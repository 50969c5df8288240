"""Backward induction against perfect foresight, where the future is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.timing import clairvoyant, induction
from controller.core.timing.clairvoyant import Course, Switch
from controller.core.timing.induction import Outlook, Road
from controller.core.timing.terms import INFER, OFF, OPTIONS, FloatArray, IntArray

HOURS = 3
TICKS_PER_H = 4

TICKS = np.array([[0, 0, 2, 0], [0, 0, 2, 0], [1, 1, 0, 1], [0, 0, 2, 0]])

usd = st.integers(-20, 20).map(lambda n: n / 100)
moves = st.integers(0, 15).map(lambda n: n / 100)


def grid(values: list[list[float]]) -> FloatArray:
    return np.array(values)


def rent(usd: Sequence[float]) -> FloatArray:
    """What work adds, by hour and option."""
    added = np.zeros((len(usd), 4))
    added[:, INFER] = usd
    return added


ends = st.lists(moves, min_size=4, max_size=4)
"""A share of a switch's cost by its origin, or by its target: no way round is cheaper."""
outlooks = st.builds(
    Outlook,
    idle_usd=st.lists(st.lists(usd, min_size=4, max_size=4), min_size=HOURS, max_size=HOURS).map(
        grid
    ),
    serving=st.just((INFER,)),
    rent_usd=st.lists(moves, min_size=HOURS, max_size=HOURS).map(rent),
    # To be under way is never better than to stand, or both would go round in circles.
    moving_usd=st.lists(moves, min_size=HOURS, max_size=HOURS).map(lambda usd: np.array(usd) + 0.2),
    busy_now=st.just(np.array([0.5])),
    busy=st.just(np.array([[0.0, 1.0]])),
    coming=st.sampled_from([np.array([1.0, 0.0]), np.array([0.0, 1.0])]),
    rows=st.sampled_from([np.eye(2)[None], np.eye(2)[None, ::-1]]),
    moves_usd=st.tuples(ends, ends).map(
        lambda both: (np.array(both[0])[:, None] + np.array(both[1])) * (1 - np.eye(4))
    ),
)


def road(ticks: IntArray = TICKS) -> Road:
    return Road(ticks, TICKS_PER_H)


def course(outlook: Outlook, left: int) -> Course:
    """The one future that the outlook holds possible."""
    point = int(outlook.coming.argmax())
    busy = [outlook.busy_now[0], outlook.busy[0, point]]
    busy.append(outlook.busy[0, int(outlook.rows[0][point].argmax())])
    hours = [0] * left + [1] * TICKS_PER_H + [2] * TICKS_PER_H
    net = outlook.idle_usd.copy()
    net[:, INFER] += outlook.rent_usd[:, INFER] * busy
    return Course(
        net_usd={name: [float(net[h, o]) for h in hours] for o, name in enumerate(OPTIONS)},
        revenue_usd_per_h={},
        transition_usd=[float(outlook.moving_usd[h]) for h in hours],
    )


@given(outlooks, st.integers(0, TICKS_PER_H - 1), st.integers(0, 3))
def test_a_certain_future_is_worth_what_perfect_foresight_makes_of_it(
    outlook: Outlook, left: int, start: int
) -> None:
    switches = {
        (OPTIONS[a], OPTIONS[b]): Switch(int(TICKS[a, b]), float(outlook.moves_usd[a, b]))
        for a in range(4)
        for b in range(4)
        if a != b
    }
    best = clairvoyant.best(course(outlook, left), switches, start=OPTIONS[start])
    solution = induction.solve(road(), outlook, left)
    assert solution.orders.shape == (left + 1, 1, 4)
    assert solution.worth_usd[0, start] == pytest.approx(best.profit_usd)


@given(outlooks, st.integers(0, 3), st.integers(1, 20))
def test_a_better_price_for_the_incumbent_never_makes_it_leave(
    outlook: Outlook, option: int, cents: int
) -> None:
    before = induction.solve(road(), outlook, 3).orders[0, 0, option]
    richer = outlook.idle_usd.copy()
    richer[:, option] += cents / 100
    after = induction.solve(road(), replace(outlook, idle_usd=richer), 3).orders[0, 0, option]
    assert before != option or after == option


@given(outlooks, st.integers(-20, 20))
def test_shifting_every_option_by_a_constant_keeps_the_orders(outlook: Outlook, cents: int) -> None:
    shift = cents / 100
    shifted = replace(
        outlook,
        idle_usd=outlook.idle_usd + shift,
        moving_usd=outlook.moving_usd - shift,
        moves_usd=outlook.moves_usd + 1e-6 * (1 - np.eye(4)),
    )
    steady = replace(outlook, moves_usd=outlook.moves_usd + 1e-6 * (1 - np.eye(4)))
    worth = [induction.solve(road(), each, 3).worth_usd for each in (steady, shifted)]
    assert np.allclose(worth[0] + shift * (3 + 2 * TICKS_PER_H), worth[1])


@given(outlooks, st.integers(0, TICKS_PER_H - 1))
def test_what_an_order_promises_is_what_its_target_is_worth_less_what_staying_is(
    outlook: Outlook, left: int
) -> None:
    solution = induction.solve(road(), outlook, left)
    assert np.allclose(np.diagonal(solution.gains_usd, axis1=1, axis2=2), 0.0)
    best = solution.gains_usd.max(axis=2)
    assert (best >= 0.0).all()
    moves = solution.orders[0] != np.arange(4)
    assert (best[moves] > 0.0).all()
    assert np.allclose(best[~moves], 0.0)


def test_two_ways_to_serve_have_each_their_own_rent() -> None:
    outlook = Outlook(
        idle_usd=np.array([[-0.1, -0.2, 0.0]] * 3),
        serving=(0, 1),
        rent_usd=np.array([[0.3, 0.6, 9.0]] * 3),
        moving_usd=np.zeros(3),
        busy_now=np.array([1.0, 0.3]),
        busy=np.array([[1.0], [0.3]]),
        coming=np.ones(1),
        rows=np.ones((1, 1, 1)),
        moves_usd=0.01 * (1 - np.eye(3)),
    )
    free = road(np.zeros((3, 3), dtype=np.int64))
    orders = induction.solve(free, outlook, 1).orders[0]
    assert orders[0].tolist() == [1, 1, 1]
    assert orders[1].tolist() == [2, 2, 2]


def test_it_waits_for_news_that_comes_in_a_tick() -> None:
    """Even odds of a full and an empty hour: nobody moves before it is known which."""
    outlook = Outlook(
        idle_usd=np.array([[-1.0, -1.0, -0.5, 0.0]] * 2),
        serving=(INFER,),
        rent_usd=rent([1.0, 1.0]),
        moving_usd=np.zeros(2),
        busy_now=np.array([0.0]),
        busy=np.array([[0.0, 1.0]]),
        coming=np.array([0.5, 0.5]),
        rows=np.zeros((0, 2, 2)),
        moves_usd=0.1 * (1 - np.eye(4)),
    )
    free = road(np.zeros((4, 4), dtype=np.int64))
    sure = replace(outlook, coming=np.array([0.0, 1.0]))
    assert induction.solve(free, outlook, 1).orders[:, 0, OFF].tolist() == [OFF, OFF]
    assert induction.solve(free, sure, 1).orders[:, 0, OFF].tolist() == [OFF, INFER]


def test_hours_far_ahead_count_too() -> None:
    """A switch that four hours of income do not pay, but ten do."""
    outlook = Outlook(
        idle_usd=np.array([[0.0, -9.0, -9.0, -0.1]] * 11),
        serving=(INFER,),
        rent_usd=np.zeros((11, 4)),
        moving_usd=np.zeros(11),
        busy_now=np.zeros(1),
        busy=np.zeros((1, 2)),
        coming=np.array([1.0, 0.0]),
        rows=np.repeat(np.eye(2)[None], 9, axis=0),
        moves_usd=3.0 * (1 - np.eye(4)),
    )
    near = replace(
        outlook, idle_usd=outlook.idle_usd[:5], rent_usd=np.zeros((5, 4)), rows=outlook.rows[:3]
    )
    assert induction.solve(road(), outlook, 0).orders[0, 0, OFF] == 0
    assert induction.solve(road(), near, 0).orders[0, 0, OFF] == OFF
