"""How long one plan for a large fleet takes: processor seconds of one core, so others may share it.

A typical tick finds other prices and the same groups. The others say what the rest costs: a first
look at the fleet, news of some groups, a power cap that binds, measurements that scatter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as counter
from random import Random
from statistics import median

from benchmarks.figures import Figure, percentiles
from controller.core import measured
from controller.core.farm import EarningSettings
from controller.core.measured import Figures, Witness
from controller.core.model import GroupKey, GroupView, Plan
from controller.core.optimiser.roster import Roster
from controller.core.planning.planner import Situation, plan
from tests.controller import fleet
from wire.figures import Figure as Reading
from wire.figures import Measured
from wire.model import Kind, WorkloadOffer

GROUPS = 10_000
OPTIONS = 20
GOAL_MS = 50.0
LARGE = 100_000
LARGE_GOAL_MS = 1_000.0
FIRST_LOOKS = 3
CHANGED_RATIO = 0.05
CAP_W = 1.01e6
"""Some of what every plan without it draws."""

SCATTER_RATIO = 0.05
"""One standard deviation of what groups of a class measure."""

NAMES = [f"coin{number:02}" for number in range(OPTIONS)]

Fleet = list[GroupView]
News = Callable[[Fleet, int], Fleet]
"""What the next tick finds."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds."""

    first: float
    later: list[float]
    reading: float
    """To put all decisions of one plan into words."""


def measure(count: int) -> Iterator[Figure]:
    """Plan so many times in each setting; between two plans every price moves."""
    views = _views(GROUPS)
    typical = _taken(views, count, _same)
    p50, p95 = percentiles(typical.later)
    name = f"plan for {GROUPS:,} groups with {OPTIONS} options"
    yield Figure(f"{name}, prices changed, p50", p50, "ms", GOAL_MS)
    yield Figure(f"{name}, prices changed, p95", p95, "ms", GOAL_MS)
    firsts = [_taken(_views(GROUPS), 0, _same).first for _ in range(FIRST_LOOKS)]
    yield Figure(f"{name}, first look at the fleet", median(firsts), "ms")
    yield Figure(f"{name}, all decisions read", typical.reading, "ms")
    for label, news in (("views made anew", _anew), ("5 % of the groups changed", _some)):
        yield Figure(f"{name}, {label}, p50", _p50(_taken(views, count, news)), "ms", GOAL_MS)
    capped = _taken(views, count, _same, cap_w=CAP_W)
    yield Figure(f"{name}, a power cap binds, p50", _p50(capped), "ms")
    scattered = _taken(_scattered(views), count, _same)
    yield Figure(f"{name}, measurements scatter by 5 %, p50", _p50(scattered), "ms")
    large = _taken(_views(LARGE), count, _same)
    name = f"plan for {LARGE:,} groups with {OPTIONS} options"
    yield Figure(f"{name}, prices changed, p50", _p50(large), "ms", LARGE_GOAL_MS)
    yield Figure(f"{name}, first look at the fleet", large.first, "ms", LARGE_GOAL_MS)


def _p50(taken: Taken) -> float:
    return percentiles(taken.later)[0]


def _taken(views: Fleet, count: int, news: News, cap_w: float | None = None) -> Taken:
    roster, later = Roster(), []
    first, made = _timed(_situation(views, 0, cap_w), roster)
    for turn in range(1, count + 1):
        views = news(views, turn)
        took, made = _timed(_situation(views, turn, cap_w), roster)
        later.append(took)
    began_s = time.process_time()
    assert len(tuple(made.decisions)) == len(views)
    return Taken(first, later, 1e3 * (time.process_time() - began_s))


def _timed(situation: Situation, roster: Roster) -> tuple[float, Plan]:
    began_s = time.process_time()
    made = plan(situation, roster)
    return 1e3 * (time.process_time() - began_s), made


def _same(views: Fleet, _turn: int) -> Fleet:
    return views


def _anew(views: Fleet, _turn: int) -> Fleet:
    """As a controller hands them in: equal, and made for this plan."""
    return [replace(view) for view in views]


def _some(views: Fleet, turn: int) -> Fleet:
    rng = Random(turn)
    made = list(views)
    for number in rng.sample(range(len(made)), int(CHANGED_RATIO * len(made))):
        name = NAMES[(number + turn) % OPTIONS]
        made[number] = replace(
            made[number], assigned=name, status=fleet.status(name), assigned_at=fleet.NOW - 60.0
        )
    return made


def _views(groups: int) -> Fleet:
    return [_view(number) for number in range(groups)]


def _view(number: int) -> GroupView:
    one = fleet.view(number, assigned=NAMES[number % OPTIONS])
    offers = tuple(WorkloadOffer(name, Kind.MINING) for name in NAMES)
    key = GroupKey(f"rig{number:06}", "all")
    return replace(one, key=key, offer=replace(one.offer, workloads=offers))


def _scattered(views: Sequence[GroupView]) -> Fleet:
    """Every group has measured the watts of what it runs; some are far from their class."""
    rng, numbers = Random(1), counter(20)
    witnesses = []
    for view in views:
        watts = Reading(110.0 * rng.gauss(1.0, SCATTER_RATIO), 0.0, next(numbers))
        said = Measured(group="all", workload=view.assigned, profile="", gpu_busy_w=watts)
        witnesses.append(Witness(view.rig_class, 1, (said,)))
    classes, known = measured.typical(witnesses), dict[tuple[object, ...], Figures]()
    made = []
    for view, witness in zip(views, witnesses, strict=True):
        figures = measured.figures(witness, classes)
        shared = known.setdefault(tuple(figures.items()), figures)
        made.append(replace(view, measured=witness.measured, figures=shared))
    return made


def _situation(views: Fleet, turn: int, cap_w: float | None) -> Situation:
    earnings = tuple(
        EarningSettings(workload=name, kind=Kind.MINING, revenue=name, gpu_power_w=100.0 + place)
        for place, name in enumerate(NAMES)
    )
    prices = {name: 0.02 + 0.001 * ((place + turn) % OPTIONS) for place, name in enumerate(NAMES)}
    site = replace(fleet.FARM.sites[0], power_cap_w=cap_w)
    return Situation(
        views=views,
        quotes=fleet.quotes({"power": 0.10, "demand": 0.0, **prices}),
        holds=(),
        policy=fleet.POLICY,
        farm=replace(fleet.FARM, sites=(site,), earnings=earnings),
        now=fleet.NOW,
    )
