"""Plans with measured figures: which source counts, how nonsense is bounded, what never happens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core import farm
from controller.core.farm import EarningSettings, FarmSettings, Per, RigClassSettings
from controller.core.measured import Figures, Known, Quantity, Source
from controller.core.model import Decision, GroupView, Option
from tests.controller.fleet import FARM, PRICES, planned, view
from tests.controller.test_planner_properties import fleets, policies, prices
from wire.model import GroupOffer, Kind, WorkloadOffer

EXAMPLES = settings(max_examples=80, deadline=None)

EFFICIENCY = RigClassSettings(name="any").supply_efficiency_ratio
WORKLOADS = ("etc", "xmr", "llama")


def known(value: float, source: Source = Source.MEASURED, count: int = 212) -> Known:
    return Known(value, source, count)


def having(**gpu_w: float) -> Figures:
    return {(name, Quantity.BUSY_W): known(watts) for name, watts in gpu_w.items()}


def decided(
    figures: Figures,
    prices: Mapping[str, float | None] = PRICES,
    *,
    settings: FarmSettings = FARM,
    **changes: object,
) -> Decision:
    one = view(figures=figures, **changes)  # type: ignore[arg-type]
    return planned([one], prices, farm=settings).decisions[0]


def option(decision: Decision, workload: str | None) -> Option:
    return next(o for o in decision.options if o.workload == workload)


def paid(per: Per, workload: str = "etc", **changes: object) -> FarmSettings:
    earnings = [replace(e, per=per) if e.workload == workload else e for e in FARM.earnings]
    changed = [replace(e, **changes) if e.workload == workload else e for e in earnings]  # type: ignore[arg-type]
    return replace(FARM, earnings=tuple(changed))


def test_measured_watts_take_the_place_of_the_settings_and_say_so() -> None:
    found = option(decided(having(etc=90.0)), "etc")
    at_wall_w = 90.0 / EFFICIENCY + 20.0
    assert found.power_w == pytest.approx(at_wall_w)
    assert found.net_usd_per_h == pytest.approx(0.03 - at_wall_w / 1000 * 0.10)
    assert found.basis == "busy watts measured, 212 samples".removeprefix("busy ")
    assert (found.power_source, found.nameplate_w) == (Source.MEASURED, 130.0)


@pytest.mark.parametrize(
    ("figures", "offered_w", "source", "words"),
    [
        ({("etc", Quantity.BUSY_W): known(90.0)}, 500.0, "measured", "measured, 212 samples"),
        (
            {("etc", Quantity.BUSY_W): known(90.0, Source.AGREED, 40)},
            None,
            "agreed",
            "measured, as on 40 groups of its class",
        ),
        ({("etc", Quantity.BUSY_W): known(90.0, Source.CLASS, 9)}, None, "class", "of its class"),
        ({}, 500.0, "settings", "from the settings"),
    ],
)
def test_the_best_source_counts_and_is_named(
    figures: Figures, offered_w: float | None, source: str, words: str
) -> None:
    offer = GroupOffer("all", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING, offered_w),))
    found = option(decided(figures, offer=offer), "etc")
    assert found.power_source == source
    assert words in found.basis


def test_without_settings_the_nameplate_counts_and_without_that_nothing() -> None:
    bare = paid(Per.GPU, gpu_power_w=None)
    for watts, source in ((130.0, Source.NAMEPLATE), (None, Source.NONE)):
        offer = GroupOffer("all", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING, watts),))
        found = option(decided({}, settings=bare, offer=offer), "etc")
        assert (found.power_w, found.power_source) == (watts, source)
        assert (found.net_usd_per_h is None) == (watts is None)
    measured_only = option(decided(having(etc=90.0), settings=bare), "etc")
    assert measured_only.net_usd_per_h is not None


@pytest.mark.parametrize(("said", "taken"), [(0.001, 65.0), (1e6, 260.0)])
def test_nonsense_counts_for_no_more_than_a_factor_of_the_settings(
    said: float, taken: float
) -> None:
    found = option(decided(having(etc=said)), "etc")
    assert found.power_w == pytest.approx(taken)
    assert "too far from 130 by settings" in found.basis


def test_what_the_empty_gpus_draw_is_taken_off_the_hosts_share() -> None:
    found = decided({**having(etc=108.0), (None, Quantity.BUSY_W): known(9.0)})
    assert option(found, None).power_w == pytest.approx(20.0), "as the settings say: 10 W are host"
    assert option(found, "etc").power_w == pytest.approx(120.0 + 10.0)
    hungry = decided({(None, Quantity.BUSY_W): known(27.0)})
    assert option(hungry, None).power_w == pytest.approx(30.0), "more than the settings say"
    absurd = decided({(None, Quantity.BUSY_W): known(1_900.0)})
    assert option(absurd, None).power_w == pytest.approx(40.0), "but not by more than a factor"


def test_a_loaded_server_waits_at_what_it_was_measured_to_draw() -> None:
    figures = {**having(llama=150.0), ("llama", Quantity.IDLE_W): known(36.0)}
    found = decided(figures, {**PRICES, "demand": 0.0}, assigned="llama")
    assert option(found, "llama").power_w == pytest.approx(36.0 / EFFICIENCY + 20.0)


def test_revenue_by_hashes_is_the_price_times_what_is_hashed() -> None:
    settings = paid(Per.MEGAHASH, revenue="etc", fee_ratio=0.01, scale=2.0)
    hashing: Figures = {("etc", Quantity.HASHRATE): known(6e7)}
    found = option(decided(hashing, {**PRICES, "etc": 0.0005}, settings=settings), "etc")
    assert found.revenue_usd_per_h == pytest.approx(0.0005 * 60.0 * 2.0 * 0.99)
    assert found.basis == "watts from the settings; hashrate measured, 212 samples"


def test_revenue_by_tokens_is_the_price_of_a_million() -> None:
    settings = paid(Per.MILLION_TOKENS, "llama", fee_ratio=0.0)
    figures: Figures = {("llama", Quantity.TOKENS): known(1_000.0)}
    found = option(decided(figures, {**PRICES, "rent": 0.5}, settings=settings), "llama")
    assert found.revenue_usd_per_h == pytest.approx(0.5 * 3.6)


def test_hashes_nobody_knows_have_no_price_and_the_settings_help_out() -> None:
    settings = paid(Per.MEGAHASH)
    found = option(decided({}, settings=settings, assigned="xmr"), "etc")
    assert found.net_usd_per_h is None
    assert "nobody has measured yet what etc makes" in found.why
    helped = paid(Per.MEGAHASH, gpu_hashrate_hps=5e7)
    assert option(decided({}, settings=helped), "etc").revenue_usd_per_h == pytest.approx(1.5)


def test_a_switch_that_takes_longer_must_gain_more() -> None:
    def why(arrives_s: float) -> float:
        figures: Figures = {
            ("etc", Quantity.LEAVE_S): known(5.0),
            ("xmr", Quantity.ARRIVE_S): known(arrives_s),
        }
        found = decided(figures, {**PRICES, "xmr": 0.0245, "demand": 0.0}, switch_s=1.0)
        assert found.flip_usd_per_h is not None
        return found.flip_usd_per_h

    assert why(30_000.0) > why(30.0)


@pytest.mark.parametrize(
    ("earning", "words"),
    [
        ({"per": Per.MEGAHASH, "kind": Kind.INFERENCE}, "is for mining only"),
        ({"per": Per.MILLION_TOKENS}, "is for inference only"),
        ({"per": Per.MEGAHASH, "gpu_hashrate_hps": 0.0}, "must be above 0"),
        ({"per": Per.MEGAHASH, "gpu_hashrate_hps": math.nan}, "must be above 0"),
        ({"gpu_hashrate_hps": 5e7}, "only with `per: mhs`"),
        ({"gpu_tokens_per_s": 5.0}, "only with `per: mtoken`"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    earning: Mapping[str, object], words: str
) -> None:
    made = EarningSettings(workload="etc", kind=Kind.MINING, revenue="etc")
    settings = replace(FARM, earnings=(replace(made, **earning),))  # type: ignore[arg-type]
    assert any(words in problem for problem in farm.problems(settings, PRICES))


@pytest.mark.parametrize("ratio", [0.0, -1.0, 1.1, math.nan])
def test_no_supply_gives_more_than_it_takes(ratio: float) -> None:
    settings = replace(
        FARM, rig_classes=(RigClassSettings(name="x", supply_efficiency_ratio=ratio),)
    )
    assert any("supply_efficiency_ratio" in p for p in farm.problems(settings, PRICES))


def test_a_rig_that_was_not_heard_yet_counts_for_the_cap_at_its_last_known_watts() -> None:
    figures = having(etc=108.0)
    unheard = view(0, "etc", online=False, status=None, figures=figures)
    site = replace(FARM.sites[0], power_cap_w=200.0)
    both = [unheard, view(1, "etc", figures=figures)]
    made = planned(both, farm=replace(FARM, sites=(site,)))
    assert [decision.chosen for decision in made.decisions] == ["etc", None]
    assert made.power_w["oslo"] == pytest.approx(108.0 / EFFICIENCY + 20.0 + 20.0)


# Metamorphic: whatever is measured, these hold.


@EXAMPLES
@given(
    st.sampled_from(WORKLOADS),
    prices.filter(lambda now: now["power"] >= 0.0),
    policies,
    st.dictionaries(st.sampled_from(WORKLOADS), st.floats(1.0, 400.0)),
    st.tuples(st.floats(1.0, 400.0), st.floats(1.0, 400.0)),
)
def test_fewer_watts_never_make_the_incumbent_leave(
    incumbent: str,
    now: dict[str, float],
    policy: object,
    others: dict[str, float],
    watts: tuple[float, float],
) -> None:
    def chosen(own_w: float) -> str | None:
        one = view(assigned=incumbent, figures=having(**{**others, incumbent: own_w}))
        return planned([one], now, policy=policy).decisions[0].chosen  # type: ignore[arg-type]

    better, worse = sorted(watts)
    if chosen(worse) == incumbent:
        assert chosen(better) == incumbent


@EXAMPLES
@given(
    st.floats(0.0, 0.003),
    st.floats(-0.1, 0.5),
    policies,
    st.tuples(st.floats(1e5, 1e9), st.floats(1e5, 1e9)),
)
def test_more_hashes_never_make_the_incumbent_leave(
    price: float, power: float, policy: object, rates: tuple[float, float]
) -> None:
    settings = paid(Per.MEGAHASH, gpu_hashrate_hps=5e7)

    def chosen(hashrate: float) -> str | None:
        one = view(figures={("etc", Quantity.HASHRATE): known(hashrate)})
        now = {**PRICES, "etc": price, "power": power}
        return planned([one], now, policy=policy, farm=settings).decisions[0].chosen  # type: ignore[arg-type]

    worse, better = sorted(rates)
    if chosen(worse) == "etc":
        assert chosen(better) == "etc"


@EXAMPLES
@given(fleets(), prices, policies)
def test_what_measures_just_what_the_settings_say_changes_nothing(
    fleet: list[GroupView], now: dict[str, float], policy: object
) -> None:
    at_wall = {e.workload: e.gpu_power_w or 0.0 for e in FARM.earnings}
    same = having(**{name: (watts - 20.0) * EFFICIENCY for name, watts in at_wall.items()})
    measured = [replace(one, figures=same) for one in fleet]
    without = planned(fleet, now, policy=policy)  # type: ignore[arg-type]
    having_it = planned(measured, now, policy=policy)  # type: ignore[arg-type]
    assert having_it.net_usd_per_h == pytest.approx(without.net_usd_per_h, abs=1e-9)


@EXAMPLES
@given(fleets(), prices)
def test_no_measurement_changes_nothing(fleet: list[GroupView], now: dict[str, float]) -> None:
    irrelevant: Figures = {("gone", Quantity.BUSY_W): known(77.0)}
    bare = planned(fleet, now)
    with_it = planned([replace(one, figures=irrelevant) for one in fleet], now)
    assert with_it == bare
