"""A rollout holds back what a price asks for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core import rollout
from controller.core.model import Block, GroupKey, GroupView, Plan
from controller.core.rollout import Attempt, History, RolloutSettings, Step
from controller.rollout import Rollout
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, hold, planned, status, view
from wire.model import Outcome, Phase, Result

RICH = {**PRICES, "xmr": 0.20}
"""All groups that run etc would rather run xmr."""

EAGER = replace(POLICY, switches_max=100, site_switches_max=100, dwell_s=0.0)


NOTHING = History()


def fleet(size: int = 8) -> list[GroupView]:
    return [view(number) for number in range(size)]


def wish(views: list[GroupView]) -> Plan:
    return planned(views, {**RICH, "demand": 0.0}, policy=EAGER)


def admitted(
    settings: RolloutSettings, views: list[GroupView], history: History = NOTHING
) -> tuple[Plan, list[str]]:
    """The plan that is let through, and who moves."""
    plan, _ = rollout.admitted(wish(views), views, set(), history, settings)
    return plan, [d.key.rig for d in plan.decisions if d.moves]


def moving(number: int) -> GroupView:
    """On its way from etc to xmr."""
    going = status("etc", Phase.STARTING, generation=2)
    return view(number, "xmr", status=going, generation=2, assigned_at=NOW - 5)


def test_without_settings_everything_goes_at_once() -> None:
    plan, movers = admitted(RolloutSettings(), fleet())
    assert len(movers) == 8
    assert plan == wish(fleet())


def test_a_canary_goes_first_and_the_others_say_whom_they_wait_for() -> None:
    plan, movers = admitted(RolloutSettings(canary_groups=1), fleet())
    assert movers == ["rig000"]
    second = plan.decisions[1]
    assert second.blocked is Block.ROLLOUT
    assert second.chosen == second.current == "etc"
    assert second.reason == (
        "mine etc for now: xmr pays more, but rig000/all must have run it for 10 min first"
    )


def test_while_the_canary_is_on_its_way_or_young_nobody_follows() -> None:
    settings = RolloutSettings(canary_groups=1, canary_s=600)
    young = view(0, "xmr", assigned_at=NOW - 599)
    assert admitted(settings, [moving(0), *fleet()[1:]])[1] == []
    assert admitted(settings, [young, *fleet()[1:]])[1] == []


def test_when_the_canary_has_run_long_enough_all_follow() -> None:
    proven = view(0, "xmr", assigned_at=NOW - 600)
    assert len(admitted(RolloutSettings(canary_groups=1), [proven, *fleet()[1:]])[1]) == 7


def test_another_class_has_canaries_of_its_own() -> None:
    proven = view(0, "xmr", assigned_at=NOW - 600)
    others = [view(n, rig_class="a5000") for n in (1, 2, 3)]
    assert admitted(RolloutSettings(canary_groups=1), [proven, *others])[1] == ["rig001"]


def test_a_failed_canary_makes_way_for_the_next() -> None:
    broken = view(0, "etc", status=status("etc", Phase.FAILED))
    assert admitted(RolloutSettings(canary_groups=1), [broken, *fleet()[1:]])[1] == ["rig001"]


def test_waves_let_a_part_of_the_class_go_at_once() -> None:
    settings = RolloutSettings(wave_ratio=0.25)
    plan, movers = admitted(settings, fleet())
    assert movers == ["rig000", "rig001"]
    assert "2 of 8 groups of its class are on their way there" in plan.decisions[2].reason
    assert admitted(settings, [moving(0), *fleet()[1:]])[1] == ["rig001"]
    assert len(admitted(RolloutSettings(wave_ratio=0.01), fleet())[1]) == 1


def attempts(failed: int, done: int, at: float = NOW - 60) -> History:
    ends = [True] * failed + [False] * done
    keys = [GroupKey(f"rig{n % 8:03}", "all") for n in range(len(ends))]
    return History(tuple(Attempt(k, "xmr", at, e) for k, e in zip(keys, ends, strict=True)))


def test_a_spent_budget_of_failures_stops_the_rest() -> None:
    settings = RolloutSettings(failures_max=3)
    plan, movers = admitted(settings, fleet(), attempts(3, 2))
    assert movers == []
    assert "3 of 5 switches of its class to it failed in the last 60 min" in (
        plan.decisions[0].reason
    )
    assert len(admitted(settings, fleet(), attempts(2, 0))[1]) == 8
    assert len(admitted(settings, fleet(), attempts(3, 4))[1]) == 8
    assert len(admitted(settings, fleet(), attempts(3, 0, at=NOW - 3600))[1]) == 8
    assert len(admitted(replace(settings, failures_max=0), fleet(), attempts(9, 0))[1]) == 8


def test_an_operators_word_goes_through_a_stop() -> None:
    views = fleet()
    plan = planned(views, {**RICH, "demand": 0.0}, policy=EAGER, holds=[hold(0, "xmr")])
    settings = RolloutSettings(canary_groups=1, failures_max=1)
    plan, _ = rollout.admitted(plan, views, {views[0].key}, attempts(5, 0), settings)
    assert [d.key.rig for d in plan.decisions if d.moves] == ["rig000"]


def test_what_a_power_cap_asks_for_goes_through() -> None:
    capped = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=600.0),))
    views = fleet()
    plan = planned(views, {**PRICES, "etc": 0.3, "demand": 0.0}, policy=EAGER, farm=capped)
    shed = [d.key for d in plan.decisions if d.moves]
    settings = RolloutSettings(canary_groups=1, wave_ratio=0.01, ramp_w_per_min=1.0)
    through, _ = rollout.admitted(plan, views, set(), NOTHING, settings)
    assert shed
    assert [d.key for d in through.decisions if d.moves] == shed


def standing(size: int = 8) -> list[GroupView]:
    return [view(number, None) for number in range(size)]


def test_a_ramp_adds_so_many_watts_in_a_minute() -> None:
    settings = RolloutSettings(ramp_w_per_min=150.0)
    plan, movers = admitted(settings, standing())
    assert movers == ["rig000", "rig001"]  # 90 W each above 20 W of standing still.
    assert plan.power_w["oslo"] == pytest.approx(2 * 90.0 + 6 * 20.0)
    assert "adds 0.14 kW in this minute and may add 0.15 kW" in plan.decisions[2].reason
    half = History(steps=(Step("oslo", NOW - 59, 100.0),))
    assert admitted(settings, standing(), half)[1] == []
    assert (
        len(admitted(settings, standing(), History(steps=(Step("oslo", NOW - 60, 100.0),)))[1]) == 2
    )
    assert len(admitted(settings, standing(), History(steps=(Step("oslo", NOW, 60.0),)))[1]) == 1


def test_a_group_larger_than_the_ramp_goes_alone_and_takes_its_minutes() -> None:
    settings = RolloutSettings(ramp_w_per_min=35.0)
    assert admitted(settings, standing())[1] == ["rig000"]
    for ago, count in ((119.0, 0), (120.0, 1)):
        history = History(steps=(Step("oslo", NOW - ago, 70.0),))
        assert len(admitted(settings, standing(), history)[1]) == count


@given(
    st.integers(1, 12),
    st.integers(0, 3),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.sampled_from([None, 50.0, 300.0]),
    st.integers(0, 6),
)
def test_nothing_is_added_and_only_moves_for_money_are_held_back(
    size: int, canary: int, wave: float, ramp: float | None, failed: int
) -> None:
    views = [*standing(size), *fleet(size)]
    views = [replace(v, key=GroupKey(f"r{i:03}", "all")) for i, v in enumerate(views)]
    settings = RolloutSettings(canary_groups=canary, wave_ratio=wave, ramp_w_per_min=ramp)
    before = planned(views, {**RICH, "demand": 0.0}, policy=EAGER, holds=[])
    after, steps = rollout.admitted(before, views, set(), attempts(failed, 0), settings)
    for old, new in zip(before.decisions, after.decisions, strict=True):
        assert new == old or (not new.moves and new.blocked is Block.ROLLOUT and old.moves)
    assert len(steps) <= sum(d.moves for d in after.decisions)


def test_what_was_let_through_counts_in_the_next_minute_and_failures_are_learned() -> None:
    settings = RolloutSettings(ramp_w_per_min=150.0, failures_max=2)
    keeper = Rollout(lambda: settings)
    first = keeper.admit(wish(standing()), standing(), ())
    assert sum(d.moves for d in first.decisions) == 2
    assert not any(d.moves for d in keeper.admit(wish(standing()), standing(), ()).decisions)
    later = replace(wish(standing()), at=NOW + 60)
    assert sum(d.moves for d in keeper.admit(later, standing(), ()).decisions) == 2
    for rig in ("rig000", "rig001"):
        keeper.ended(rig, outcome(Result.ROLLED_BACK), NOW + 90)
        keeper.ended(rig, outcome(Result.SUPERSEDED), NOW + 90)
    stopped = keeper.admit(replace(later, at=NOW + 200), standing(), ())
    assert not any(d.moves for d in stopped.decisions)
    assert "2 of 2 switches" in stopped.decisions[0].reason


def outcome(result: Result) -> Outcome:
    return Outcome(
        group="all",
        order_id="o",
        generation=2,
        workload="xmr",
        origin="etc",
        result=result,
        reason="",
        phase_s=(),
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"canary_groups": -1}, "canary_groups must be 0"),
        ({"failures_max": -1}, "failures_max must be 0"),
        ({"wave_ratio": 0.0}, "wave_ratio must be above 0 to 1"),
        ({"canary_s": 0.0}, "canary_s must be above 0"),
        ({"failures_window_s": float("inf")}, "failures_window_s must be above 0 and finite"),
        ({"ramp_w_per_min": 0.0}, "leave it out for no ramp"),
    ],
)
def test_what_cannot_be_meant_is_named(changes: dict[str, float], text: str) -> None:
    (problem,) = rollout.problems(replace(RolloutSettings(), **changes))  # type: ignore[arg-type]
    assert text in problem
