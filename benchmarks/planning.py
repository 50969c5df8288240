"""How long one plan for a large fleet takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figures import Figure, percentiles
from controller.core.farm import EarningSettings
from controller.core.model import GroupKey, GroupView
from controller.core.planner import Situation, plan
from tests.controller import fleet
from wire.model import Kind, WorkloadOffer

GROUPS = 10_000
OPTIONS = 20
GOAL_MS = 50.0


def measure(count: int) -> Iterator[Figure]:
    """Plan so many times; between two plans every price moves."""
    names = [f"coin{number:02}" for number in range(OPTIONS)]
    views = [_view(number, names) for number in range(GROUPS)]
    taken = []
    for turn in range(count + 1):
        situation = _situation(views, names, turn)
        began_s = time.perf_counter()
        made = plan(situation)
        taken.append(1e3 * (time.perf_counter() - began_s))
        assert len(made.decisions) == GROUPS
    # The first one fills caches that a controller keeps.
    p50, p95 = percentiles(taken[1:])
    name = f"plan for {GROUPS:,} groups with {OPTIONS} options"
    yield Figure(f"{name}, p50", p50, "ms", GOAL_MS)
    yield Figure(f"{name}, p95", p95, "ms", GOAL_MS)


def _view(number: int, names: list[str]) -> GroupView:
    one = fleet.view(number, assigned=names[number % OPTIONS])
    offers = tuple(WorkloadOffer(name, Kind.MINING) for name in names)
    key = GroupKey(f"rig{number:05}", "all")
    return replace(one, key=key, offer=replace(one.offer, workloads=offers))


def _situation(views: list[GroupView], names: list[str], turn: int) -> Situation:
    earnings = tuple(
        EarningSettings(workload=name, kind=Kind.MINING, revenue=name, gpu_power_w=100.0 + place)
        for place, name in enumerate(names)
    )
    prices = {name: 0.02 + 0.001 * ((place + turn) % OPTIONS) for place, name in enumerate(names)}
    return Situation(
        views=views,
        quotes=fleet.quotes({"power": 0.10, "demand": 0.0, **prices}),
        holds=(),
        policy=fleet.POLICY,
        farm=replace(fleet.FARM, earnings=earnings),
        now=fleet.NOW,
    )
