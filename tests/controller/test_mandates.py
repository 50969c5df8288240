"""Desks, treasury, rules and windows: what they ask of a plan, and what they never do to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Block
from controller.core.planning.obligations import Circumstances
from controller.core.policy import faults as policy_faults
from controller.core.policy import mandate, signals, treasury
from controller.core.policy.effect import effective
from controller.core.policy.maintenance import Act, MaintenanceSettings
from controller.core.policy.mandate import Share
from controller.core.policy.signals import Reading, RuleState, Then
from controller.core.policy.treasury import TreasurySettings
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, hold, view
from tests.controller.policy_world import (
    AI,
    MINING,
    at,
    bound,
    contract,
    owing,
    planned,
    rule,
)
from wire.model import Kind

SPENDING = TreasurySettings(switching_usd_per_day=1.0)
BETTER = {**PRICES, "etc": 0.02, "xmr": 0.2}
"""Everybody on etc would rather mine xmr."""


def test_a_desk_owns_what_it_names_before_what_is_of_its_kind() -> None:
    named = replace(AI, workloads=("xmr",))
    assert mandate.owner((MINING, named), "xmr", Kind.MINING) == named
    assert mandate.owner((MINING, named), "etc", Kind.MINING) == MINING
    assert mandate.owner((MINING, named), None, None) is None


def test_shares_become_requirements_and_the_plan_says_how_far_they_are_met() -> None:
    ai = replace(AI, min_share_ratio=0.5)
    plan = planned([view(n) for n in range(4)], replace(POLICY, desks=(MINING, ai)), BETTER)
    (share,) = plan.requirements
    assert (share.name, share.unit, share.least, share.most) == ("desk ai", "GPUs", 2.0, 4.0)
    counted = sum(decision.chosen == "llama" for decision in plan.decisions)
    assert (share.counted, share.met) == (counted, counted >= 2)


def test_a_share_that_is_missed_is_a_warning() -> None:
    ai = replace(AI, max_share_ratio=0.0)
    plan = planned([view()], owing(contract(), desks=(ai,)))
    assert "desk ai: 1 GPUs more than the 0 allowed" in plan.warnings[0]


def test_a_share_is_kept_where_money_alone_would_not() -> None:
    dull = {**PRICES, "rent": 0.01, "demand": 0.0}
    ai = replace(AI, min_share_ratio=0.75)
    plan = planned([view(n) for n in range(4)], replace(POLICY, desks=(ai,)), dull)
    assert sum(decision.chosen == "llama" for decision in plan.decisions) == 3
    assert all(one.met for one in plan.requirements)


def test_a_contract_counts_for_its_desk_and_for_the_income_that_is_wanted() -> None:
    money = TreasurySettings(fixed_usd_per_day=24.0, contracted_share_min_ratio=0.5)
    policy = owing(contract(), desks=(replace(AI, min_share_ratio=0.1),), treasury=money)
    met = {one.name: one for one in planned([view()], policy).requirements}
    assert {name: one.counted for name, one in met.items()} == {
        "contract acme": 1.0,
        "desk ai": 1.0,
        "contracted income": pytest.approx(0.5),
    }
    assert all(one.met for one in met.values())


def test_income_that_no_contract_gives_is_a_warning() -> None:
    money = TreasurySettings(fixed_usd_per_day=48.0, contracted_share_min_ratio=0.5)
    plan = planned([view()], owing(contract(), treasury=money))
    assert "contracts pay 25% of fixed costs, and the policy wants 50%" in plan.warnings[0]


@given(st.floats(-1e6, 1e6), st.floats(0.0, 1e5), st.floats(0.0, 900.0))
def test_a_cash_crunch_moves_nobody(cash: float, fixed: float, days: float) -> None:
    views = [view(n, assigned) for n, assigned in enumerate(("etc", "xmr", "llama", None))]
    crunch = TreasurySettings(cash_usd=cash, fixed_usd_per_day=fixed, runway_days_min=days)
    poor = planned(views, replace(POLICY, treasury=crunch))
    assert poor.decisions == planned(views, POLICY).decisions


def test_a_short_runway_is_told() -> None:
    crunch = TreasurySettings(cash_usd=100.0, fixed_usd_per_day=10.0, runway_days_min=90.0)
    nothing = dict.fromkeys(PRICES, 0.0)
    (warning,) = planned([view()], replace(POLICY, treasury=crunch), nothing).warnings
    assert warning == (
        "cash of $100 lasts 10 days at this income, and the policy wants 90; no group moves for "
        "that"
    )
    assert treasury.runway_days(crunch, 1.0) == float("inf")


def test_a_spent_budget_lets_nobody_move_for_money() -> None:
    policy = replace(POLICY, treasury=SPENDING)
    spent = Circumstances(spent_usd=1.0)
    (decision,) = planned([view()], policy, BETTER, circumstances=spent).decisions
    assert (decision.chosen, decision.blocked) == ("etc", Block.BUDGET)
    assert "switches have cost $1.00 in 24 hours, and the budget is $1.00" in decision.reason
    (left,) = planned(
        [view()], policy, BETTER, circumstances=Circumstances(spent_usd=0.9)
    ).decisions
    assert left.chosen == "xmr"


@pytest.mark.parametrize("why", ["loss", "contract", "cap", "hold"])
def test_a_spent_budget_stops_neither_falls_nor_contracts_nor_safety(why: str) -> None:
    policy, farm, prices = replace(POLICY, treasury=SPENDING), FARM, {**PRICES, "demand": 0.0}
    holds = []
    if why == "loss":
        prices = {**prices, "etc": 0.0, "xmr": 0.0}
    elif why == "contract":
        policy = replace(policy, contracts=(contract(),))
    elif why == "cap":
        farm = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=50.0),))
    else:
        holds = [hold(0, None)]
    (decision,) = planned(
        [view()], policy, prices, farm=farm, holds=holds, circumstances=Circumstances(spent_usd=9.0)
    ).decisions
    assert decision.chosen == ("llama" if why == "contract" else None)


def test_a_switch_says_what_it_costs_and_staying_costs_nothing() -> None:
    (moved,) = planned([view()], POLICY, BETTER).decisions
    assert moved.switch_usd >= POLICY.mining_switch.cost_usd
    (stays,) = planned([view()], POLICY, {**PRICES, "demand": 0.0}).decisions
    assert stays.switch_usd == 0.0


def test_a_premium_counts_when_choosing_and_in_nothing_that_is_reported() -> None:
    close = {**PRICES, "xmr": PRICES["etc"], "demand": 0.0}
    favour = rule(workload_premium_usd_per_gpu_h={"etc": 0.5})
    here, there = view(0, "etc"), view(1, "xmr")
    plan = planned([here, there], POLICY, close, circumstances=Circumstances(rules=(favour,)))
    assert [decision.chosen for decision in plan.decisions] == ["etc", "etc"]
    assert "it counts +$0.500/h beside its net by dear (coin is dear)" in plan.decisions[1].reason
    assert plan.net_usd_per_h == pytest.approx(2 * (0.03 - 0.130 * 0.10))


def test_a_desks_premium_is_for_all_its_workloads_and_a_negative_one_turns_away() -> None:
    shy = rule(desk_premium_usd_per_gpu_h={"mining": -0.5})
    policy = replace(POLICY, desks=(MINING,))
    nobody_asks = {**PRICES, "demand": 0.0}
    (decision,) = planned(
        [view()], policy, nobody_asks, circumstances=Circumstances(rules=(shy,))
    ).decisions
    assert decision.chosen is None


def test_rules_move_bands_and_shares_and_the_later_one_has_the_last_word() -> None:
    policy = replace(POLICY, desks=(AI,))
    rules = (
        rule("a", margin_usd_per_h=0.1, shares={"ai": Share(min_share_ratio=0.4)}),
        rule("b", margin_usd_per_h=0.2),
    )
    moved = effective(policy, rules)
    assert (moved.margin_usd_per_h, moved.off_band_usd_per_h) == (0.2, POLICY.off_band_usd_per_h)
    assert (moved.desks[0].min_share_ratio, moved.desks[0].max_share_ratio) == (0.4, 1.0)


def run(for_s: float, *seen: tuple[float, bool]) -> list[bool]:
    """Whether a rule is in effect after each look."""
    one = replace(rule(margin_usd_per_h=1.0), for_s=for_s)
    states: dict[str, RuleState] = {}
    active = []
    for now, true in seen:
        states = signals.advanced(states, [one], {one.name: Reading(true)}, now)
        active.append(bool(signals.in_effect([one], states)))
    return active


def test_a_rule_takes_effect_and_ends_only_after_its_time() -> None:
    looks = [(0.0, True), (59.0, True), (60.0, True), (61.0, False), (120.0, False), (121.0, False)]
    assert run(60.0, *looks) == [False, False, True, True, True, False]
    assert run(60.0, (0.0, True), (50.0, False), (70.0, True), (120.0, True)) == [False] * 4
    assert run(0.0, (0.0, True), (1.0, False)) == [True, False]


def test_a_clock_that_steps_back_begins_the_wait_anew() -> None:
    assert run(60.0, (1_000.0, True), (0.0, True), (59.0, True), (60.0, True)) == [
        False,
        False,
        False,
        True,
    ]


def test_another_condition_under_the_same_name_begins_anew() -> None:
    old = replace(rule(margin_usd_per_h=1.0), for_s=60.0)
    states = {old.name: RuleState(old.when, True, None)}
    new = replace(old, when="quote.etc > 2")
    after = signals.advanced(states, [new], {new.name: Reading(True)}, NOW)
    assert not signals.in_effect([new], after)


@pytest.mark.parametrize(("act", "chosen"), [(Act.OFF, None), (Act.FREEZE, "etc")])
def test_a_window_stops_or_freezes_its_groups_only(act: Act, chosen: str | None) -> None:
    window = MaintenanceSettings(
        name="fans", rigs=("rig000",), begin=at(-60.0), end=at(60.0), act=act
    )
    policy = replace(POLICY, maintenance=(window,))
    inside, outside = planned([view(0), view(1)], policy, BETTER).decisions
    assert (inside.chosen, inside.blocked) == (chosen, Block.MAINTENANCE)
    assert "maintenance fans until" in inside.reason
    assert outside.chosen == "xmr"
    later = planned([view(0)], policy, BETTER, now=NOW + 61.0)
    assert later.decisions[0].chosen == "xmr"


def test_a_contract_looks_for_other_groups_during_a_window() -> None:
    window = MaintenanceSettings(name="fans", rigs=("rig000",), begin=at(-60.0), end=at(60.0))
    views = [view(0, "llama", committed=True), view(1)]
    plan = planned(views, owing(contract(), maintenance=(window,)))
    assert bound(plan) == ["rig001"]
    assert plan.decisions[0].chosen is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"contracts": (contract(), contract())}, "contracts.1.name: 'acme' stands twice"),
        ({"contracts": (contract(gpus=0),)}, "contracts.0.gpus: must be 1 or more"),
        (
            {"contracts": (contract(end=at(-90_000.0)),)},
            "contracts.0.end: the contract ends before",
        ),
        ({"contracts": (contract(desk="sea"),)}, "contracts.0.desk: no desk 'sea'"),
        (
            {"contracts": (contract(start=at(0.0).replace(tzinfo=None)),)},
            "contracts.0.start: write the zone",
        ),
        (
            {"contracts": (contract(availability_ratio=99.0),)},
            "contracts.0.availability_ratio: must be above 0 to 1",
        ),
        ({"desks": (replace(AI, min_share_ratio=1.5),)}, "desks.0.min_share_ratio: must be 0 to 1"),
        (
            {"desks": (replace(AI, min_share_ratio=0.6), replace(MINING, min_share_ratio=0.6))},
            "desks.0.min_share_ratio: the least shares of all desks come to 120%",
        ),
        ({"desks": (MINING, replace(MINING, name="m"))}, "desks.1.kinds: mining is desk mining's"),
        (
            {"treasury": TreasurySettings(contracted_share_min_ratio=0.5)},
            "treasury.contracted_share_min_ratio: means nothing without `fixed_usd_per_day`",
        ),
        ({"rules": (rule(),)}, "rules.0.then: changes nothing"),
        ({"rules": (rule(desk_premium_usd_per_gpu_h={"x": 1.0}),)}, "rules.0.then.desk_premium"),
        (
            {"rules": (rule(workload_premium_usd_per_gpu_h={"x": float("nan")}),)},
            "rules.0.then.workload_premium_usd_per_gpu_h.x: must be finite",
        ),
        (
            {"maintenance": (MaintenanceSettings(name="w", begin=at(1.0), end=at(0.0)),)},
            "maintenance.0.end: must be after `begin`",
        ),
        ({"margin_usd_per_h": -1.0}, "margin_usd_per_h: must be 0 or more"),
    ],
)
def test_what_a_policy_must_not_say(changes: dict[str, Any], fault: str) -> None:
    found = [str(one) for one in policy_faults.faults(replace(POLICY, **changes))]
    assert [text for text in found if fault in text], found


def test_a_sound_policy_has_no_faults() -> None:
    sound = owing(contract(), desks=(MINING, AI), rules=(rule(margin_usd_per_h=0.1),))
    assert list(policy_faults.faults(sound)) == []
    assert Then() != sound.rules[0].then
