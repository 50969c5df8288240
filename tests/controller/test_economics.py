import math
from dataclasses import replace

import pytest

from controller.core import farm
from controller.core.farm import EarningSettings, FarmSettings, RigClassSettings, SiteSettings
from controller.core.model import GroupView
from controller.core.options import economics
from controller.core.options.economics import busy_shares
from tests.controller.fleet import FARM, PRICES, quotes, view
from wire import configfile
from wire.model import GroupOffer, Kind, WorkloadOffer


def net(
    one: GroupView,
    workload: str | None,
    busy: float = 1.0,
    prices: dict[str, float | None] | None = None,
    settings: FarmSettings = FARM,
) -> float | None:
    market = economics.market(settings, quotes({**PRICES, **(prices or {})}))
    by_name = {prospect.workload: prospect for prospect in market.prospects(one)}
    return by_name[workload].net_usd_per_h(busy)


@pytest.mark.parametrize(
    ("workload", "busy", "expected"),
    [
        ("etc", 1.0, 0.03 - 0.130 * 0.10),
        ("xmr", 1.0, 0.02 - 0.090 * 0.10),
        (None, 1.0, -0.020 * 0.10),
        ("llama", 1.0, 0.20 * 0.8 - 0.150 * 0.10),
        ("llama", 0.25, 0.25 * 0.20 * 0.8 - (0.040 + 0.25 * 0.110) * 0.10),
        ("llama", 0.0, -0.040 * 0.10),
    ],
)
def test_net_is_revenue_after_fees_less_energy(
    workload: str | None, busy: float, expected: float
) -> None:
    assert net(view(), workload, busy) == pytest.approx(expected)


def test_groups_earn_and_draw_by_the_gpu() -> None:
    eight = view(
        offer=GroupOffer("all", tuple(f"GPU-{i}" for i in range(8)), view().offer.workloads)
    )
    assert net(eight, "etc") == pytest.approx(8 * (0.03 - 0.013))
    assert net(eight, None) == pytest.approx(8 * -0.002)


def test_negative_electricity_pays_for_drawing() -> None:
    assert net(view(), "etc", prices={"power": -0.10}) == pytest.approx(0.03 + 0.013)


def test_fees_on_electricity_are_added() -> None:
    site = replace(FARM.sites[0], power_adder_usd_per_kwh=0.05)
    dearer = replace(FARM, sites=(site,))
    assert net(view(), "etc", settings=dearer) == pytest.approx(0.03 - 0.130 * 0.15)


@pytest.mark.parametrize(
    ("stale", "workloads"),
    [
        ("etc", {"etc"}),
        ("rent", {"llama"}),
        ("demand", {"llama"}),
        ("power", {"etc", "xmr", "llama", None}),
    ],
)
def test_a_missing_price_gives_no_net_and_says_which(
    stale: str, workloads: set[str | None]
) -> None:
    market = economics.market(FARM, quotes({**PRICES, stale: None}))
    unpriced = [p for p in market.prospects(view()) if p.net_usd_per_h(1.0) is None]
    assert {p.workload for p in unpriced} == workloads
    assert all(stale in p.problem for p in unpriced)


def test_nameplate_watts_count_only_where_the_settings_give_none() -> None:
    nameplate = GroupOffer("all", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING, 500.0),))
    assert net(view(offer=nameplate), "etc") == pytest.approx(0.03 - 0.013)
    unknown = replace(FARM, earnings=(replace(FARM.earnings[0], gpu_power_w=None),))
    assert net(view(offer=nameplate), "etc", settings=unknown) == pytest.approx(0.03 - 0.050)
    assert net(view(), "etc", settings=unknown) is None


def test_the_entry_of_the_class_beats_the_general_one() -> None:
    own = replace(FARM.earnings[0], rig_class="a4000", scale=2.0)
    both = replace(FARM, earnings=(*FARM.earnings, own))
    assert net(view(), "etc", settings=both) == pytest.approx(0.06 - 0.013)
    assert net(view(rig_class="other"), "etc", settings=both) == pytest.approx(0.03 - 0.013)


def test_what_no_setting_describes_has_no_price() -> None:
    offers = (WorkloadOffer("doge", Kind.MINING), WorkloadOffer("etc", Kind.INFERENCE))
    one = view(offer=GroupOffer("all", ("GPU-0",), offers))
    assert net(one, "doge") is None
    assert net(one, "etc") is None
    assert net(view(site="nowhere"), "etc") is None


def test_requests_go_where_they_earn_most() -> None:
    assert busy_shares([0.1, 0.3, 0.2, 0.3], 2.5) == [0.0, 1.0, 0.5, 1.0]
    assert busy_shares([0.1, 0.1, 0.1], 1.2) == [1.0, pytest.approx(0.2), 0.0]
    assert busy_shares([0.1, 0.2], math.inf) == [1.0, 1.0]
    assert busy_shares([], 3.0) == []


SITE = FARM.sites[0]
ETC = FARM.earnings[0]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (FarmSettings(sites=(SITE, SITE), earnings=()), "stands twice"),
        (FarmSettings(sites=(SITE,), earnings=(ETC, ETC)), "stands twice"),
        (FarmSettings(sites=(replace(SITE, power="gold"),), earnings=()), "'gold'"),
        (FarmSettings(sites=(replace(SITE, power_cap_w=0.0),), earnings=()), "power_cap_w"),
        (FarmSettings(sites=(), earnings=(replace(ETC, fee_ratio=2.0),)), "fee_ratio"),
        (FarmSettings(sites=(), earnings=(replace(ETC, scale=math.nan),)), "scale"),
        (FarmSettings(sites=(), earnings=(replace(ETC, gpu_idle_w=20.0),)), "gpu_idle_w"),
        (FarmSettings(sites=(), earnings=(replace(ETC, gpu_power_w=-1.0),)), "gpu_power_w"),
        (
            FarmSettings(
                sites=(),
                earnings=(),
                rig_classes=(RigClassSettings(name="x", gpu_off_w=-1.0),),
            ),
            "gpu_off_w",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_named(settings: FarmSettings, named: str) -> None:
    assert any(named in problem for problem in farm.problems(settings, PRICES))


def test_the_farm_of_these_tests_has_no_problems() -> None:
    assert not list(farm.problems(FARM, PRICES))


def test_settings_are_read_from_yaml() -> None:
    text = """
sites:
  - name: oslo
    power: power
    demand_groups: demand
    power_cap_w: 12000
earnings:
  - {workload: llama, kind: inference, revenue: rent, fee_ratio: 0.2, gpu_power_w: 150}
"""
    settings = configfile.parse(text, FarmSettings, name="controller.yaml")
    assert settings.sites == (
        SiteSettings(name="oslo", power="power", demand_groups="demand", power_cap_w=12000.0),
    )
    assert settings.earnings == (
        EarningSettings(
            workload="llama", kind=Kind.INFERENCE, revenue="rent", fee_ratio=0.2, gpu_power_w=150.0
        ),
    )
