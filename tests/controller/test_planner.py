"""The plan, case by case: what is chosen, what blocks the rest, and what is said."""

import itertools
from dataclasses import replace

import pytest

from controller.core.model import Block, GroupKey, GroupView, Hold, Option
from controller.core.options import economics
from controller.core.policy.settings import PolicySettings, SwitchCost
from tests.controller.fleet import (
    FARM,
    NOW,
    POLICY,
    PRICES,
    decided,
    hold,
    planned,
    quotes,
    status,
    view,
)
from wire.model import GroupOffer, Phase, Rejection

FREE = PolicySettings(
    margin_usd_per_h=0.0,
    off_band_usd_per_h=0.0,
    dwell_s=0.0,
    mining_switch=SwitchCost(cost_usd=0.0, duration_s=0.0),
    inference_switch=SwitchCost(cost_usd=0.0, duration_s=0.0),
    switches_max=1000,
    site_switches_max=1000,
)
CAPPED = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=300.0),))
MINING_ONLY = {**PRICES, "demand": 0.0}


def option(options: tuple[Option, ...], workload: str | None) -> Option:
    return next(option for option in options if option.workload == workload)


def test_an_unassigned_group_goes_where_it_earns_most() -> None:
    decision = decided(view(assigned=None, generation=0, assigned_at=0.0, status=status(None)))
    assert (decision.current, decision.chosen) == (None, "llama")
    assert decision.reason == "serve llama: +$0.145/h, $0.147/h more than to stand still"
    assert [option.workload for option in decision.options] == ["llama", "etc", "xmr", None]


def test_what_earns_most_stays_and_names_the_next_best() -> None:
    decision = decided(view(), MINING_ONLY)
    assert not decision.moves
    assert decision.reason.startswith("mine etc: +$0.017/h")
    assert decision.blocked is Block.NO_DEMAND


@pytest.mark.parametrize(
    ("assigned", "prices", "chosen"),
    [
        ("etc", {"xmr": 0.0299}, "etc"),
        ("etc", {"xmr": 0.0301}, "xmr"),
        ("xmr", {"xmr": 0.0221}, "xmr"),
        ("xmr", {"xmr": 0.0219}, "etc"),
        ("etc", {"etc": 0.0091, "xmr": 0.0}, "etc"),
        ("etc", {"etc": 0.0089, "xmr": 0.0}, None),
        (None, {"etc": 0.0129, "xmr": 0.0}, None),
        (None, {"etc": 0.0131, "xmr": 0.0}, "etc"),
    ],
)
def test_bands_hold_on_both_sides_of_every_boundary(
    assigned: str | None, prices: dict[str, float], chosen: str | None
) -> None:
    # Nets: etc - 0.013, xmr - 0.009, off -0.002; margin 0.004, band on off 0.002.
    decision = decided(view(assigned=assigned), {**MINING_ONLY, **prices})
    assert decision.chosen == chosen


def test_the_margin_is_said_and_the_flip_is_exact() -> None:
    prices = {**MINING_ONLY, "xmr": 0.028}
    decision = decided(view(), prices)
    assert decision.blocked is Block.NO_DEMAND
    assert option(decision.options, "xmr").blocked is Block.MARGIN
    assert decision.flip_usd_per_h == pytest.approx(0.002)
    assert decided(view(), {**prices, "xmr": 0.0299}).chosen == "etc"
    assert decided(view(), {**prices, "xmr": 0.0301}).chosen == "xmr"


def test_dwell_keeps_a_group_where_it_was_put() -> None:
    fresh = view(assigned_at=NOW - 60.0)
    decision = decided(fresh)
    assert (decision.chosen, decision.blocked) == ("etc", Block.DWELL)
    assert "for another 9 min" in decision.reason
    assert decided(view(assigned_at=NOW - 600.0)).chosen == "llama"


def test_a_group_that_was_never_assigned_does_not_dwell() -> None:
    assert decided(view(assigned=None, generation=0, assigned_at=NOW)).chosen == "llama"


