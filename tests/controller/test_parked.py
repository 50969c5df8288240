"""Servers that sleep beside a workload: back soon, learnt apart, and told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from controller.core.alike import alike
from controller.core.model import GroupKey, GroupView
from controller.core.options.case import switch_s
from controller.core.options.routes import RouteTimes
from controller.core.policy.settings import SwitchCost
from tests.controller.fleet import POLICY, PRICES, planned, status, view
from tests.controller.policy_world import bound, contract, owing
from tests.controller.policy_world import planned as planned_by
from tests.controller.test_foresight import cases_of
from wire.model import Outcome, Phase, Result

ROUTE = ("etc", "llama")
KEY = GroupKey("rig000", "all")
SLOW = replace(POLICY, inference_switch=SwitchCost(cost_usd=0.0, duration_s=3000.0))


def asleep(number: int = 0, wake_s: Mapping[object, float] | None = None) -> GroupView:
    """Mines beside a llama that sleeps."""
    known = {ROUTE: 8.0} if wake_s is None else wake_s
    mines = view(number, "etc", switch_s=3000.0, wake_s=known)
    return replace(mines, status=replace(status("etc"), parked="llama"))


def took(seconds: float, generation: int = 1) -> Outcome:
    phases = ((Phase.STARTING, seconds),)
    return Outcome("o", "all", generation, Result.DONE, "etc", "llama", phases)


def test_waking_is_learnt_apart_from_starting() -> None:
    routes = RouteTimes()
    routes.asked(KEY, 1, "llama", status("etc"))
    routes.learn(KEY, "h100", took(300.0))
    routes.asked(KEY, 2, "llama", replace(status("etc"), parked="llama"))
    routes.learn(KEY, "h100", took(8.0, 2))
    routes.learn(KEY, "h100", took(310.0, 3))
    assert routes.started_s("h100", 1.0) == {ROUTE: pytest.approx(301.0)}
    assert routes.woken_s("h100", 1.0) == {ROUTE: 8.0}
    assert routes.woken_s("h100", 60.0) == {ROUTE: 480.0}
    assert routes.woken_s("a4000", 1.0) == {}


def test_who_asks_for_another_than_who_sleeps_wakes_nobody() -> None:
    routes = RouteTimes()
    for workload in ("etc", None):
        routes.asked(KEY, 1, workload, replace(status("xmr"), parked="llama"))
    assert not routes.woken(KEY, took(1.0))


def test_only_who_sleeps_there_is_back_soon() -> None:
    assert switch_s(asleep(), *ROUTE) == 8.0
    assert switch_s(asleep(), "etc", "xmr") == 3000.0
    assert switch_s(replace(asleep(), status=status("etc")), *ROUTE) == 3000.0
    assert switch_s(asleep(wake_s={}), *ROUTE) == 3000.0
    assert switch_s(replace(asleep(), online=False), *ROUTE) == 3000.0


def test_a_gain_that_pays_for_no_start_pays_for_a_waking() -> None:
    prices = {**PRICES, "etc": 0.3, "rent": 0.4, "demand": 9.0}
    plan = planned([asleep(0), replace(asleep(1), status=status("etc"))], prices)
    assert [decision.chosen for decision in plan.decisions] == ["llama", "etc"]
    assert plan.decisions[0].switch_usd == pytest.approx(0.01, rel=0.1)


def test_looking_ahead_reckons_with_the_waking() -> None:
    for one, seconds in ((asleep(), 8.0), (replace(asleep(), status=status("etc")), 3000.0)):
        (case,) = cases_of([one])
        found = alike(case, 0.1, SLOW)
        assert found is not None
        origin, target = (found.workloads.index(name) for name in ROUTE)
        ticks = found.pool.ticks[origin][target]
        assert ticks == min(11, seconds // SLOW.timing_tick_s)


def test_a_contract_takes_who_is_back_soon() -> None:
    views = [view(0, "etc", switch_s=3000.0), asleep(1)]
    assert bound(planned_by(views, owing(contract()), {**PRICES, "etc": 1.0})) == ["rig001"]


def test_what_sleeps_is_said_of_its_option() -> None:
    for one, said in (
        (asleep(), "sleeps here, and is back in 8 s"),
        (asleep(wake_s={}), "has never been woken on this route, so a full switch counts"),
    ):
        (decision,) = planned([one]).decisions
        texts = {option.workload: option.basis for option in decision.options}
        assert said in texts["llama"]
        assert not any("sleeps" in text for name, text in texts.items() if name != "llama")
