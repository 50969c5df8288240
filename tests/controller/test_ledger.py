"""The ledger: what groups really did, priced and booked; what nobody knows earns nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from controller.core.books.entries import Measure, charge
from controller.core.books.ledger import FOUND, Ledger
from controller.core.books.posture import Shares
from controller.core.model import GroupKey
from tests.controller.bookshop import BEGIN, CHEAP, GAP_S, RISEN, H, Shop, summed
from tests.controller.fleet import POLICY, planned, status, view
from wire.model import Phase

near = partial(pytest.approx, abs=2e-6)

KEY = view().key
ETC_USD = 0.03 - 0.130 * 0.10
"""Net of an hour of etc at `CHEAP`."""
STILL_USD = -0.020 * 0.10
XMR_USD = 0.90 - 0.090 * 0.10
"""Net of an hour of xmr at `RISEN`."""
RISEN_ETC_USD = ETC_USD


def test_what_runs_is_booked_at_the_prices_of_its_time() -> None:
    shop = Shop()
    shop.turn(BEGIN, [view()])
    shop.turn(BEGIN + 600.0, [view()], {**CHEAP, "etc": 0.06})
    shop.turn(BEGIN + 1_200.0, [view()])
    (entry,) = shop.drained()
    assert entry.account[1:] == ("oslo", "rig000", "all", "etc", "", 1, "")
    assert summed([entry]) == near(
        {
            Measure.EARNING_H: 1 / 3,
            Measure.INCOME_USD: 0.09 / 6,
            Measure.ENERGY_KWH: 0.130 / 3,
            Measure.ENERGY_USD: 0.0130 / 3,
            Measure.EXPECTED_USD: ETC_USD / 3,
        }
    )


@pytest.mark.parametrize(
    ("report", "counts"),
    [
        (status("etc", Phase.PROBING), Measure.SWITCHING_H),
        (status(None, Phase.PREPARING), Measure.SWITCHING_H),
        (status(None, Phase.VACATING), Measure.SWITCHING_H),
        (status(None, Phase.FAILED), Measure.FAILED_H),
        (status(None), Measure.STILL_H),
    ],
)
def test_what_earns_nothing_draws_what_standing_still_does(report: object, counts: Measure) -> None:
    shop = Shop()
    for at in (BEGIN, BEGIN + 600.0):
        shop.turn(at, [view(status=report)])
    found = summed(shop.drained())
    assert found[counts] == near(1 / 6)
    assert found[Measure.ENERGY_USD] == near(-STILL_USD / 6)
    assert found[Measure.EXPECTED_USD] == near(ETC_USD / 6)
    assert Measure.INCOME_USD not in found


@pytest.mark.parametrize("changes", [{"status": None}, {"online": False}])
def test_of_a_silent_rig_nothing_is_booked_but_the_time(changes: dict[str, object]) -> None:
    shop = Shop()
    for at in (BEGIN, BEGIN + 600.0):
        shop.turn(at, [replace(view(), **changes)])  # type: ignore[arg-type]
    assert summed(shop.drained()) == near({Measure.UNKNOWN_H: 1 / 6})


@pytest.mark.parametrize("series", ["etc", "power"])
def test_without_a_price_no_income_is_booked(series: str) -> None:
    shop = Shop()
    for at in (BEGIN, BEGIN + 600.0):
        shop.turn(at, [view()], {**CHEAP, series: None})
    found = summed(shop.drained())
    assert found[Measure.UNPRICED_H] == near(1 / 6)
    assert not {Measure.INCOME_USD, Measure.EXPECTED_USD, Measure.EARNING_H} & set(found)


def switched(shop: Shop) -> Shop:
    """Ten minutes of etc, five of switching, and an hour of xmr at prices that have risen."""
    shop.turn(BEGIN, [view()])
    at = BEGIN + 600.0
    shop.order(KEY, "xmr", 2, at)
    shop.turn(at, [view()], RISEN)
    ordered = replace(view(), generation=2, assigned="xmr")
    shop.turn(at, [replace(ordered, status=status(None, Phase.STARTING, generation=2))], RISEN)
    arrived = replace(ordered, status=status("xmr", generation=2))
    for place in range(7):
        shop.turn(at + 300.0 + 600.0 * place, [arrived], RISEN)
    return shop


def test_a_switch_is_judged_against_having_stayed() -> None:
    shop = switched(Shop())
    entries, records = shop.ledger.drain()
    first, second = records
    assert (first.reason, first.origin, first.workload) == (FOUND, "etc", "etc")
    assert (second.origin, second.workload, second.reason) == ("etc", "xmr", "it pays")
    assert second.promised_usd_per_h == near(XMR_USD)
    assert shop.ledger.record(KEY) == second
    found = summed([entry for entry in entries if entry.account.generation == 2])
    wear_usd = POLICY.mining_switch.cost_usd
    assert found[Measure.SWITCHING_H] == near(1 / 12)
    assert found[Measure.WEAR_USD] == near(wear_usd)
    interrupted = (ETC_USD - STILL_USD) / 12
    assert found[Measure.INTERRUPTED_USD] == near(interrupted)
    gain = (XMR_USD - ETC_USD) - interrupted - wear_usd
    assert found[Measure.GAIN_USD] == near(gain)
    expected = XMR_USD * 13 / 12 - second.switch_usd
    assert found[Measure.EXPECTED_USD] == near(expected)


def test_what_exits_by_itself_is_down_and_not_switching() -> None:
    shop = Shop()
    shop.turn(BEGIN, [view()])
    again = replace(view(), status=status(None, Phase.STARTING))
    shop.turn(BEGIN + 600.0, [again])
    shop.turn(BEGIN + 900.0, [view()])
    found = summed(shop.drained())
    assert found[Measure.DOWN_H] == near(1 / 12)
    assert Measure.SWITCHING_H not in found


def test_the_part_of_an_income_that_a_plan_left_out_is_booked_all_the_same() -> None:
    whole, part = Shop(), Shop()
    for shop in (whole, part):
        shop.turn(BEGIN, [view()], CHEAP if shop is whole else {**CHEAP, "etc": 0.03 * 0.8})
        shares: Shares | None = None if shop is whole else {("a4000", "etc"): 0.8}
        for at in (BEGIN, BEGIN + 600.0):
            shop.turn(at, [view()], CHEAP if shop is whole else {**CHEAP, "etc": 0.024}, shares)
    income = [summed(shop.drained())[Measure.INCOME_USD] for shop in (whole, part)]
    assert income[0] == near(income[1])


def test_a_gap_is_unaccounted_for_and_never_filled_in() -> None:
    shop = Shop()
    for at in (0.0, 600.0, 600.0 + GAP_S + 1.0, 2_400.0):
        shop.turn(BEGIN + at, [view()])
    found = summed(shop.drained())
    assert found[Measure.UNACCOUNTED_H] == near((GAP_S + 1.0) / H)
    assert found[Measure.EARNING_H] == near((2_400.0 - GAP_S - 1.0) / H)


def test_a_restart_leaves_only_the_time_between_unaccounted_for() -> None:
    shop = switched(Shop())
    _, records = shop.ledger.drain()
    shop.ledger = Ledger(through=shop.ledger.through, records=records[-1:], gap_s=GAP_S)
    end = BEGIN + 600.0 + 300.0 + 3_600.0
    arrived = replace(view(), generation=2, assigned="xmr", status=status("xmr", generation=2))
    for at in (end + 90.0, end + 690.0):
        shop.turn(at, [arrived], RISEN)
    later, news = shop.ledger.drain()
    assert not news
    by_generation = {entry.account.generation: entry for entry in later}
    lost = by_generation[0]
    assert lost.account[1:4] == ("oslo", "rig000", "all")
    assert summed([lost]) == near({Measure.UNACCOUNTED_H: 90.0 / H})
    found = summed([by_generation[2]])
    assert found[Measure.EXPECTED_USD] == near(XMR_USD / 6)
    assert found[Measure.GAIN_USD] == near((XMR_USD - ETC_USD) / 6)
    assert Measure.WEAR_USD not in found


def test_a_clock_that_goes_back_books_nothing_twice() -> None:
    shop = Shop()
    for at in (0.0, 600.0, 300.0, 500.0, 700.0):
        shop.turn(BEGIN + at, [view()])
    assert summed(shop.drained())[Measure.EARNING_H] == near(700.0 / H)


def test_days_are_told_apart_at_midnight_utc() -> None:
    shop = Shop()
    for at in (-300.0, 300.0):
        shop.turn(BEGIN + at, [view()])
    days = {entry.account.day: summed([entry])[Measure.EARNING_H] for entry in shop.drained()}
    assert days == near({19_999: 1 / 12, 20_000: 1 / 12})


def test_a_group_that_leaves_the_fleet_ends_there() -> None:
    shop = Shop()
    shop.turn(BEGIN, [view(), view(1)])
    shop.turn(BEGIN + 600.0, [view()])
    shop.turn(BEGIN + 1_200.0, [view()])
    hours = {entry.account.rig: entry.sums[Measure.EARNING_H] for entry in shop.drained()}
    assert hours["rig000"] == pytest.approx(2 * hours["rig001"], abs=1)


def test_a_charge_is_booked_to_its_site() -> None:
    shop = Shop()
    shop.turn(BEGIN, [])
    shop.ledger.enter([charge(at=BEGIN + 5.0, site="oslo", item="demand charge", usd=12.5)])
    (entry,) = shop.drained()
    assert entry.account == (20_000, "oslo", "", "", "", "", 0, "demand charge")
    assert summed([entry]) == {Measure.CHARGE_USD: 12.5}
    assert not shop.drained()


def test_a_rig_that_is_ahead_is_taken_over_without_a_promise_kept_from_before() -> None:
    shop = Shop()
    shop.order(KEY, "xmr", 2, BEGIN)
    ahead = replace(view(), generation=7, assigned="etc", status=status("etc", generation=7))
    shop.turn(BEGIN, [ahead])
    record = shop.ledger.record(GroupKey("rig000", "all"))
    assert record is not None
    assert (record.generation, record.workload, record.origin) == (7, "etc", "etc")
    assert planned([ahead], CHEAP).decisions[0].chosen == "etc"
