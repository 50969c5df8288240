"""Plans that look ahead, case by case: who serves, what is said, and what still binds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core import alike, foresight
from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings
from controller.core.measured import Known, Quantity, Source
from controller.core.model import Block, Decision, GroupView, Plan
from controller.core.optimiser.roster import Roster
from controller.core.options import economics
from controller.core.options.case import Case, Promises
from controller.core.planning import planner
from controller.core.policy.settings import PolicySettings, SwitchCost, Timing, problems
from controller.core.timing.advantage import SiteForesight
from tests.controller import fleet
from tests.controller.fleet import FARM, NOW, PRICES, quotes, view
from tests.controller.foreseen import PATIENT, ahead, decided, planned, steady
from wire.model import Kind, Rejection

BUSY = {**PRICES, "rent": 0.20, "demand": 3.0}
MINING_ONLY = {**PRICES, "demand": 0.0}


def burst(hours: range, groups: float = 3.0) -> SiteForesight:
    """Seen at noon: work at these hours of every day, and none now."""
    return ahead(lambda hour: (0.10, groups if hour in hours else 0.0), groups=3, now=(0.10, 0.0))


def chosen(plan: Plan) -> list[str | None]:
    return [decision.chosen for decision in plan.decisions]


def option_why(decision: Decision, workload: str | None) -> tuple[Block, str]:
    found = next(option for option in decision.options if option.workload == workload)
    return found.blocked, found.why


def test_a_move_says_what_it_brings_over_the_day() -> None:
    decision = decided("etc", ahead(steady(0.10, 3.0)), BUSY)
    assert decision.chosen == "llama"
    assert "more over the next 24 h than to mine etc all the while" in decision.reason
    # 12.8 cents an hour more than mining, for a day and what is left of the hour.
    assert "expects $3.0" in decision.reason or "expects $2.9" in decision.reason


def test_who_stays_is_told_what_going_would_lose() -> None:
    """Another coin pays a little more: less than the band."""
    prices = {**MINING_ONLY, "rent": 0.0, "xmr": PRICES["etc"] - 0.004 + 0.002}
    decision = decided("etc", ahead(steady(0.10, 0.0)), prices)
    assert decision.chosen == "etc"
    blocked, why = option_why(decision, "xmr")
    assert blocked is Block.MARGIN
    assert "over the next 24 h it is expected to bring $0.05 less than staying" in why
    assert why in decision.reason


def test_the_distance_to_the_flip_is_about_what_a_lasting_rise_must_be() -> None:
    prices = {**MINING_ONLY, "xmr": 0.02}
    seen = ahead(steady(0.10, 0.0))
    flip = decided("etc", seen, prices).flip_usd_per_h
    assert flip is not None
    assert decided("etc", seen, {**prices, "xmr": 0.02 + 0.98 * flip}).chosen == "etc"
    assert decided("etc", seen, {**prices, "xmr": 0.02 + 1.02 * flip}).chosen == "xmr"


def test_nobody_follows_a_burst_that_ends_too_soon() -> None:
    """The same present prices: whether the next hour is as good decides."""
    slow = replace(PATIENT, inference_switch=SwitchCost(cost_usd=0.05, duration_s=1800.0))
    lasting = ahead(steady(0.10, 3.0))
    fading = ahead(lambda hour: (0.10, 3.0 if hour == 12 else 0.0))
    assert decided("etc", lasting, BUSY, policy=slow).chosen == "llama"
    assert decided("etc", fading, BUSY, policy=slow).chosen == "etc"


def test_a_group_that_serves_waits_through_an_hour_without_work() -> None:
    dull = {**MINING_ONLY, "etc": 0.018}
    idle = ahead(steady(0.10, 0.0))
    lunch = ahead(lambda hour: (0.10, 0.0 if hour == 12 else 3.0))
    assert decided("llama", lunch, dull).chosen == "llama"
    assert decided("llama", idle, dull).chosen != "llama"


def test_each_group_reckons_with_the_demand_that_others_leave() -> None:
    views = [view(number) for number in range(3)]
    seen = ahead(steady(0.10, 2.0), groups=3)
    free = replace(PATIENT, switches_max=9, site_switches_max=9)
    assert sorted(map(str, chosen(planned(views, seen, {**BUSY, "demand": 2.0}, policy=free)))) == [
        "etc",
        "llama",
        "llama",
    ]


def test_who_serves_already_is_filled_first() -> None:
    views = [view(0), view(1), view(2, "llama")]
    seen = ahead(steady(0.10, 1.0), groups=3)
    assert chosen(planned(views, seen, {**BUSY, "demand": 1.0})) == ["etc", "etc", "llama"]


def test_who_earns_most_by_being_busy_is_filled_first() -> None:
    """Two classes at one site share its demand."""
    strong = EarningSettings(
        workload="llama", rig_class="h100", kind=Kind.INFERENCE, revenue="rent", scale=3.0,
        gpu_power_w=150.0, gpu_idle_w=40.0,
    )  # fmt: skip
    farm = replace(
        FARM,
        earnings=(*FARM.earnings, strong),
        rig_classes=(*FARM.rig_classes, RigClassSettings(name="h100", gpu_off_w=20.0)),
    )
    views = [view(0), view(1), view(2, rig_class="h100"), view(3, rig_class="h100")]
    seen = ahead(steady(0.10, 2.0), groups=4)
    made = planned(views, seen, {**BUSY, "demand": 2.0}, farm=farm)
    assert chosen(made) == ["etc", "etc", "llama", "llama"]


def test_of_a_crowd_those_beyond_the_demand_stay() -> None:
    many = 400
    views = [view(number) for number in range(many)]
    seen = ahead(steady(0.10, 200.0), groups=many)
    free = replace(PATIENT, switches_max=many, site_switches_max=many)
    made = planned(views, seen, {**BUSY, "demand": 200.0}, policy=free)
    assert chosen(made).count("llama") == pytest.approx(200, abs=many / 50)


def test_counts_of_groups_fare_as_each_alone() -> None:
    seen = ahead(steady(0.10, 5.0), groups=8)
    (case, *_), policy = cases_of([view(number) for number in range(8)]), PATIENT
    (parts,) = foresight.promises(seen, [(case, 8)], PRICES["power"], policy)
    single = foresight.promises(seen, [(case, 1)] * 8, PRICES["power"], policy)
    spread = [promised for count, promised in parts for _ in range(count)]
    assert spread == [promised for ((_, promised),) in single]


def test_dwell_power_cap_and_rejection_still_bind() -> None:
    seen = ahead(steady(0.10, 3.0))
    fresh = planned([view(assigned_at=NOW - 1.0)], seen, BUSY).decisions[0]
    assert (fresh.chosen, fresh.blocked) == ("etc", Block.DWELL)
    failed = planned([view(avoided=(Rejection("llama", "out of memory"),))], seen, BUSY)
    assert (failed.decisions[0].chosen, failed.decisions[0].blocked) == ("etc", Block.REJECTED)
    capped = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=100.0),))
    shed = planned([view()], seen, BUSY, farm=capped).decisions[0]
    assert shed.chosen == "xmr"
    assert "the site may draw" in shed.reason


def test_switches_beyond_the_limit_wait_and_the_best_go_first() -> None:
    views = [view(number) for number in range(3)]
    seen = ahead(steady(0.10, 2.3), groups=3)
    made = planned(views, seen, {**BUSY, "demand": 2.3}, policy=replace(PATIENT, switches_max=1))
    assert chosen(made) == ["llama", "etc", "etc"]
    assert made.decisions[1].blocked is Block.CONCURRENCY


def test_payback_decides_where_it_is_chosen_and_where_nothing_was_seen() -> None:
    seen = burst(range(13, 23))
    by_payback = replace(PATIENT, timing=Timing.PAYBACK)
    assert decided("etc", seen, MINING_ONLY, policy=by_payback) == _alone(by_payback)
    assert planned([view()], seen, MINING_ONLY).decisions[0] != _alone(by_payback)


def _alone(policy: PolicySettings) -> Decision:
    return fleet.planned([view()], MINING_ONLY, policy=policy).decisions[0]


def cases_of(views: list[GroupView], farm: FarmSettings = FARM) -> list[Case]:
    situation = planner.Situation(
        views=views, quotes=quotes(BUSY), holds=(), policy=PATIENT, farm=farm, now=NOW
    )
    roster, market = Roster(), economics.market(farm, situation.quotes)
    roster.muster(views, {})
    batches = planner._batches(situation, market, roster)
    return [batch.case for batch in batches for _ in batch.members]


def test_rarer_kinds_than_are_looked_ahead_for_go_by_payback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(foresight, "POOLS_MAX", 1)
    strange = {("etc", Quantity.BUSY_W): Known(140.0, Source.MEASURED, 50)}
    cases = cases_of([view(0), view(1), view(2, figures=strange)])
    seen = ahead(steady(0.10, 3.0), groups=3)
    parts = foresight.promises(seen, [(case, 1) for case in cases], PRICES["power"], PATIENT)
    assert [isinstance(promised, Promises) for ((_, promised),) in parts] == [True, True, False]


def test_measured_seconds_come_before_those_of_the_class_and_of_the_settings() -> None:
    (case,) = cases_of([view()])
    (routed,) = cases_of([view(route_s={("etc", "llama"): 2000.0})])
    figures = {
        ("etc", Quantity.LEAVE_S): Known(100.0, Source.MEASURED, 5),
        ("llama", Quantity.ARRIVE_S): Known(2700.0, Source.MEASURED, 5),
    }
    (measured,) = cases_of([view(route_s={("etc", "llama"): 2000.0}, figures=figures)])
    ticks = []
    for one in (case, routed, measured):
        found = alike.alike(one, PRICES["power"], PATIENT)
        assert found is not None
        origin, target = found.workloads.index("etc"), found.workloads.index("llama")
        ticks.append(found.pool.ticks[origin][target])
    assert ticks == [0, 2, 3]


def test_without_a_price_of_power_nothing_is_promised() -> None:
    (case,) = cases_of([view()])
    assert foresight.promises(burst(range(3)), [(case, 2)], None, PATIENT) == [[(2, None)]]


@pytest.mark.parametrize("tick_s", [0.0, 59.0, 700.0, 7200.0, float("nan")])
def test_a_tick_that_is_no_part_of_an_hour_is_refused(tick_s: float) -> None:
    (problem,) = problems(PolicySettings(timing_tick_s=tick_s))
    assert "timing_tick_s must be a whole part of an hour" in problem
