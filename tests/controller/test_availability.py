"""Availability: counted from what ran, judged by the month, and what a contract is spared."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.table import Table

from controller import overview
from controller.cli import policy_tables
from controller.core.contracts.availability import (
    Attendance,
    Service,
    judge,
    judged,
    month_begins_at,
    month_ends_at,
)
from controller.core.farm import FarmSettings
from controller.core.model import Plan
from controller.core.obligation import Availability
from controller.core.planning.obligations import Circumstances
from controller.core.policy.contract import Curtailed
from controller.core.policy.maintenance import MaintenanceSettings
from controller.ports import Scene
from controller.regime import Regime, Surroundings
from tests.controller.fleet import FARM, NOW, PRICES, quotes, status, view
from tests.controller.governed import OWING, policy
from tests.controller.policy_world import at, bound, contract, owing, planned

HOUR_S = 3600.0
LEAP_DAY = datetime(2028, 2, 29, 23, 30, tzinfo=UTC).timestamp()
SPARED = Availability(
    promised_ratio=0.99,
    owed_gpu_h=100.0,
    short_gpu_h=7.0,
    allowed_gpu_h=7.2,
    left_s=720.0,
    guarded=True,
)
BROKEN = replace(SPARED, short_gpu_h=8.0, left_s=-2880.0)
ACME = contract("acme", start=datetime(2028, 1, 1, tzinfo=UTC), gpus=4)


def test_each_month_stands_for_itself_and_adds_up() -> None:
    attendance = Attendance()
    for at_, service in (
        (LEAP_DAY, Service(100.0, 2.0)),
        (LEAP_DAY, Service(4.0, 1.0)),
        (LEAP_DAY + HOUR_S, Service(2.0, 0.0)),
    ):
        attendance.learn("acme", at_, service)
    assert attendance.service("acme", LEAP_DAY) == Service(104.0, 3.0)
    assert attendance.service("acme", LEAP_DAY + HOUR_S) == Service(2.0, 0.0)
    assert attendance.service("beta", LEAP_DAY) == Service()
    assert month_ends_at(LEAP_DAY) == month_begins_at(LEAP_DAY + HOUR_S) == LEAP_DAY + HOUR_S / 2


def test_what_may_be_missing_is_a_part_of_the_whole_month() -> None:
    found = judge(ACME, Service(400.0, 10.0), LEAP_DAY)
    assert found.allowed_gpu_h == pytest.approx(0.01 * 4 * 29 * 24)
    assert found.left_s == pytest.approx((found.allowed_gpu_h - 10.0) / 4 * HOUR_S)
    assert found.ratio == pytest.approx(0.975)
    assert (found.guarded, found.breached) == (False, False)


@pytest.mark.parametrize(
    ("short", "guarded", "breached"), [(20.8, False, False), (20.9, True, False), (28, True, True)]
)
def test_little_left_is_spared_and_nothing_left_is_a_breach(
    short: float, guarded: bool, breached: bool
) -> None:
    found = judge(ACME, Service(400.0, short), LEAP_DAY)
    assert (found.guarded, found.breached) == (guarded, breached)


def test_a_contract_that_begins_late_in_the_month_may_miss_less() -> None:
    late = replace(ACME, start=datetime(2028, 2, 28, tzinfo=UTC))
    assert judge(late, Service(), LEAP_DAY).allowed_gpu_h == pytest.approx(0.01 * 4 * 48)


def test_who_promised_all_is_always_spared() -> None:
    assert judge(replace(ACME, availability_ratio=1.0), Service(), LEAP_DAY).guarded
    assert judge(ACME, Service(), LEAP_DAY).ratio is None


def test_contracts_that_are_not_in_force_are_not_judged() -> None:
    ahead = contract("ahead", start=at(60.0))
    assert set(judged([ACME, contract("beta"), ahead], Attendance(), NOW)) == {"beta"}


def spared(*names: str, **figures: float) -> Circumstances:
    one = replace(SPARED, **figures)  # type: ignore[arg-type]
    return Circumstances(availability=dict.fromkeys(names, one))


def test_who_can_bear_no_downtime_gets_groups_before_a_dearer_one() -> None:
    cheap = contract("cheap", workload="llama", penalty_usd_per_gpu_h=0.1)
    dear = contract("dear", workload="xmr", penalty_usd_per_gpu_h=9.0)
    lacking = [
        {one.contract: one.lacking_gpus for one in plan.contracts}
        for plan in (
            planned([view()], owing(cheap, dear)),
            planned([view()], owing(cheap, dear), circumstances=spared("cheap")),
        )
    ]
    assert lacking == [{"cheap": 1, "dear": 0}, {"cheap": 0, "dear": 1}]


def test_nobody_is_taken_from_it_even_where_relief_stands_ready() -> None:
    anywhere = contract("anywhere", warm_spare_gpus=1)
    picky = contract("picky", workload="xmr", rig_classes=("h100",), penalty_usd_per_gpu_h=9.0)
    views = [view(0, "llama", committed=True, rig_class="h100")]
    views += [view(1, "llama", committed=True), view(2)]
    policy_ = owing(anywhere, picky)
    assert [d.chosen for d in planned(views, policy_).decisions] == ["xmr", "llama", "llama"]
    kept = planned(views, policy_, circumstances=spared("anywhere"))
    assert kept.decisions[0].chosen == "llama"
    assert {c.contract: c.lacking_gpus for c in kept.contracts}["picky"] == 1


def tight(cap_w: float) -> FarmSettings:
    return replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=cap_w),))


def test_it_is_the_last_to_yield_to_a_power_cap() -> None:
    views = [view(0, "llama", committed=True), view(1, "xmr", committed=True)]
    yields = {"curtailed": Curtailed.YIELD}
    cheap = contract("cheap", penalty_usd_per_gpu_h=0.1, **yields)
    dear = contract("dear", workload="xmr", penalty_usd_per_gpu_h=9.0, **yields)
    for circumstances, left in ((Circumstances(), "rig001"), (spared("cheap"), "rig000")):
        plan = planned(views, owing(cheap, dear), farm=tight(190.0), circumstances=circumstances)
        assert bound(plan) == [left]


def test_maintenance_that_it_can_hardly_bear_is_told_a_day_ahead() -> None:
    window = MaintenanceSettings(name="fans", begin=at(HOUR_S), end=at(2 * HOUR_S))
    policy_ = owing(contract(), maintenance=(window,))
    serving = [view(0, "llama", committed=True)]

    def told(circumstances: Circumstances) -> list[str]:
        plan = planned(serving, policy_, circumstances=circumstances)
        return [text for text in plan.warnings if text.startswith("maintenance")]

    (text,) = told(spared("acme"))
    assert "stops 1 GPUs that serve contract acme, which may be down for 12 min more" in text
    assert told(Circumstances()) == []


def warned(figures: Availability) -> Plan:
    serving = [view(0, "llama", committed=True)]
    return planned(
        serving, owing(contract()), circumstances=Circumstances(availability={"acme": figures})
    )


def test_what_is_nearly_broken_and_what_is_broken_is_told_with_numbers() -> None:
    (near,) = warned(SPARED).warnings
    assert near == (
        "contract acme with acme inc was served 93.000% of this month so far, 99% is promised: "
        "it may be down for 12 min more, so it is spared"
    )
    (breach,) = warned(BROKEN).warnings
    assert breach.endswith(
        "8.0 GPU-hours are missing where 7.2 may be in the whole month, so $16.00 are due"
    )
    assert warned(replace(SPARED, short_gpu_h=1.0, guarded=False)).warnings == ()


def test_the_doctor_and_the_table_say_how_a_contract_stands() -> None:
    (good,) = [c for c in overview.promises(warned(SPARED)) if c.name == "availability"]
    (bad,) = [c for c in overview.promises(warned(BROKEN)) if c.name == "availability"]
    assert (good.ok, bad.ok) == (True, False)
    assert bad.detail.endswith(": acme was served 92.000% this month, 99% is promised")
    for figures, left in ((SPARED, "12 min"), (BROKEN, "none")):
        (table,) = policy_tables.owed(warned(figures).contracts, ())
        assert isinstance(table, Table)
        assert [next(iter(column.cells)) for column in table.columns][5:7] == [
            f"{figures.ratio:.3%}",
            left,
        ]


def test_a_plan_tells_what_the_books_say_of_a_contract() -> None:
    around = Surroundings()
    regime = Regime(policy(OWING), FARM, around=around)
    silent = replace(view(0, "llama"), status=status(None))
    scene = Scene([silent], quotes(PRICES), [], NOW, NOW)
    name = regime.decide(scene).contracts[0].contract
    around.attendance.learn(name, NOW, Service(8.0, 2.0))
    (found,) = regime.decide(scene).contracts
    assert found.availability is not None
    assert (found.availability.owed_gpu_h, found.availability.ratio) == (8.0, 0.75)