def test_a_server_that_would_be_busy_at_a_loss_is_not_taken_to_idle() -> None:
    costly = replace(POLICY, inference_switch=SwitchCost(cost_usd=5.0, duration_s=0.0))
    prices = {**PRICES, "power": 6.0}
    idle = planned([view(0, "llama")], {**prices, "demand": 0.0}, policy=costly)
    assert idle.decisions[0].chosen == "llama"
    busy = planned([view(0, "llama")], {**prices, "demand": 1.0}, policy=costly)
    assert busy.decisions[0].chosen is None


def test_a_slow_switch_must_pay_back() -> None:
    prices = {**PRICES, "rent": 0.06}
    assert decided(view(), prices).chosen == "llama"
    slow = decided(view(switch_s=36_000.0), prices)
    assert (slow.chosen, slow.blocked) == ("etc", Block.MARGIN)


def test_inference_demand_is_finite() -> None:
    plan = planned([view(i) for i in range(6)], PRICES, policy=FREE)
    assert [decision.chosen for decision in plan.decisions].count("llama") == 4
    last = plan.decisions[-1]
    assert (last.chosen, last.blocked) == ("etc", Block.NO_DEMAND)
    assert last.reason == (
        "mine etc: +$0.017/h; llama would net $0.128/h more, "
        "but the site has demand for 3.2 groups and 4 serve"
    )


def test_who_serves_already_keeps_the_seat() -> None:
    views = [view(0), view(1), view(2, "llama"), view(3, "llama"), view(4)]
    plan = planned(views, {**PRICES, "demand": 2.0}, policy=FREE)
    assert [d.chosen for d in plan.decisions] == ["etc", "etc", "llama", "llama", "etc"]


def test_a_contract_does_not_use_up_demand() -> None:
    views = [view(0, "llama", committed=True), view(1)]
    plan = planned(views, {**PRICES, "demand": 1.0})
    assert [decision.chosen for decision in plan.decisions] == ["llama", "llama"]


@pytest.mark.parametrize(
    ("one", "block", "said"),
    [
        (view(committed=True), Block.COMMITTED, "contract"),
        (view(online=False), Block.OFFLINE, "not been heard from"),
        (view(status=None), Block.OFFLINE, "not reported"),
        (view(status=status("etc", Phase.PROBING)), Block.SWITCHING, "probing"),
        (view(generation=2), Block.SWITCHING, "generation 2"),
        (view(status=status(None, Phase.FAILED)), Block.QUARANTINED, "quarantined"),
    ],
)
def test_what_no_price_may_move_stays_and_says_why(one: GroupView, block: Block, said: str) -> None:
    decision = decided(one)
    assert (decision.chosen, decision.blocked) == ("etc", block)
    assert said in decision.reason
    assert decision.flip_usd_per_h is None


@pytest.mark.parametrize("stale", ["etc", "power"])
def test_without_a_price_for_what_it_does_a_group_stays(stale: str) -> None:
    decision = decided(view(), {**PRICES, stale: None})
    assert (decision.chosen, decision.blocked) == ("etc", Block.NO_QUOTE)
    assert decision.reason == f"mine etc as before: no quote for {stale}: stale"


@pytest.mark.parametrize("stale", ["rent", "demand"])
def test_what_has_no_price_is_not_chosen_newly(stale: str) -> None:
    decision = decided(view(), {**PRICES, stale: None})
    assert decision.chosen == "etc"
    assert option(decision.options, "llama").blocked is Block.NO_QUOTE
    assert decided(view(assigned="llama"), {**PRICES, stale: None}).chosen == "llama"


def test_a_rejected_workload_is_not_chosen_again_until_the_rejection_is_gone() -> None:
    failed = (Rejection("llama", "out of memory"),)
    fallen = view(assigned="llama", status=status("etc", rejected=failed))
    decision = decided(fallen)
    assert decision.chosen == "etc"
    assert decision.reason == (
        "mine etc: +$0.017/h; llama was assigned, but it failed here: out of memory"
    )
    assert option(decision.options, "llama").blocked is Block.REJECTED
    assert decided(view(avoided=failed)).chosen == "etc"
    assert decided(view()).chosen == "llama"


