"""The clairvoyant against brute force over every sequence of orders."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.timing import clairvoyant
from controller.core.timing.clairvoyant import Course, Switch, Switches

OPTIONS = ("mine", "eco", "infer", "off")
TICKS = 5

cents = st.integers(-50, 50).map(lambda n: n / 100)
series = st.lists(cents, min_size=TICKS, max_size=TICKS)
courses = st.builds(
    Course,
    net_usd=st.fixed_dictionaries(dict.fromkeys(OPTIONS, series)),
    revenue_usd_per_h=st.fixed_dictionaries({"mine": series, "eco": series}),
    transition_usd=series,
)
switch = st.builds(
    Switch,
    ticks=st.integers(0, 3),
    usd=st.sampled_from([0.0, 0.01, 0.2]),
    revenue_min=st.sampled_from([0.0, 1.5, 30.0]),
)
costs = st.fixed_dictionaries(dict.fromkeys(itertools.permutations(OPTIONS, 2), switch))


def profits(course: Course, switches: Switches, option: str, tick: int = 0) -> list[float]:
    """Profit of every way to go on from `tick`, by trying each."""
    if tick >= course.ticks:
        return [0.0]
    ways = [
        course.net_usd[option][tick] + rest for rest in profits(course, switches, option, tick + 1)
    ]
    for (origin, target), cost in switches.items():
        if origin != option:
            continue
        first = tick + cost.ticks
        begun = -cost.usd - sum(course.transition_usd[tick:first])
        if first >= course.ticks:
            ways.append(begun)
            continue
        revenue = course.revenue_usd_per_h.get(target, [0.0] * TICKS)[first]
        begun -= max(0.0, revenue) * cost.revenue_min / 60
        if cost.ticks:
            # Who has just arrived may move on at once.
            ways += [begun + rest for rest in profits(course, switches, target, first)]
        else:
            begun += course.net_usd[target][first]
            ways += [begun + rest for rest in profits(course, switches, target, first + 1)]
    return ways


@given(courses, costs, st.sampled_from(OPTIONS))
def test_it_equals_the_best_of_all_sequences(
    course: Course, switches: Switches, start: str
) -> None:
    best = clairvoyant.best(course, switches, start=start)
    assert best.profit_usd == pytest.approx(max(profits(course, switches, start)))
    assert len(best.options) == TICKS


@given(courses, costs)
def test_without_switches_it_stays(course: Course, switches: Switches) -> None:
    best = clairvoyant.best(course, {}, start="mine")
    assert best.profit_usd == pytest.approx(sum(course.net_usd["mine"]))
    assert best.options == ("mine",) * TICKS
    assert best.switches == 0
    assert clairvoyant.best(course, switches, start="mine").profit_usd >= best.profit_usd - 1e-9


@given(courses, costs, st.sampled_from(OPTIONS), st.integers(0, TICKS - 1))
def test_a_better_price_is_never_worth_less(
    course: Course, switches: Switches, option: str, tick: int
) -> None:
    richer = list(course.net_usd[option])
    richer[tick] += 0.1
    better = replace(course, net_usd={**course.net_usd, option: richer})
    before = clairvoyant.best(course, switches, start="off").profit_usd
    after = clairvoyant.best(better, switches, start="off").profit_usd
    assert before - 1e-9 <= after <= before + 0.1 + 1e-9


def flat(**nets: list[float]) -> Course:
    """A course without transition costs and revenue."""
    ticks = len(next(iter(nets.values())))
    return Course(net_usd=nets, revenue_usd_per_h={}, transition_usd=[0.0] * ticks)


def test_the_path_names_the_target_while_a_switch_is_under_way() -> None:
    course = flat(off=[0.0] * 6, infer=[0.0, 0.0, 0.0, 5.0, 5.0, 0.0])
    best = clairvoyant.best(course, {("off", "infer"): Switch(ticks=2, usd=1.0)}, start="off")
    assert best.profit_usd == 9.0
    assert best.switches == 1
    assert best.options.index("infer") <= 1
    assert best.options[1:] == ("infer",) * 5


def test_a_switch_that_cannot_pay_is_not_made() -> None:
    course = flat(off=[0.0, 0.0], infer=[3.0, 3.0])
    best = clairvoyant.best(course, {("off", "infer"): Switch(ticks=1, usd=3.0)}, start="off")
    assert (best.profit_usd, best.switches) == (0.0, 0)


def test_a_window_without_ticks_earns_nothing() -> None:
    best = clairvoyant.best(flat(off=[]), {}, start="off")
    assert (best.profit_usd, best.options) == (0.0, ())


def test_wrong_names_and_lengths_are_refused() -> None:
    course = flat(off=[0.0], infer=[1.0])
    with pytest.raises(ValueError, match=r"unknown options \['mine'\]; known: \['off', 'infer'\]"):
        clairvoyant.best(course, {("off", "mine"): Switch()}, start="off")
    with pytest.raises(ValueError, match="unknown options"):
        clairvoyant.best(course, {}, start="mine")
    with pytest.raises(ValueError, match=r"differ in length: \[1, 2\] ticks"):
        flat(off=[0.0], infer=[1.0, 2.0])
