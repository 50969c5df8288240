"""What holds for every plan, whatever the fleet and the prices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.model import Block, Decision, GroupView, Hold, Observation, Plan
from controller.core.optimiser.allocation import SiteProblem, allocate
from controller.core.optimiser.site_market import Limits
from controller.core.options import standing
from controller.core.options.case import Case, stake
from controller.core.options.economics import Prospect
from controller.core.planning.planner import Situation, plan
from controller.core.policy.settings import PolicySettings, SwitchCost
from controller.core.prices import quotes as books
from controller.core.prices.plausibility import Cautious, QuoteRules
from controller.core.prices.quotes import Book
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, decided, hold, planned, status, view
from wire.model import Kind, Phase, Rejection

EXAMPLES = settings(max_examples=80, deadline=None)

WORKLOADS = ("etc", "xmr", "llama", None)

STATES = (*["well"] * 6, "off", "mute", "fail", "move", "bound", "reject", "lock")

prices = st.fixed_dictionaries(
    {
        "power": st.floats(-0.2, 0.6),
        "etc": st.floats(0.0, 0.2),
        "xmr": st.floats(0.0, 0.2),
        "rent": st.floats(0.0, 0.6),
        "demand": st.floats(0.0, 6.0),
    }
)
policies = st.builds(
    PolicySettings,
    margin_usd_per_h=st.floats(0.0, 0.02),
    off_band_usd_per_h=st.floats(0.0, 0.02),
    dwell_s=st.sampled_from([0.0, 600.0]),
    payback_s=st.floats(3600.0, 36_000.0),
    inference_switch=st.builds(
        SwitchCost, cost_usd=st.floats(0.0, 0.05), duration_s=st.floats(0.0, 900.0)
    ),
    switches_max=st.integers(1, 4),
    site_switches_max=st.integers(1, 4),
)


@st.composite
def groups(draw: st.DrawFn, number: int) -> GroupView:
    assigned = draw(st.sampled_from(WORKLOADS))
    made = view(
        number,
        assigned,
        assigned_at=NOW - draw(st.sampled_from([60.0, 86_400.0])),
        switch_s=draw(st.none() | st.floats(0.0, 900.0)),
    )
    state = draw(st.sampled_from(STATES))
    match state:
        case "off":
            return replace(made, online=False)
        case "mute":
            return replace(made, status=None)
        case "fail":
            return replace(made, status=status(None, Phase.FAILED))
        case "move":
            return replace(made, status=status(assigned, Phase.STARTING))
        case "bound":
            return replace(made, committed=True)
        case "lock" if assigned is not None:
            return replace(made, status=replace(status(assigned), lock="somebody rents it"))
        case "reject":
            return replace(made, avoided=(Rejection("llama", "out of memory"),))
        case _:
            return made


@st.composite
def fleets(draw: st.DrawFn) -> list[GroupView]:
    return [draw(groups(number)) for number in range(draw(st.integers(1, 7)))]


holds = st.lists(
    st.builds(
        hold,
        st.integers(0, 6),
        st.sampled_from(WORKLOADS),
        expires_at=st.sampled_from([NOW - 1.0, NOW + 600.0]),
    ),
    max_size=3,
    unique_by=lambda one: one.rig,
)


def tied(one: GroupView, words: Sequence[Hold]) -> bool:
    """Whether no price and no cap may move a group."""
    in_force = standing.holds_in_force(words, NOW)
    return one.committed or not standing.standing(one, in_force.get(one.key)).free


def locked(one: GroupView) -> bool:
    """Whether somebody outside has a claim on what it runs."""
    return one.status is not None and bool(one.status.lock)


def moved(views: Sequence[GroupView], words: Sequence[Hold], made: Plan) -> int:
    """Groups that the plan itself sets in motion."""
    by_key = {one.key: one for one in views}
    return sum(d.moves for d in made.decisions if not tied(by_key[d.key], words))


@EXAMPLES
@given(st.sampled_from(["etc", "xmr", "llama"]), prices, policies, st.floats(0.0, 0.5))
def test_a_better_price_never_makes_the_incumbent_leave(
    incumbent: str, before: dict[str, float], policy: PolicySettings, rise: float
) -> None:
    def chosen(now: Mapping[str, float]) -> str | None:
        return planned([view(assigned=incumbent)], now, policy=policy).decisions[0].chosen

    series = {"llama": "rent"}.get(incumbent, incumbent)
    if chosen(before) == incumbent:
        assert chosen({**before, series: before[series] + rise}) == incumbent


@EXAMPLES
@given(
    st.lists(st.integers(-40, 40), min_size=2, max_size=5),
    st.integers(0, 4),
    st.integers(-500, 500),
    st.integers(0, 3600),
)
def test_shifting_every_option_by_a_constant_keeps_the_choice(
    cents: list[int], incumbent: int, shift: int, switch_s: int
) -> None:
    # Sixty-fourths of a dollar are exact in binary: rounding must not decide a tie.
    def chosen(by: int) -> str | None:
        names: list[str | None] = [None, *(f"w{i}" for i in range(1, len(cents)))]
        prospects = {
            name: Prospect(
                name, None if name is None else Kind.MINING, 0.0, 1.0, 1.0, net / 64, net / 64
            )
            for name, net in zip(names, (cent + by for cent in cents), strict=True)
        }
        runs = names[incumbent % len(names)]
        case = Case(
            view(assigned=runs, switch_s=float(switch_s)),
            standing.Standing(runs, runs),
            prospects,
            0,
            {},
            0.0,
        )
        made = stake(case, 1.0, replace(POLICY, margin_usd_per_h=0.25, payback_s=4096.0), {})
        site = SiteProblem((made.candidate,), Limits(0.0, float("inf"), 1))
        (pick,) = allocate({"oslo": site}, 1)["oslo"].outcome.picks
        return made.candidate.choices[pick].workload

    assert chosen(0) == chosen(shift)


@EXAMPLES
@given(
    st.sampled_from([0.0, 0.10, 0.30, 1.0]),
    st.lists(st.tuples(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0)), min_size=5, max_size=30),
    st.sampled_from((*WORKLOADS[:2], None)),
)
def test_noise_within_the_band_never_makes_a_group_flap(
    power: float, noise: list[tuple[float, float]], start: str | None
) -> None:
    # Both workloads and standing still net about the same, far below zero where power is dear.
    assigned, moves = start, 0
    wobble = 0.45 * POLICY.off_band_usd_per_h
    even = {"power": power, "rent": 0.0, "demand": 0.0}
    for a, b in noise:
        etc, xmr = 0.110 * power + wobble * a, 0.070 * power + wobble * b
        decision = decided(view(assigned=assigned), {**even, "etc": etc, "xmr": xmr})
        moves += decision.moves
        assigned = decision.chosen
    assert moves == 0


RULES = {
    "power": QuoteRules(
        unit="usd_per_kwh", stale_after_s=900.0, min=-1.0, max=10.0, cautious=Cautious.HIGH
    ),
    "etc": QuoteRules(
        unit="usd", stale_after_s=900.0, min=0.0, max=5.0, step_max_ratio=2.0, step_max=0.001
    ),
    "xmr": QuoteRules(
        unit="usd", stale_after_s=900.0, min=0.0, max=5.0, step_max_ratio=2.0, step_max=0.001
    ),
}


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
    steady = {"power": 0.10, "etc": 0.03, "xmr": 0.02}
    farm = replace(FARM, sites=(replace(FARM.sites[0], demand_groups=None),))
    book, settled = Book(), 10
    for tick, wild in enumerate([*[steady[victim]] * settled, *spike, *[steady[victim]] * 10]):
        now = NOW + 60.0 * tick
        values = {**steady, victim: wild}
        words = [Observation(s, "a", v, now) for s, v in values.items() if v is not None]
        book = books.observe(book, RULES, words, now)
        made = plan(
            Situation(
                views=[view()],
                quotes=books.quotes(book, RULES, now),
                holds=[],
                policy=POLICY,
                farm=farm,
                now=now,
            )
        )
        assert made.decisions[0].chosen == "etc"


@EXAMPLES
@given(fleets(), prices, holds, policies, st.integers())
def test_input_order_is_irrelevant_and_the_plan_repeatable(
    views: list[GroupView],
    now: dict[str, float],
    words: list[Hold],
    policy: PolicySettings,
    seed: int,
) -> None:
    rng = Random(seed)
    shuffled = rng.sample(views, len(views))
    mixed = dict(rng.sample(list(now.items()), len(now)))
    again = planned(shuffled, mixed, holds=rng.sample(words, len(words)), policy=policy)
    assert planned(views, now, holds=words, policy=policy) == again


@EXAMPLES
@given(fleets(), prices, holds, policies)
def test_operators_contracts_and_limits_are_kept(
    views: list[GroupView], now: dict[str, float], words: list[Hold], policy: PolicySettings
) -> None:
    made = planned(views, now, holds=words, policy=policy)
    in_force = standing.holds_in_force(words, NOW)
    by_key = {one.key: one for one in views}
    for decision in made.decisions:
        one = by_key[decision.key]
        if one.key in in_force and not locked(one):
            assert decision.chosen == in_force[one.key].workload
        elif tied(one, words):
            assert decision.chosen == one.assigned
        elif decision.moves:
            assert decision.chosen not in standing.rejections(one)
        assert consistent(decision)
    under_way = sum(
        standing.standing(one, in_force.get(one.key)).in_switch
        or (one.key in in_force and in_force[one.key].workload != one.assigned and not locked(one))
        for one in views
    )
    limit = min(policy.switches_max, policy.site_switches_max)
    assert moved(views, words, made) <= max(0, limit - under_way)


def consistent(decision: Decision) -> bool:
    """What is said fits what is chosen."""
    nets = [o.net_usd_per_h for o in decision.options if o.net_usd_per_h is not None]
    ordered = nets == sorted(nets, reverse=True)
    explained = all(bool(o.why) for o in decision.options if o.blocked is not Block.NONE)
    flip = decision.flip_usd_per_h
    return ordered and explained and bool(decision.reason) and (flip is None or flip >= 0.0)


@EXAMPLES
@given(fleets(), prices, holds, policies, st.floats(1.0, 1000.0))
def test_a_power_cap_is_kept_unless_what_cannot_move_exceeds_it(
    views: list[GroupView],
    now: dict[str, float],
    words: list[Hold],
    policy: PolicySettings,
    cap_w: float,
) -> None:
    farm = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=cap_w),))
    made = planned(views, now, holds=words, policy=policy, farm=farm)
    by_key = {one.key: one for one in views}
    if made.power_w["oslo"] <= cap_w + 1e-6:
        return
    assert any("site oslo may draw" in warning for warning in made.warnings)
    for decision in made.decisions:
        assert tied(by_key[decision.key], words) or decision.chosen is None


@EXAMPLES
@given(st.integers(1, 7), prices)
def test_groups_move_into_inference_only_for_demand(count: int, now: dict[str, float]) -> None:
    made = planned([view(i) for i in range(count)], now, policy=replace(POLICY, switches_max=99))
    serving = sum(decision.chosen == "llama" for decision in made.decisions)
    assert serving < now["demand"] + 1.0


def test_the_steady_prices_of_these_tests_keep_etc() -> None:
    assert decided(view(), {**PRICES, "demand": 0.0}).chosen == "etc"


@EXAMPLES
@given(fleets(), prices, policies, holds)
def test_no_price_and_no_word_but_an_explicit_one_moves_what_is_locked(
    views: list[GroupView], now: dict[str, float], policy: PolicySettings, words: list[Hold]
) -> None:
    kept = {one.key: one.assigned for one in views if locked(one)}
    made = planned(views, now, holds=words, policy=policy)
    chosen = {decision.key: decision for decision in made.decisions if decision.key in kept}
    assert {key: decision.chosen for key, decision in chosen.items()} == kept
    assert not any(decision.breaks_lock for decision in chosen.values())