def test_a_workload_that_the_rig_no_longer_offers_is_left() -> None:
    gone = view(assigned="doge", status=status("etc"))
    assert decided(gone, MINING_ONLY).chosen == "etc"


@pytest.mark.parametrize("workload", ["xmr", None])
@pytest.mark.parametrize(
    "one",
    [
        view(),
        view(committed=True),
        view(online=False),
        view(status=status("etc", Phase.STARTING)),
        view(status=status(None, Phase.FAILED)),
        view(assigned_at=NOW),
    ],
)
def test_a_hold_is_always_obeyed(one: GroupView, workload: str | None) -> None:
    (decision,) = planned([one], holds=[hold(0, workload)]).decisions
    assert (decision.chosen, decision.blocked) == (workload, Block.HOLD)
    assert "ada holds it until 1970-01-12 14:46 UTC: fan noise" in decision.reason


def test_a_hold_ends() -> None:
    (decision,) = planned([view()], holds=[hold(0, "xmr", expires_at=NOW)]).decisions
    assert decision.chosen == "llama"


def test_the_newest_of_several_holds_counts() -> None:
    first, second = hold(0, "xmr"), replace(hold(0, None), hold_id="h1", created_at=NOW)
    for holds in itertools.permutations([first, second]):
        assert planned([view()], holds=holds).decisions[0].chosen is None


def test_a_hold_to_what_the_rig_does_not_offer_changes_nothing_and_says_so() -> None:
    (decision,) = planned([view()], holds=[hold(0, "doge")]).decisions
    assert decision.chosen == "etc"
    assert "does not offer" in decision.reason


def test_a_hold_without_a_readable_end_is_still_a_hold() -> None:
    endless: Hold = hold(0, None, expires_at=float("inf"))
    assert planned([view()], holds=[endless]).decisions[0].chosen is None


def test_above_the_cap_the_least_valuable_go_first_whatever_the_margin() -> None:
    views = [view(0), view(1), view(2, "xmr")]
    plan = planned(views, {**MINING_ONLY, "xmr": 0.015}, farm=CAPPED)
    assert [decision.chosen for decision in plan.decisions] == ["etc", "etc", None]
    assert plan.power_w == {"oslo": pytest.approx(280.0)}
    assert plan.decisions[2].reason == (
        "stand still: the site may draw 0.30 kW and draws 0.28 kW as planned; "
        "to mine xmr would be too much"
    )
    assert option(plan.decisions[2].options, "xmr").blocked is Block.POWER_CAP


def test_a_cap_ends_a_dwell_only_where_nothing_else_helps() -> None:
    prices = {**MINING_ONLY, "xmr": 0.0}
    some = planned([view(0), view(1, assigned_at=NOW), view(2)], prices, farm=CAPPED)
    assert [decision.chosen for decision in some.decisions] in (
        ["etc", "etc", None],
        [None, "etc", "etc"],
    )
    every = planned([view(i, assigned_at=NOW) for i in range(3)], prices, farm=CAPPED)
    assert [decision.chosen for decision in every.decisions].count(None) == 1


def test_a_cap_works_without_prices() -> None:
    plan = planned([view(i) for i in range(3)], {**PRICES, "power": None}, farm=CAPPED)
    assert [decision.chosen for decision in plan.decisions].count(None) == 1


def test_a_cap_that_holds_exceed_is_said() -> None:
    holds = [hold(i, "etc") for i in range(3)]
    plan = planned([view(i) for i in range(4)], MINING_ONLY, holds=holds, farm=CAPPED)
    assert [decision.chosen for decision in plan.decisions] == ["etc", "etc", "etc", None]
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("site oslo may draw 0.30 kW but the plan draws 0.41 kW")
    assert "stands still already or cannot be moved" in plan.warnings[0]


