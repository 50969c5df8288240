"""A governed fleet under a demand charge: regime and meter, from first to last of a month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.core.charges.settings import DemandChargeSettings
from controller.core.model import Block, GroupView, Plan
from controller.core.supposing import Price, Supposition
from controller.peaks import Peaks
from controller.regime import Regime, Surroundings
from controller.store.memory import MemoryStore
from tests.controller.fleet import FARM, PRICES, quotes, status, view
from tests.controller.governed import CONTRACT, TEXT, Board, policy

CHARGE = DemandChargeSettings(usd_per_kw_month=30.0)
MINING = {**PRICES, "etc": 0.05, "rent": 0.0, "demand": 0.0}
"""A group of etc nets 3.7 cents an hour with 130 W: $0.28 per kWh."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class House:
    """Four rigs, the regime that governs them and what meters them; they do as they are told."""

    def __init__(self, begin: str, charge: DemandChargeSettings = CHARGE, text: str = TEXT) -> None:
        (site,) = FARM.sites
        farm = replace(FARM, sites=(replace(site, demand_charges=(charge,)),))
        self.now, self.store = at(begin), MemoryStore()
        self.peaks = Peaks(
            self.store, farm.sites, clock=lambda: self.now, plan=lambda: self.board.newest
        )
        self.regime = Regime(
            policy(text, farm), farm, around=Surroundings(surcharges=self.peaks.surcharges)
        )
        self.board = Board(self.regime, [view(n, None, assigned_at=0.0) for n in range(4)])

    def live(self, hours: float, prices: Mapping[str, float | None] = MINING) -> Plan:
        """Plan once in five minutes, and look; the last plan."""
        for _ in range(round(12 * hours)):
            self.board.quoted = quotes(prices)
            self.board.now = self.now
            self.board.poke()
            self.board.views = [
                _moved(one, decision.chosen)
                for one, decision in zip(self.board.views, self._plan.decisions, strict=True)
            ]
            for _ in range(30):
                self.now += 10.0
                self.peaks.look()
        return self._plan

    @property
    def _plan(self) -> Plan:
        assert self.board.newest is not None
        return self.board.newest

    @property
    def running(self) -> list[str | None]:
        return [one.assigned for one in self.board.views]


def _moved(one: GroupView, workload: str | None) -> GroupView:
    return replace(one, assigned=workload, status=status(workload))


def test_on_the_first_of_a_month_what_pays_for_its_peak_runs_at_once() -> None:
    house = House("2026-04-01")
    plan = house.live(1.0)
    assert house.running == ["etc"] * 4
    assert not plan.warnings
    assert house.peaks.bills()[0].peak_w == pytest.approx(4 * 130.0)


def test_what_does_not_pay_for_its_peak_does_not_run_and_says_why() -> None:
    plan = House("2026-04-01", replace(CHARGE, usd_per_kw_month=300.0)).live(2.0)
    assert {decision.chosen for decision in plan.decisions} == {None}
    assert plan.decisions[0].blocked is Block.DEMAND_CHARGE
    assert plan.warnings[0].startswith("site oslo keeps its peak: 0.44 kW above 0.08 kW would earn")


def test_at_the_end_of_a_month_a_higher_peak_must_pay_at_once() -> None:
    house = House("2026-04-30T12:00")
    house.live(1.0, {**MINING, "etc": 0.0})
    assert house.running == [None] * 4
    plan = house.live(1.0)
    assert house.running == [None] * 4
    assert plan.warnings
    house.live(10.5)
    assert house.running == ["etc"] * 4  # May has begun.
    (kept,) = house.store.peaks()
    assert (*kept.past_w, kept.peak_w) == pytest.approx((80.0, 520.0))


def test_a_contract_is_served_whatever_the_peak_costs() -> None:
    house = House("2026-04-30T20:00", replace(CHARGE, usd_per_kw_month=3000.0), TEXT + CONTRACT)
    house.live(0.5)
    assert house.running.count("llama") == 1


def test_what_if_weighs_the_peak_too() -> None:
    house = House("2026-04-30T12:00")
    house.live(1.0, {**MINING, "etc": 0.0})
    supposed = Supposition(prices=(Price("etc", "=", 0.05),))
    plan = house.board.preview({}, house.regime.supposing(supposed))
    assert not any(decision.moves for decision in plan.decisions)
    assert plan.warnings


def test_a_charge_of_nothing_changes_no_plan() -> None:
    free = House("2026-04-01", replace(CHARGE, usd_per_kw_month=0.0))
    dear = House("2026-04-01", replace(CHARGE, usd_per_kw_month=0.001))
    assert free.live(0.5).decisions == dear.live(0.5).decisions
