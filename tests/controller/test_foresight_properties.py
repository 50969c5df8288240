"""What holds for every plan that looks ahead, whatever the past and the prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core import foresight
from controller.core.model import GroupView, Observation
from controller.core.optimiser.allocation import SiteProblem, allocate
from controller.core.optimiser.site_market import Limits
from controller.core.options import standing
from controller.core.options.case import Case, stake
from controller.core.options.economics import Prospect
from controller.core.planning.planner import Situation, plan
from controller.core.policy.settings import PolicySettings, SwitchCost
from controller.core.prices import quotes as books
from controller.core.prices.quotes import Book
from controller.core.timing.advantage import SiteForesight
from tests.controller.fleet import FARM, NOW, view
from tests.controller.foreseen import PATIENT, TICK_S, ahead, decided, planned, steady
from tests.controller.test_planner_properties import (
    RULES,
    WORKLOADS,
    consistent,
    fleets,
    prices,
    tied,
)
from wire.model import Kind

EXAMPLES = settings(max_examples=40, deadline=None)

costs = st.builds(SwitchCost, cost_usd=st.floats(0.0, 0.05), duration_s=st.floats(0.0, 4000.0))
policies = st.builds(
    PolicySettings,
    timing_tick_s=st.just(TICK_S),
    margin_usd_per_h=st.floats(0.0, 0.02),
    off_band_usd_per_h=st.floats(0.0, 0.02),
    dwell_s=st.sampled_from([0.0, 600.0]),
    mining_switch=costs,
    inference_switch=costs,
    switches_max=st.integers(1, 4),
    site_switches_max=st.integers(1, 4),
)


def pasts(now: Mapping[str, float], seed: int, groups: int) -> SiteForesight:
    """After a week that rose by day and jumped by chance, and with the present prices."""
    rng = Random(seed)
    day = [(rng.uniform(-0.1, 0.5), rng.choice((0.0, 1.0, 2.0 * groups))) for _ in range(24)]
    return ahead(
        lambda hour: day[hour],
        groups=groups,
        hour=rng.randrange(24),
        now=(now["power"], now["demand"]),
    )


@EXAMPLES
@given(
    st.sampled_from(["etc", "xmr", "llama"]),
    prices,
    policies,
    st.floats(0.0, 0.5),
    st.integers(0, 10**6),
)
def test_a_better_price_never_makes_the_incumbent_leave(
    incumbent: str, before: dict[str, float], policy: PolicySettings, rise: float, seed: int
) -> None:
    seen = pasts(before, seed, 1)

    def chosen(now: Mapping[str, float]) -> str | None:
        return decided(incumbent, seen, now, policy=policy).chosen

    series = {"llama": "rent"}.get(incumbent, incumbent)
    if chosen(before) == incumbent:
        assert chosen({**before, series: before[series] + rise}) == incumbent


@EXAMPLES
@given(
    st.lists(st.integers(-40, 40), min_size=2, max_size=5),
    st.integers(0, 4),
    st.integers(-500, 500),
    st.integers(0, 3600),
    st.integers(0, 10**6),
)
def test_shifting_every_option_by_a_constant_keeps_the_choice(
    cents: list[int], incumbent: int, shift: int, switch_s: int, seed: int
) -> None:
    seen = pasts({"power": 0.1, "demand": 0.0}, seed, 1)

    def chosen(by: int) -> str | None:
        names: list[str | None] = [None, *(f"w{i}" for i in range(1, len(cents)))]
        prospects = {
            name: Prospect(
                name, None if name is None else Kind.MINING, 0.0, 1.0, 1.0, net / 64, net / 64
            )
            for name, net in zip(names, (cent + by for cent in cents), strict=True)
        }
        runs = names[incumbent % len(names)]
        group = view(assigned=runs, route_s=dict.fromkeys(permutations(names, 2), float(switch_s)))
        case = Case(group, standing.Standing(runs, runs), prospects, 0, {}, 0.0)
        policy = replace(PATIENT, margin_usd_per_h=0.11, off_band_usd_per_h=0.07)
        (((_, promised),),) = foresight.promises(seen, [(case, 1)], 0.1, policy)
        made = stake(case, 1.0, policy, {}, promised)
        site = SiteProblem((made.candidate,), Limits(0.0, float("inf"), 1))
        (pick,) = allocate({"oslo": site}, 1)["oslo"].outcome.picks
        return made.candidate.choices[pick].workload

    assert chosen(0) == chosen(shift)


@EXAMPLES
@given(
    st.sampled_from([0.0, 0.10, 0.30, 1.0]),
    st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)), min_size=3, max_size=12),
    st.sampled_from((*WORKLOADS[:2], None)),
)
def test_noise_within_the_band_never_makes_a_group_flap(
    power: float, noise: list[tuple[float, float]], start: str | None
) -> None:
    # Both workloads and standing still net about the same, far below zero where power is dear.
    seen = ahead(steady(power, 0.0))
    assigned, moves = start, 0
    wobble = 0.45 * PATIENT.off_band_usd_per_h
    even = {"power": power, "rent": 0.0, "demand": 0.0}
    for a, b in noise:
        etc, xmr = 0.110 * power + wobble * a, 0.070 * power + wobble * b
        decision = decided(assigned, seen, {**even, "etc": etc, "xmr": xmr})
        moves += decision.moves
        assigned = decision.chosen
    assert moves == 0


@EXAMPLES
@given(
    st.sampled_from(["etc", "xmr"]),
    st.lists(
        st.floats().filter(lambda x: not 0.0045 < x < 0.12) | st.floats(0.0, 0.0045) | st.none(),
        min_size=1,
        max_size=4,
    ),
)
def test_a_spike_of_a_single_source_never_switches(victim: str, spike: list[float | None]) -> None:
    """Spikes larger than a step, either way, and silence (none), for less than they must hold."""
    worth = {"power": 0.10, "etc": 0.03, "xmr": 0.02}
    farm = replace(FARM, sites=(replace(FARM.sites[0], demand_groups=None),))
    seen = ahead(steady(0.10, float("inf")))
    book, settled = Book(), 10
    for tick, wild in enumerate([*[worth[victim]] * settled, *spike, *[worth[victim]] * 4]):
        now = NOW + 60.0 * tick
        values = {**worth, victim: wild}
        words = [Observation(s, "a", v, now) for s, v in values.items() if v is not None]
        book = books.observe(book, RULES, words, now)
        made = plan(
            Situation(
                views=[view()],
                quotes=books.quotes(book, RULES, now),
                holds=[],
                policy=PATIENT,
                farm=farm,
                now=now,
                foresight={"oslo": seen},
            )
        )
        assert made.decisions[0].chosen == "etc"


@EXAMPLES
@given(fleets(), prices, policies, st.integers(0, 10**6))
def test_input_order_is_irrelevant_and_the_plan_repeatable(
    views: list[GroupView], now: dict[str, float], policy: PolicySettings, seed: int
) -> None:
    shuffled = Random(seed).sample(views, len(views))
    seen = pasts(now, seed, len(views))
    fresh = SiteForesight(seen.told, seen.groups)
    again = planned(shuffled, fresh, now, policy=policy)
    assert planned(views, seen, now, policy=policy) == again


@EXAMPLES
@given(fleets(), prices, policies, st.integers(0, 10**6))
def test_what_is_tied_stays_and_limits_are_kept(
    views: list[GroupView], now: dict[str, float], policy: PolicySettings, seed: int
) -> None:
    made = planned(views, pasts(now, seed, len(views)), now, policy=policy)
    by_key = {one.key: one for one in views}
    begun = 0
    for decision in made.decisions:
        one = by_key[decision.key]
        begun += decision.moves
        if tied(one, ()):
            assert decision.chosen == one.assigned
        elif decision.moves:
            assert decision.chosen not in standing.rejections(one)
            assert one.assigned_at + policy.dwell_s <= NOW
        assert consistent(decision)
    under_way = sum(standing.standing(one, None).in_switch for one in views)
    assert begun <= max(0, min(policy.switches_max, policy.site_switches_max) - under_way)


@EXAMPLES
@given(fleets(), prices, policies, st.floats(1.0, 1000.0), st.integers(0, 10**6))
def test_a_power_cap_is_kept_unless_what_cannot_move_exceeds_it(
    views: list[GroupView],
    now: dict[str, float],
    policy: PolicySettings,
    cap_w: float,
    seed: int,
) -> None:
    farm = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=cap_w),))
    made = planned(views, pasts(now, seed, len(views)), now, policy=policy, farm=farm)
    by_key = {one.key: one for one in views}
    if made.power_w["oslo"] <= cap_w + 1e-6:
        return
    assert any("site oslo may draw" in warning for warning in made.warnings)
    for decision in made.decisions:
        assert tied(by_key[decision.key], ()) or decision.chosen is None