def test_no_more_groups_switch_at_once_than_may() -> None:
    two = replace(POLICY, switches_max=3, site_switches_max=2)
    views = [view(0), view(1), view(2), view(3, "llama", status=status("etc", Phase.TUNING))]
    plan = planned(views, policy=two)
    assert sum(decision.moves for decision in plan.decisions) == 1
    waiting = [d for d in plan.decisions if d.blocked is Block.CONCURRENCY]
    assert len(waiting) == 2
    assert "2 groups of the site and 3 of the fleet" in waiting[0].reason


def test_the_most_gainful_switches_come_first() -> None:
    one = replace(POLICY, switches_max=1)
    big = GroupOffer("all", ("GPU-0", "GPU-1"), view().offer.workloads)
    plan = planned([view(0), view(1), view(2, offer=big)], policy=one)
    assert [decision.chosen for decision in plan.decisions] == ["etc", "etc", "llama"]


def test_a_cap_comes_before_the_limit_on_switches() -> None:
    none_left = replace(POLICY, switches_max=1)
    views = [view(i) for i in range(4)]
    plan = planned(views, MINING_ONLY, farm=CAPPED, policy=none_left)
    assert plan.power_w["oslo"] <= 300.0
    assert any("where 1 may" in warning for warning in plan.warnings)


def test_sites_are_planned_apart_but_share_the_limit_on_switches() -> None:
    south = replace(FARM.sites[0], name="lagos", demand_groups=None)
    farm = replace(FARM, sites=(*FARM.sites, south))
    views = [view(0), view(1, site="lagos"), view(2, site="lagos")]
    plan = planned(views, {**PRICES, "demand": 0.0}, farm=farm, policy=FREE)
    assert [decision.chosen for decision in plan.decisions] == ["etc", "llama", "llama"]
    limited = replace(FREE, switches_max=1)
    few = planned(views, {**PRICES, "demand": 0.0}, farm=farm, policy=limited)
    assert sum(decision.moves for decision in few.decisions) == 1


def test_the_sums_of_the_plan_are_those_of_its_decisions() -> None:
    plan = planned([view(i) for i in range(6)], policy=FREE)
    chosen = [option(decision.options, decision.chosen) for decision in plan.decisions]
    assert plan.net_usd_per_h == pytest.approx(sum(o.net_usd_per_h or 0.0 for o in chosen))
    assert plan.power_w["oslo"] == pytest.approx(sum(o.power_w or 0.0 for o in chosen))
    assert [decision.key for decision in plan.decisions] == [
        GroupKey(f"rig{i:03}", "all") for i in range(6)
    ]


def test_an_empty_fleet_has_an_empty_plan() -> None:
    plan = planned([])
    assert (plan.decisions, plan.net_usd_per_h, plan.power_w) == ((), 0.0, {})


@pytest.mark.parametrize("demand", [0.0, 0.4, 1.0, 2.7, 9.0])
@pytest.mark.parametrize("power", [-0.05, 0.10, 0.40])
def test_the_plan_earns_as_much_as_any_plan_could(demand: float, power: float) -> None:
    prices = {**PRICES, "demand": demand, "power": power}
    sizes = [1, 2, 1, 3]
    views = [
        view(
            i,
            offer=GroupOffer(
                "all", tuple(f"GPU-{i}-{n}" for n in range(size)), view().offer.workloads
            ),
        )
        for i, size in enumerate(sizes)
    ]
    market = economics.market(FARM, quotes(prices))
    menus = [market.prospects(one) for one in views]
    best = max(
        sum(
            (prospect.busy_usd_per_h or 0.0) if not prospect.serves else 0.0
            for prospect in combination
        )
        + served([prospect for prospect in combination if prospect.serves], demand)
        for combination in itertools.product(*menus)
    )
    plan = planned(views, prices, policy=FREE)
    assert plan.net_usd_per_h == pytest.approx(best, abs=1e-9)


def served(servers: list[economics.Prospect], demand: float) -> float:
    """What servers net together, in the best order of being busy."""
    return max(
        sum(
            server.net_usd_per_h(min(1.0, max(0.0, demand - rank))) or 0.0
            for rank, server in enumerate(order)
        )
        for order in itertools.permutations(servers)
    )
