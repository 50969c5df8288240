import math
from dataclasses import replace

import pytest

from controller.core.policy import settings as policy
from controller.core.policy.settings import (
    PolicySettings,
    Route,
    SwitchCost,
    hurdle_usd_per_h,
    switch_usd,
)
from wire.model import Kind

MINING, INFERENCE, OFF = Kind.MINING, Kind.INFERENCE, None

POLICY = PolicySettings(
    margin_usd_per_h=0.010,
    off_band_usd_per_h=0.003,
    payback_s=3600.0,
    mining_switch=SwitchCost(cost_usd=0.001, duration_s=36.0),
    inference_switch=SwitchCost(cost_usd=0.020, duration_s=360.0),
)


@pytest.mark.parametrize(
    ("origin", "target", "expected"),
    [
        (MINING, MINING, 0.010),
        (MINING, OFF, 0.003),
        (OFF, MINING, 0.003),
        (MINING, INFERENCE, 0.020),
        (INFERENCE, MINING, 0.020),
        (OFF, INFERENCE, 0.020),
    ],
)
def test_the_hurdle_is_the_band_or_the_payback_if_that_is_more(
    origin: Kind | None, target: Kind | None, expected: float
) -> None:
    assert hurdle_usd_per_h(POLICY, Route(origin, target, None, 0.0)) == pytest.approx(expected)


def test_a_switch_costs_the_income_that_it_interrupts() -> None:
    route = Route(INFERENCE, MINING, None, 0.5)
    assert switch_usd(POLICY, route) == pytest.approx(0.020 + 0.1 * 0.5)


def test_measured_seconds_take_the_place_of_the_settings() -> None:
    route = Route(INFERENCE, MINING, 1800.0, 0.5)
    assert switch_usd(POLICY, route) == pytest.approx(0.020 + 0.5 * 0.5)


def test_leaving_a_loss_is_never_a_bonus() -> None:
    assert switch_usd(POLICY, Route(MINING, OFF, 3600.0, -5.0)) == pytest.approx(0.001)


def test_a_longer_horizon_asks_for_less() -> None:
    route = Route(MINING, INFERENCE, None, 0.5)
    longer = replace(POLICY, payback_s=4 * 3600.0)
    assert hurdle_usd_per_h(longer, route) == pytest.approx(hurdle_usd_per_h(POLICY, route) / 4)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"margin_usd_per_h": -0.1}, "margin_usd_per_h"),
        ({"off_band_usd_per_h": math.nan}, "off_band_usd_per_h"),
        ({"dwell_s": math.inf}, "dwell_s"),
        ({"payback_s": 0.0}, "payback_s"),
        ({"switches_max": 0}, "switches_max"),
        ({"site_switches_max": 0}, "site_switches_max"),
        ({"mining_switch": SwitchCost(cost_usd=-1.0, duration_s=1.0)}, "mining_switch.cost_usd"),
        (
            {"inference_switch": SwitchCost(cost_usd=0.0, duration_s=1e6)},
            "inference_switch.duration_s",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_named(changes: dict[str, object], named: str) -> None:
    bad = replace(POLICY, **changes)  # type: ignore[arg-type]
    assert any(named in problem for problem in policy.problems(bad))


def test_the_defaults_have_no_problems() -> None:
    assert not list(policy.problems(PolicySettings()))
