"""Contracts: kept whatever prices do, prepared in time, released at their end, told when short."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import rollout
from controller.core.model import Block, Decision, GroupView, Plan
from controller.core.policy.contract import ContractSettings, Curtailed
from controller.core.rollout import RolloutSettings
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, hold, status, view
from tests.controller.policy_world import at, bound, contract, large, owing, planned
from wire.model import Phase, Rejection

DEAR_COIN = {**PRICES, "etc": 5.0}
"""Mining pays ten times what a contract does."""


def only(plan: Plan) -> Decision:
    (decision,) = plan.decisions
    return decision


def test_a_contract_is_served_however_dear_the_coin_is() -> None:
    decision = only(planned([view()], owing(contract()), DEAR_COIN))
    assert (decision.chosen, decision.committed, decision.blocked) == (
        "llama",
        True,
        Block.COMMITTED,
    )


def test_its_reason_says_who_pays_what_and_what_a_breach_would_cost() -> None:
    decision = only(planned([view()], owing(contract()), DEAR_COIN))
    assert decision.reason.startswith(
        "serve llama: contract acme with acme inc pays $0.500/h, and to be short of it would cost "
        "$2.500/h (nets +$0.4"
    )


def test_what_is_reported_is_the_contracts_price_and_not_the_spot_markets() -> None:
    net = planned([view()], owing(contract()), {**PRICES, "rent": 0.0, "demand": 0.0}).net_usd_per_h
    assert net == pytest.approx(0.5 - 0.150 * PRICES["power"])


def test_a_contract_needs_no_spot_price() -> None:
    decision = only(planned([view()], owing(contract()), {**PRICES, "rent": None}))
    assert decision.chosen == "llama"


def test_a_contract_takes_no_seat_of_the_spot_market() -> None:
    plan = planned([view(n, "llama") for n in range(3)], owing(contract()), {**PRICES, "demand": 2})
    assert [decision.chosen for decision in plan.decisions] == ["llama"] * 3
    assert bound(plan) == ["rig000"]


def test_who_forgoes_least_serves_and_who_serves_goes_on() -> None:
    views = [view(0, "etc"), view(1, "xmr"), view(2, "llama", committed=True)]
    assert bound(planned(views, owing(contract()), DEAR_COIN)) == ["rig002"]
    assert bound(planned(views[:2], owing(contract()))) == ["rig000"]


def test_only_its_sites_and_classes_serve_it() -> None:
    views = [view(0), view(1, rig_class="h100")]
    assert bound(planned(views, owing(contract(rig_classes=("h100",))))) == ["rig001"]
    assert bound(planned(views, owing(contract(sites=("rome",))))) == []


def test_warm_spares_run_the_workload_and_earn_nothing() -> None:
    views = [view(n) for n in range(4)]
    plan = planned(views, owing(contract(gpus=2, warm_spare_gpus=1)), DEAR_COIN)
    assert bound(plan) == ["rig000", "rig001", "rig002"]
    spare = plan.decisions[2]
    assert "stands ready for contract acme" in spare.reason
    nets = {option.workload: option.net_usd_per_h for option in spare.options}
    assert nets["llama"] == pytest.approx(-0.040 * PRICES["power"])


def test_a_customer_pays_for_what_is_owed_and_no_more() -> None:
    plan = planned([large(0, 4), large(1, 4)], owing(contract(gpus=6)), {**PRICES, "power": 0.0})
    nets = [{o.workload: o.net_usd_per_h for o in d.options}["llama"] for d in plan.decisions]
    assert sorted(net or 0.0 for net in nets) == [pytest.approx(1.0), pytest.approx(2.0)]


def test_a_spare_takes_over_for_a_rig_that_is_silent_and_no_other_is_fetched() -> None:
    policy = owing(contract(gpus=2, warm_spare_gpus=1))
    views = [view(n, "llama", committed=True) for n in range(3)]
    views[0] = replace(views[0], online=False)
    plan = planned([*views, view(3)], policy, DEAR_COIN)
    assert bound(plan) == ["rig000", "rig001", "rig002"]
    assert "pays" in plan.decisions[2].reason


def test_where_no_spare_is_left_another_group_is_fetched() -> None:
    views = [view(0, "llama", committed=True, online=False), view(1)]
    plan = planned(views, owing(contract()), DEAR_COIN)
    assert bound(plan) == ["rig000", "rig001"]
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("start_s", "serves"), [(7_200.0, False), (1_000.0, False), (900.0, True), (0.0, True)]
)
def test_groups_set_out_in_time_before_the_start(start_s: float, serves: bool) -> None:
    plan = planned([view()], owing(contract(start=at(start_s), prepare_s=900.0)), DEAR_COIN)
    assert (only(plan).chosen == "llama") is serves


def test_a_group_that_switches_slowly_sets_out_earlier() -> None:
    slow = view(switch_s=1_800.0)
    plan = planned([slow], owing(contract(start=at(3_600.0), prepare_s=900.0)), DEAR_COIN)
    assert only(plan).chosen == "llama"
    assert "stands ready" in only(plan).reason


def test_a_large_start_is_prepared_in_waves_and_what_is_late_goes_at_once() -> None:
    views = [view(n) for n in range(6)]
    narrow = replace(POLICY, switches_max=2)
    soon = replace(narrow, contracts=(contract(gpus=6, start=at(2_000.0), prepare_s=900.0),))
    assert len(bound(planned(views, soon, DEAR_COIN))) == 2
    late = replace(narrow, contracts=(contract(gpus=6, start=at(800.0), prepare_s=900.0),))
    assert len(bound(planned(views, late, DEAR_COIN))) == 6


@pytest.mark.parametrize(
    "over",
    [
        {"end": at(-1.0)},
        {"notice_given": at(-40 * 86_400.0), "notice_days": 30.0, "start": at(-90 * 86_400.0)},
    ],
)
def test_end_and_notice_release_the_groups(over: dict[str, Any]) -> None:
    serving = view(0, "llama", committed=True)
    decision = only(planned([serving], owing(contract(**over)), DEAR_COIN))
    assert (decision.chosen, decision.committed) == ("etc", False)


def test_notice_that_runs_still_binds() -> None:
    given_yesterday = contract(notice_given=at(-86_400.0), notice_days=30.0)
    assert bound(planned([view()], owing(given_yesterday), DEAR_COIN)) == ["rig000"]


def test_an_operators_hold_beats_a_contract_and_the_shortage_is_told() -> None:
    plan = planned([view()], owing(contract()), holds=[hold(0, "etc")])
    assert only(plan).chosen == "etc"
    assert plan.warnings[0] == (
        "contract acme with acme inc lacks 1 of 1 GPUs, at $2.500/h: of 1 groups that may serve "
        "it 1 held elsewhere"
    )
    assert "rig000/all" in plan.warnings[1], "the repair names the hold that stands in the way"


def test_what_cannot_be_had_is_told_with_what_is_missing() -> None:
    failed = (Rejection("llama", "out of memory"),)
    views = [
        view(0),
        view(1, status=status("etc", rejected=failed)),
        view(2, online=False),
        view(3, status=status("etc", Phase.FAILED)),
    ]
    plan = planned(views, owing(contract(gpus=4)))
    assert bound(plan) == ["rig000"]
    (coverage,) = plan.contracts
    assert (coverage.owed_gpus, coverage.bound_gpus, coverage.lacking_gpus) == (4, 1, 3)
    assert coverage.why == (
        "of 4 groups that may serve it 1 offline, 1 on which llama failed, 1 quarantined"
    )


def test_who_is_silent_meets_no_requirement() -> None:
    silent = view(0, "llama", committed=True, online=False)
    (met,) = planned([silent], owing(contract())).requirements
    assert (met.name, met.counted, met.met) == ("contract acme", 0.0, False)


def test_nobody_offers_it_is_told() -> None:
    plan = planned([view()], owing(contract(workload="qwen")))
    assert "no group of its sites and classes offers qwen" in plan.warnings[0]


def test_the_dearer_breach_is_served_first() -> None:
    dear, cheap = contract("dear", penalty_usd_per_gpu_h=9.0), contract("cheap")
    plan = planned([view()], owing(cheap, dear))
    assert [(c.contract, c.lacking_gpus) for c in plan.contracts] == [("dear", 0), ("cheap", 1)]


def test_a_contract_that_may_be_served_anywhere_makes_room_for_one_that_may_not() -> None:
    views = [view(0, rig_class="h100"), view(1)]
    anywhere = contract("anywhere", penalty_usd_per_gpu_h=9.0)
    picky = contract("picky", rig_classes=("h100",))
    plan = planned(views, owing(anywhere, picky), {**PRICES, "xmr": None})
    assert [c.lacking_gpus for c in plan.contracts] == [0, 0]
    assert len(bound(plan)) == 2


def test_a_large_group_replaces_several_small_ones_that_are_not_needed() -> None:
    views = [view(0), view(1), large(2, 8, "llama", committed=True)]
    assert bound(planned(views, owing(contract(gpus=8)))) == ["rig002"]


@pytest.mark.parametrize(
    ("curtailed", "chosen", "why"),
    [
        (Curtailed.SERVE, "llama", "site oslo may draw"),
        (Curtailed.YIELD, None, "contract acme with acme inc lacks"),
    ],
)
def test_the_policy_says_whether_a_contract_goes_before_a_power_cap(
    curtailed: Curtailed, chosen: str | None, why: str
) -> None:
    tight = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=100.0),))
    plan = planned([view()], owing(contract(curtailed=curtailed)), farm=tight)
    assert only(plan).chosen == chosen
    assert why in plan.warnings[0]


def test_a_yielding_contract_stands_while_others_can_save_enough() -> None:
    tight = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=200.0),))
    plan = planned([view(0), view(1)], owing(contract(curtailed=Curtailed.YIELD)), farm=tight)
    assert sorted(str(d.chosen) for d in plan.decisions) == ["None", "llama"]
    assert plan.contracts[0].lacking_gpus == 0


def test_a_contract_waits_for_no_ramp_and_no_canary() -> None:
    views = [view()]
    slow = RolloutSettings(ramp_w_per_min=0.001)
    plan = planned(views, owing(contract()), {**PRICES, "etc": 0.0})
    admitted, _ = rollout.admitted(plan, views, set(), rollout.History(), slow)
    assert only(admitted).chosen == "llama"


prices = st.floats(-1.0, 20.0, allow_nan=False)
conditions = st.sampled_from(["free", "free", "free", "held", "offline", "failed", "rejected"])


def group(number: int, how: str, rig_class: str, serving: bool) -> GroupView:
    one = view(number, "llama" if serving else "etc", rig_class=rig_class, committed=serving)
    match how:
        case "offline":
            return replace(one, online=False)
        case "failed":
            return replace(one, status=status("etc", Phase.FAILED))
        case "rejected":
            return replace(one, status=status("etc", rejected=(Rejection("llama", "x"),)))
    return one


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[GroupView], list[int], list[ContractSettings]]:
    rows = draw(
        st.lists(
            st.tuples(conditions, st.sampled_from(["a", "b"]), st.booleans()),
            min_size=1,
            max_size=9,
        )
    )
    views = [group(n, how, which, serving) for n, (how, which, serving) in enumerate(rows)]
    held = [n for n, (how, _, _) in enumerate(rows) if how == "held"]
    kinds = st.sampled_from([(), ("a",), ("b",), ("a", "b")])
    parts = draw(st.lists(st.tuples(kinds, st.integers(1, 4), prices), min_size=1, max_size=3))
    contracts = [
        contract(f"c{n}", rig_classes=classes, gpus=gpus, penalty_usd_per_gpu_h=abs(penalty))
        for n, (classes, gpus, penalty) in enumerate(parts)
    ]
    return views, held, contracts


@given(worlds(), prices, prices, st.floats(0.0, 9.0))
def test_a_feasible_contract_is_kept_whatever_prices_do(
    world: tuple[list[GroupView], list[int], list[ContractSettings]],
    etc: float,
    rent: float,
    demand: float,
) -> None:
    views, held, contracts = world
    plan = planned(
        views,
        owing(*contracts),
        {**PRICES, "etc": etc, "rent": rent, "demand": demand},
        holds=[hold(n, "etc") for n in held],
    )
    served = sum(d.committed and d.chosen == "llama" and _sound(views, d) for d in plan.decisions)
    lacking = sum(coverage.lacking_gpus for coverage in plan.contracts)
    owed = sum(one.gpus for one in contracts)
    assert lacking == owed - most_served(views, held, contracts)
    assert served == owed - lacking
    assert bool(lacking) == any("lacks" in text for text in plan.warnings)


def most_served(views: list[GroupView], held: list[int], contracts: list[ContractSettings]) -> int:
    """GPUs that can serve at best: the least that any set of classes lets through (max-flow)."""
    able = {"a": 0, "b": 0}
    for number, one in enumerate(views):
        free = one.online and one.status is not None and one.status.phase is not Phase.FAILED
        if free and number not in held and one.status is not None and not one.status.rejected:
            able[one.rig_class] += 1
    owed = {
        classes: sum(
            c.gpus for c in contracts if (set(c.rig_classes) or {"a", "b"}) == set(classes)
        )
        for classes in (("a",), ("b",), ("a", "b"))
    }
    best = math.inf
    for cut in ((), ("a",), ("b",), ("a", "b")):
        through = sum(able[name] for name in cut)
        through += sum(gpus for classes, gpus in owed.items() if not set(classes) <= set(cut))
        best = min(best, through)
    return int(best)


def _sound(views: list[GroupView], decision: Decision) -> bool:
    return next(v for v in views if v.key == decision.key).online


def test_the_dearer_of_two_contracts_is_served_whoever_serves_already() -> None:
    narrow = contract("c1", rig_classes=("a",), gpus=1, penalty_usd_per_gpu_h=2.0)
    contracts = (
        contract("c0", gpus=1, penalty_usd_per_gpu_h=3.0),
        narrow,
        contract("c2", gpus=1, penalty_usd_per_gpu_h=1.0),
    )
    for serving in (False, True):
        views = [group(0, "free", "a", serving), group(1, "free", "b", True)]
        plan = planned(views, owing(*contracts))
        assert [(c.contract, c.lacking_gpus) for c in plan.contracts] == [
            ("c0", 0),
            ("c1", 0),
            ("c2", 1),
        ]


@given(worlds())
def test_a_second_look_moves_nobody(
    world: tuple[list[GroupView], list[int], list[ContractSettings]],
) -> None:
    views, held, contracts = world
    holds = [hold(n, "etc") for n in held]
    first = planned(views, owing(*contracts), holds=holds)
    after = [
        replace(
            one,
            assigned=decision.chosen,
            committed=decision.committed,
            assigned_at=NOW - 1.0,
            status=replace(one.status, active=decision.chosen, target=decision.chosen)
            if one.status is not None and decision.moves
            else one.status,
        )
        for one, decision in zip(views, first.decisions, strict=True)
    ]
    second = planned(after, owing(*contracts), holds=holds)
    assert not [decision.key for decision in second.decisions if decision.moves]
    assert [c.lacking_gpus for c in second.contracts] == [c.lacking_gpus for c in first.contracts]
