"""What meters the farm while it runs: what it draws, what it is kept from, and after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from controller.core.charges.account import PeakAccount
from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import Wish, cost_usd_per_h
from controller.core.farm import SiteSettings
from controller.core.model import Plan
from controller.peaks import Peaks
from controller.ports import StoreError
from controller.store.memory import MemoryStore

BEGIN = datetime(2026, 3, 10, tzinfo=UTC).timestamp()
ALL_DAY = DemandChargeSettings(usd_per_kw_month=10.0)
EVENING = DemandChargeSettings(name="evening", usd_per_kw_month=20.0, hours="16:00-21:00")


class Farm:
    """A site whose draw a test says, and what meters it."""

    def __init__(self, *charges: DemandChargeSettings, store: MemoryStore | None = None) -> None:
        self.now = BEGIN
        self.drawn_w: float | None = 5000.0
        self.free_w = 0.0
        self.store = store or MemoryStore()
        site = SiteSettings(name="oslo", power="power", demand_charges=charges or (ALL_DAY,))
        self.peaks = Peaks(self.store, [site], clock=lambda: self.now, plan=self._plan)

    def pass_s(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 10.0
            self.peaks.look()

    def peak_w(self, charge: int = 0) -> float:
        return self.peaks.bills()[charge].peak_w

    def _plan(self) -> Plan | None:
        if self.drawn_w is None:
            return None
        free_w = max(self.drawn_w, self.free_w)
        steps = self.peaks.surcharges()["oslo"]
        asked = cost_usd_per_h(steps, free_w) - cost_usd_per_h(steps, self.drawn_w)
        wish = Wish(self.drawn_w, free_w, self.drawn_w, 1.0, asked)
        return Plan(at=self.now, decisions=(), net_usd_per_h=0.0, power_w={}, wishes={"oslo": wish})


def test_the_peak_is_the_highest_mean_of_an_interval() -> None:
    farm = Farm()
    farm.pass_s(1800.0)
    assert farm.peak_w() == pytest.approx(5000.0)
    farm.drawn_w = 9000.0
    farm.pass_s(450.0)
    farm.drawn_w = 1000.0
    farm.pass_s(4050.0)
    assert farm.peak_w() == pytest.approx(5000.0)
    farm.drawn_w = 6000.0
    farm.pass_s(900.0)
    (bill,) = farm.peaks.bills()
    assert (bill.peak_w, bill.usd) == pytest.approx((6000.0, 60.0))


def test_what_an_interval_has_drawn_already_counts_before_it_ends() -> None:
    farm = Farm()
    farm.pass_s(450.0)
    assert farm.peak_w() == pytest.approx(2500.0)


def test_only_hours_of_the_charge_are_metered_and_priced() -> None:
    farm = Farm(ALL_DAY, EVENING)
    farm.pass_s(6 * 3600.0)
    assert farm.peak_w(0) == pytest.approx(5000.0)
    assert farm.peak_w(1) == 0.0
    assert farm.peaks.surcharges()["oslo"][0].above_w == pytest.approx(5000.0)
    farm.pass_s(10 * 3600.0 + 10.0)
    steps = farm.peaks.surcharges()["oslo"]
    assert steps[0].above_w < 100.0
    assert steps[-1].usd_per_kwh > steps[0].usd_per_kwh


def test_what_the_charge_forbids_lets_its_price_fall() -> None:
    farm = Farm()
    farm.pass_s(1800.0)
    farm.free_w = 6000.0
    before = farm.peaks.surcharges()["oslo"]
    farm.pass_s(3600.0 * 5)
    after = farm.peaks.surcharges()["oslo"]
    assert before[0].above_w == after[0].above_w == pytest.approx(5000.0)
    assert after[0].usd_per_kwh < 0.7 * before[0].usd_per_kwh
    farm.pass_s(3600.0 * 6)
    assert farm.peaks.surcharges()["oslo"][0].usd_per_kwh == 0.0


def test_what_several_charges_forbid_is_credited_to_them_by_their_parts() -> None:
    farm = Farm(ALL_DAY, replace(ALL_DAY, name="dear", usd_per_kw_month=30.0))
    farm.pass_s(1800.0)
    farm.free_w = 6000.0
    farm.pass_s(4 * 3600.0)
    dear, cheap = (max(one.forgone_usd_per_kw) for one in farm.store.peaks())
    assert cheap + dear == pytest.approx(4.0, rel=0.05)
    assert dear == pytest.approx(3 * cheap, rel=0.05)


def test_a_restart_forgets_nothing_but_the_interval_that_was_passing() -> None:
    farm = Farm()
    farm.free_w = 6000.0
    farm.pass_s(3600.0)
    again = Farm(store=farm.store)
    again.now, again.drawn_w = farm.now, 4000.0
    again.pass_s(450.0)
    assert again.peak_w() == pytest.approx(5000.0)
    (kept,) = farm.store.peaks()
    assert kept.forgone_usd_per_kw
    assert max(kept.forgone_usd_per_kw) == pytest.approx(1.0, rel=0.02)


def test_what_nobody_saw_is_not_metered() -> None:
    farm = Farm()
    farm.drawn_w = None
    farm.pass_s(3600.0)
    farm.drawn_w = 5000.0
    farm.now += 7200.0
    farm.peaks.look()
    assert farm.peak_w() == 0.0
    assert farm.store.peaks()[0].peak_w == 0.0


def test_a_new_month_begins_with_no_peak() -> None:
    farm = Farm()
    farm.pass_s(1800.0)
    farm.drawn_w = None
    farm.now = datetime(2026, 4, 1, 0, 0, 5, tzinfo=UTC).timestamp()
    assert farm.peak_w() == 0.0
    farm.peaks.look()
    (kept,) = farm.store.peaks()
    assert (kept.peak_w, *kept.past_w) == pytest.approx((0.0, 5000.0))


class Refusing(MemoryStore):
    """Refuses accounts while it is told to."""

    refuses = True

    def put_peaks(self, accounts: Sequence[PeakAccount]) -> None:
        if self.refuses:
            raise StoreError("no room left")
        super().put_peaks(accounts)


def test_what_the_store_refuses_is_stored_with_the_next_interval() -> None:
    store = Refusing()
    farm = Farm(store=store)
    farm.pass_s(1800.0)
    assert not store.peaks()
    store.refuses = False
    farm.pass_s(900.0)
    assert store.peaks()[0].peak_w == pytest.approx(5000.0)


def test_a_charge_of_nothing_gives_draw_no_price() -> None:
    farm = Farm(replace(ALL_DAY, usd_per_kw_month=0.0))
    farm.pass_s(900.0)
    assert farm.peaks.surcharges() == {"oslo": ()}
