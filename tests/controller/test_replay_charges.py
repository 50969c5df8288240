"""What a month's highest draw costs where farms are replayed, and what becomes of orders then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import Step
from controller.core.timing import bound, site, thrift
from controller.core.timing.ledger import Played, Standing
from controller.core.timing.metering import Metering
from controller.core.timing.policies import DEFAULT, HEEDING, POLICIES
from controller.core.timing.rationing import Asked
from controller.core.timing.site import Pool, Site
from controller.core.timing.terms import ECO, INFER, MINE, OFF, Moment, Prices
from tests.controller.pool import PRICES, days, moments, rough, terms
from tests.controller.test_timing_bound import CENTS, contract, summed

OSLO = "Europe/Oslo"
CHARGE = DemandChargeSettings(usd_per_kw_month=12.0)
EVENING = replace(CHARGE, name="evening", hours="16:00-21:00", days="mon-fri")
FREE = replace(CHARGE, usd_per_kw_month=0.0)
TWO = terms(groups=2, tick_s=900.0)
HOURS_OF_MARCH = 31 * 24 - 1  # Clocks go forward.


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(OSLO)).timestamp()


def metered(
    charge: DemandChargeSettings, begins: str, hours: float, tick_s: float = 900.0
) -> Metering:
    ticks = round(hours * 3600 / tick_s)
    return Metering.over(charge, OSLO, [at(begins) + n * tick_s for n in range(ticks)], tick_s)


def pool(told: Sequence[Moment], begins: str = "2026-03-30", groups: int = 2) -> Pool:
    """Groups that live through a course from another instant on."""
    shifted = [replace(moment, at_s=moment.at_s + at(begins)) for moment in told]
    return Pool(terms=replace(TWO, groups=groups), moments=shifted)


def rough_site(*charges: DemandChargeSettings, cap_w: float = 1e9, owed: int = 0) -> Site:
    """Two pools over four days, in which a month ends."""
    one, other = (pool(days(4, rough(seed))) for seed in (7, 8))
    if owed:
        one = replace(one, contracts=(contract(owed, 40, 200),))
    return Site(pools=(one, other), cap_w=cap_w, zone=OSLO, charges=charges)


def drawn_w(place: Site, played: Sequence[Played]) -> float:
    pairs = zip(place.pools, played, strict=True)
    return float(np.max(sum(site.drawn_w(each, done.running) for each, done in pairs)))


def test_the_highest_mean_of_an_interval_is_billed() -> None:
    known = metered(CHARGE, "2026-03-01", HOURS_OF_MARCH, tick_s=300.0)
    drawn = np.zeros(len(known.month))
    drawn[30:33] = 1000.0, 4000.0, 7000.0
    drawn[35:37] = 5000.0  # Two intervals have one each.
    assert known.peaks_w(drawn) == pytest.approx([4000.0])
    assert known.usd(drawn).sum() == pytest.approx(4 * 12.0)
    assert known.usd(drawn) == pytest.approx(4 * 12.0 / len(drawn))


def test_longer_ticks_than_the_meters_are_intervals_themselves() -> None:
    known = metered(CHARGE, "2026-03-01", 24, tick_s=3600.0)
    drawn = np.arange(24.0)
    assert known.peaks_w(drawn) == pytest.approx([23.0])


def test_a_month_that_is_played_in_part_is_billed_that_part() -> None:
    known = metered(CHARGE, "2026-03-31", 48)
    assert [month.part for month in known.months] == pytest.approx(
        [24 / HOURS_OF_MARCH, 24 / (30 * 24)]
    )
    # Whoever decides knows when it began and not when it ends.
    assert [month.begun_part for month in known.months] == pytest.approx([24 / HOURS_OF_MARCH, 1])
    assert known.left_h[[0, 95, 96, 97]] == pytest.approx([24.0, 0.25, 720.0, 719.75])
    drawn = np.concatenate([np.full(96, 5000.0), np.full(96, 3000.0)])
    usd = known.usd(drawn)
    assert usd[:96].sum() == pytest.approx(5 * 12 * 24 / HOURS_OF_MARCH)
    assert usd[96:].sum() == pytest.approx(3 * 12 * 24 / 720)


def test_only_hours_of_the_charge_are_metered() -> None:
    known = metered(EVENING, "2026-03-30", 48)
    assert known.counts.sum() == 2 * 5 * 4
    assert known.priced.sum() == known.counts.sum()
    assert known.lasts_h[[0, 64, 83]] == pytest.approx([0.0, 5.0, 0.25])
    drawn = np.where(known.counts, 1000.0, 9000.0)
    assert known.peaks_w(drawn) == pytest.approx([1000.0])
    summer = metered(replace(CHARGE, months="jun-sep"), "2026-03-30", 48)
    assert summer.usd(drawn).sum() == 0.0


def test_a_ratchet_bills_what_earlier_months_drew() -> None:
    ratchet = replace(CHARGE, ratchet_ratio=0.8, base_w=2000.0)
    known = metered(ratchet, "2026-03-31", 48)
    drawn = np.concatenate([np.full(96, 8000.0), np.full(96, 100.0)])
    april_w = 0.8 * (8000.0 + 2000.0) - 2000.0
    assert known.usd(drawn)[96:].sum() == pytest.approx(12e-3 * april_w * 24 / 720)
    low = np.concatenate([np.full(96, 100.0), np.full(96, 100.0)])
    assert known.usd(low)[96:].sum() == pytest.approx(12e-3 * 100.0 * 24 / 720)


@pytest.mark.parametrize("name", POLICIES)
def test_a_charge_of_nothing_changes_nothing(name: str) -> None:
    heeds = name in HEEDING
    free, without = rough_site(FREE), rough_site()
    assert not free.coupled
    played = site.play(free, POLICIES[name], heeds=heeds)
    bare = site.play(without, POLICIES[name], heeds=heeds)
    assert [one.orders for one in played] == [one.orders for one in bare]
    assert summed(played) == summed(bare)


def test_a_charge_of_next_to_nothing_changes_no_decision() -> None:
    cheap = site.play(
        rough_site(replace(CHARGE, usd_per_kw_month=1e-9)), POLICIES[DEFAULT], heeds=True
    )
    free = site.play(rough_site(), POLICIES[DEFAULT])
    assert [one.orders for one in cheap] == [one.orders for one in free]


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_pays_for_its_peaks(name: str) -> None:
    """By a charge that it does not weigh: then it does what it would have done without."""
    place = rough_site(CHARGE, EVENING)
    paid, free = site.play(place, POLICIES[name]), site.play(rough_site(), POLICIES[name])
    pairs = zip(place.pools, paid, strict=True)
    drawn = sum(site.drawn_w(each, done.running) for each, done in pairs)
    usd = sum(metering.usd(np.asarray(drawn)).sum() for metering in place.meterings)
    assert usd > 0.0
    assert paid[0].charged_usd == pytest.approx(usd)
    assert summed(paid) == pytest.approx(summed(free) - usd)


PATTERN = st.lists(
    st.builds(
        Prices,
        power_usd_per_kwh=st.floats(0.0, 0.3),
        mine_usd_per_h=st.floats(0.0, 0.1),
        eco_usd_per_h=st.floats(0.0, 0.08),
        rental_usd_per_h=st.floats(0.0, 1.0),
        demand_groups=st.floats(0.0, 3.0),
    ),
    min_size=2,
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(
    PATTERN,
    st.sampled_from(sorted(POLICIES)),
    st.floats(0.1, 4000.0),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 1500.0]),
    st.sampled_from([900.0, 1800.0, 3600.0]),
)
def test_no_policy_beats_the_bound(
    hours: list[Prices], name: str, usd: float, ratio: float, base_w: float, interval_s: float
) -> None:
    """Over a change of months, a group each in two pools; in small parts as well."""
    charge = replace(
        CHARGE, usd_per_kw_month=usd, ratchet_ratio=ratio, base_w=base_w, interval_s=interval_s
    )
    steps = [price for price in hours for _ in range(4)]
    one = pool(moments(steps, 900.0), "2026-03-31T22:30", groups=1)
    other = pool(moments(steps[::-1], 900.0), "2026-03-31T22:30", groups=2)
    place = Site(pools=(one, other), zone=OSLO, charges=(charge, EVENING))
    most = summed(bound.bound(place))
    for heeds in (True, False):
        assert summed(site.play(place, POLICIES[name], heeds=heeds)) <= most + CENTS
    with pytest.MonkeyPatch.context() as small:
        small.setattr(bound, "TICKS_PER_CHARGED_PART", 5)
        assert most <= summed(bound.bound(place)) + CENTS


def test_under_cap_and_contract_too_nobody_beats_it_and_both_are_kept() -> None:
    place = rough_site(CHARGE, EVENING, cap_w=1100.0, owed=2)
    most = summed(bound.bound(place))
    for name in POLICIES:
        played = site.play(place, POLICIES[name], heeds=name in HEEDING)
        assert [done.violations for done in played] == [0, 0]
        assert (played[0].running[40:200, INFER] >= 2).all()
        assert drawn_w(place, played) <= 1100.0 * (1 + 1e-9)
        assert summed(played) <= most + CENTS


STEADY = replace(PRICES, demand_groups=0.0, eco_usd_per_h=0.0)
"""Mining nets 3 cents an hour by 0.3 kW."""


def test_the_bound_buys_a_peak_where_it_pays_and_none_where_it_does_not() -> None:
    """The part of the charge that two days of April are billed, against what they bring."""
    told = moments([STEADY] * 192, 900.0)
    kw, earned_usd = 0.3 - 0.05, 2 * 48 * (0.06 - 0.25 * 0.1)
    per_kw_usd = 48 / 720
    for usd, pays in ((0.9, True), (1.1, False)):
        monthly = usd * earned_usd / (2 * kw * per_kw_usd)
        place = Site(
            pools=(pool(told, "2026-04-01"),),
            zone=OSLO,
            charges=(replace(CHARGE, usd_per_kw_month=monthly),),
        )
        still_usd = -2 * 0.05 * (48 * 0.1 + monthly * per_kw_usd)
        gain = summed(bound.bound(place)) - still_usd
        assert gain == pytest.approx(0.1 * earned_usd if pays else 0.0, abs=0.05)


def test_a_new_month_has_no_peak_yet() -> None:
    """What is dear on the last evening of a month is worth it on the first."""
    good, bad = STEADY, replace(STEADY, mine_usd_per_h=0.0)
    told = moments([*[bad] * 80, *[good] * 16, *[good] * 200], 900.0)
    dear = replace(CHARGE, usd_per_kw_month=30.0)
    place = Site(pools=(pool(told, "2026-03-31"),), zone=OSLO, charges=(dear,))
    (played,) = site.play(place, POLICIES["greedy"], heeds=True)
    assert not played.running[:96, MINE].any()
    assert (played.running[100:, MINE] == 2).all()
    (careless,) = site.play(place, POLICIES["greedy"])
    assert careless.running[90, MINE] == 2


def test_a_peak_that_is_paid_for_is_used() -> None:
    """What was drawn once in a month may be drawn again, however late in the month."""
    spike, poor = replace(STEADY, mine_usd_per_h=5.0), replace(STEADY, mine_usd_per_h=0.0)
    told = moments([*[spike] * 8, *[poor] * 40, *[STEADY] * 40], 900.0)
    place = Site(pools=(pool(told, "2026-03-31"),), zone=OSLO, charges=(CHARGE,))
    (played,) = site.play(place, POLICIES["greedy"], heeds=True)
    assert played.running[4, MINE] == played.running[60, MINE] == 2


def test_a_step_that_holds_one_group_gives_it_to_one() -> None:
    """Who goes without mines at the lower limit if that pays and there is room."""
    asked = Asked(
        terms=TWO,
        prices=STEADY,
        standing=Standing(np.array([OFF, OFF]), np.array([0, 0])),
        ordered=np.array([OFF, OFF]),
        wanted=np.array([MINE, MINE]),
        due=0,
        most_w=site.most_w(TWO),
    )
    wanted = [np.array([MINE, MINE])]
    ((held,), wish) = thrift.heeded([asked], wanted, (Step(400.0, 10.0),), 24.0)
    assert sorted(held.tolist()) == [MINE, OFF]
    assert (wish.free_w, wish.held_w) == (600.0, 350.0)
    assert wish.forgone_usd_per_h == pytest.approx(0.06 - 0.25 * 0.1)
    assert wish.asked_usd_per_h == pytest.approx(2.0)
    thrifty = replace(asked, prices=replace(STEADY, eco_usd_per_h=0.055))
    ((held,), _) = thrift.heeded([thrifty], wanted, (Step(500.0, 10.0),), 24.0)
    assert sorted(held.tolist()) == [MINE, ECO]


@pytest.mark.parametrize(("lasts_h", "stays"), [(1.0, True), (200.0, False)])
def test_a_group_is_held_on_to_for_what_stopping_costs_by_the_hour(
    lasts_h: float, *, stays: bool
) -> None:
    asked = Asked(
        terms=replace(TWO, groups=1),
        prices=STEADY,
        standing=Standing(np.array([MINE]), np.array([0])),
        ordered=np.array([MINE]),
        wanted=np.array([MINE]),
        due=0,
        most_w=site.most_w(TWO),
    )
    # Mining nets 3.5 cents beyond standing still, by a quarter of a kW.
    steps = (Step(50.0, 0.142),)
    ((held,), _) = thrift.heeded([asked], [np.array([MINE])], steps, lasts_h)
    assert bool(held[0] == MINE) is stays
