"""Demand charges: when they count, what is remembered of a month, and the price that draw gets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.charges import account as accounts
from controller.core.charges import billing, meter, settings
from controller.core.charges.account import PeakAccount
from controller.core.charges.meter import Meter
from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import Step, Wish, cost_usd_per_h, eased, together

OSLO = "Europe/Oslo"
CHARGE = DemandChargeSettings(usd_per_kw_month=12.0)
PEAKS = replace(CHARGE, name="on-peak", hours="16:00-21:00", days="mon-fri")


def at(text: str, zone: str = OSLO) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def account(**changes: object) -> PeakAccount:
    opened = PeakAccount(site="oslo", charge="demand", month_at=at("2026-03-01"))
    return replace(opened, **changes)  # type: ignore[arg-type]


def wish(free_w: float, held_w: float, usd_per_h: float = 0.0) -> Wish:
    return Wish(held_w, free_w, held_w, usd_per_h, 0.0)


@pytest.mark.parametrize(
    ("day", "now", "begins", "ends"),
    [
        (1, "2026-03-31T23:59", "2026-03-01", "2026-04-01"),
        (1, "2026-04-01T00:00", "2026-04-01", "2026-05-01"),
        (28, "2026-01-03T12:00", "2025-12-28", "2026-01-28"),
        (15, "2026-12-31T12:00", "2026-12-15", "2027-01-15"),
    ],
)
def test_a_billing_month_begins_at_a_local_midnight(
    day: int, now: str, begins: str, ends: str
) -> None:
    month = billing.month(replace(CHARGE, billed_from_day=day), OSLO, at(now))
    assert (month.begins_at, month.ends_at) == (at(begins), at(ends))


def test_hours_that_count_are_told_by_the_local_clock() -> None:
    march = at("2026-03-10")
    assert billing.hours_of_month(CHARGE, OSLO, march) == 31 * 24 - 1  # Clocks go forward.
    assert billing.hours_of_month(PEAKS, OSLO, march) == 22 * 5
    assert billing.hours_left(PEAKS, OSLO, at("2026-03-31T20:00")) == 1.0
    assert billing.counts(PEAKS, OSLO, at("2026-03-31T16:00"))
    assert not billing.counts(PEAKS, OSLO, at("2026-03-29T16:00"))
    early = at("2026-03-31T15:56")
    assert billing.prepares(PEAKS, OSLO, early)
    assert not billing.counts(PEAKS, OSLO, early)


def test_an_hour_is_metered_by_the_local_clock() -> None:
    hourly = replace(CHARGE, interval_s=3600.0)
    now = at("2026-03-10T12:40", "Asia/Kolkata")
    assert billing.interval(hourly, "Asia/Kolkata", now) == at("2026-03-10T12:00", "Asia/Kolkata")


def test_a_meter_tells_the_mean_of_each_interval() -> None:
    one = Meter(0.0, 0.0)
    one, mean = meter.looked(one, 1000.0, 300.0, 0.0, 900.0)
    assert mean is None
    one, _ = meter.looked(one, 4000.0, 600.0, 0.0, 900.0)
    one, mean = meter.looked(one, 7000.0, 900.0, 900.0, 900.0)
    assert mean == pytest.approx(4000.0)
    one, _ = meter.looked(one, 6000.0, 1000.0, 900.0, 900.0)
    assert one.watt_s == pytest.approx(600_000.0)


def test_an_interval_that_was_hardly_seen_says_nothing() -> None:
    one, mean = meter.looked(Meter(0.0, 700.0), 9000.0, 950.0, 900.0, 900.0)
    assert mean is None
    _, mean = meter.looked(one, 9000.0, 5000.0, 4500.0, 900.0)
    assert mean is None


@given(st.lists(st.floats(0.0, 1e6), min_size=1))
def test_a_peak_never_falls_within_its_month(means_w: list[float]) -> None:
    now, highest_w = account(), 0.0
    for mean_w in means_w:
        now = accounts.turned(accounts.metered(now, mean_w), account().month_at)
        highest_w = max(highest_w, mean_w)
        assert now.peak_w == highest_w


def test_a_month_begins_with_no_peak_and_remembers_the_ones_before() -> None:
    march = account(peak_w=9000.0, past_w=(7000.0,), wanted_h=(5.0,), forgone_usd_per_kw=(2.0,))
    april = accounts.turned(march, at("2026-04-01"))
    assert (april.peak_w, april.past_w) == (0.0, (7000.0, 9000.0))
    assert (april.wanted_h, april.forgone_usd_per_kw) == ((5.0,), ())
    assert accounts.turned(april, march.month_at) == april
    june = accounts.turned(march, at("2026-06-01"))
    assert june.past_w == (7000.0, 9000.0, 0.0, 0.0)
    assert len(accounts.turned(march, at("2028-06-01")).past_w) == 11


def test_at_first_a_kw_is_expected_to_be_used_all_that_is_left() -> None:
    begun = accounts.bill(account(), CHARGE, OSLO, at("2026-03-01"))
    assert begun.steps == (Step(0.0, 12.0 / 743.0),)
    late = accounts.bill(account(peak_w=5000.0), CHARGE, OSLO, at("2026-03-31T22:00"))
    assert late.steps == (Step(5000.0, 12.0 / 2.0),)
    assert late.usd == pytest.approx(60.0)
    assert not accounts.bill(account(), PEAKS, OSLO, at("2026-03-10T12:00")).steps
    free = replace(CHARGE, usd_per_kw_month=0.0)
    assert not accounts.bill(account(), free, OSLO, at("2026-03-10")).steps


def test_what_the_rest_of_the_building_draws_is_paid_for_already() -> None:
    building = replace(CHARGE, base_w=30_000.0)
    (step,) = accounts.bill(account(), building, OSLO, at("2026-03-01")).steps
    assert step.above_w == 0.0
    (step,) = accounts.bill(account(peak_w=42_000.0), building, OSLO, at("2026-03-01")).steps
    assert step.above_w == 12_000.0


def test_a_ratchet_bills_earlier_peaks_and_makes_new_ones_dearer_at_the_end_of_a_month() -> None:
    ratchet = replace(CHARGE, ratchet_ratio=0.8)
    bill = accounts.bill(account(past_w=(10_000.0,)), ratchet, OSLO, at("2026-03-10"))
    assert bill.billed_w == 8000.0
    (step,) = bill.steps
    usd, months = 12.0 * (1 + 11 * 0.8), 11 * 0.8
    assert step == Step(8000.0, usd / (bill.hours_left + months * 743.0))


def test_a_level_that_was_seldom_wanted_is_dearer() -> None:
    now = account()
    for hour in range(20 * 24):
        now = accounts.wished(now, 0.0, wish(9000.0 if hour % 24 == 0 else 5000.0, 5000.0), 1.0)
    steps = accounts.bill(now, CHARGE, OSLO, at("2026-03-21")).steps
    below, above = (
        next(s.usd_per_kwh for s in reversed(steps) if s.above_w < watts)
        for watts in (4900.0, 8900.0)
    )
    assert above > 8 * below
    assert [s.above_w for s in steps] == sorted(s.above_w for s in steps)
    assert [s.usd_per_kwh for s in steps] == sorted(s.usd_per_kwh for s in steps)


def test_what_was_forgone_makes_a_level_cheaper_until_it_costs_nothing() -> None:
    now, march = account(peak_w=5000.0), at("2026-03-10")
    prices = []
    for _ in range(30):
        now = accounts.wished(now, 0.0, wish(6000.0, 5000.0, usd_per_h=0.5), 1.0)
        steps = accounts.bill(now, CHARGE, OSLO, march).steps
        prices.append(cost_usd_per_h(steps, 5900.0))
    assert prices == sorted(prices, reverse=True)
    assert prices[22] > 0.0
    assert prices[-1] == 0.0
    last = accounts.bill(now, CHARGE, OSLO, march)
    assert last.steps[0].above_w == 5000.0  # There is still something to be metered for.


def test_prices_of_several_charges_add_up() -> None:
    both = together([(Step(10.0, 1.0), Step(20.0, 3.0)), (), (Step(15.0, 2.0),)])
    assert both == (Step(10.0, 1.0), Step(15.0, 3.0), Step(20.0, 5.0))
    assert cost_usd_per_h(both, 25_000.0) == pytest.approx(
        (5 * 1.0 + 5 * 3.0 + 24_980 * 5.0) / 1000.0
    )


def test_a_drift_of_figures_stops_nobody() -> None:
    steps = (Step(10_000.0, 1.0), Step(12_000.0, 2.0))
    assert eased(steps, 10_300.0) == (Step(10_300.0, 1.0), Step(12_000.0, 2.0))
    assert eased(steps, 9_000.0) == eased(steps, 11_000.0) == steps


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"usd_per_kw_month": -1.0}, "`usd_per_kw_month` must be 0 or more"),
        ({"interval_s": 60.0}, "`interval_s` must be one of 300, 900, 1800, 3600"),
        ({"billed_from_day": 31}, "`billed_from_day` must be 1 to 28"),
        ({"base_w": float("nan")}, "`base_w` must be 0 or more"),
        ({"ratchet_ratio": 80.0}, "`ratchet_ratio` must be 0 to 1"),
        ({"hours": "4pm"}, "hours: '4pm': write 14:00-19:00"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], said: str) -> None:
    wrong = replace(CHARGE, **changes)  # type: ignore[arg-type]
    (problem,) = settings.problems("oslo", [wrong])
    assert problem.startswith(f"site oslo: demand charge 'demand': {said}")
    assert not list(settings.problems("oslo", [CHARGE, PEAKS]))
    assert "stands twice" in next(settings.problems("oslo", [CHARGE, CHARGE]))
    (nameless,) = settings.problems("oslo", [replace(CHARGE, name=" ")])
    assert "empty `name`" in nameless
