"""Plans where draw has a price that grows with it: against every plan, and whole months of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.charges import account as accounts
from controller.core.charges.account import PeakAccount
from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import Step, Steps
from controller.core.model import Block, Plan
from controller.core.optimiser import highs, optimum
from controller.core.optimiser.cohorts import Cohort, Fleet, Place, settle
from controller.core.optimiser.optimum import Optimum
from controller.core.optimiser.program import Effort
from controller.core.optimiser.site_market import Limits
from controller.core.options.choice import Choice
from controller.core.planning.planner import Situation, plan
from tests.controller import counted_fleets
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view

CENT = 2e-5

CHARGE = DemandChargeSettings(usd_per_kw_month=10.0)
BEGIN = datetime(2026, 4, 20, tzinfo=UTC).timestamp()
HOURS = 11 * 24
"""To the end of April."""
GROUP_W = 1000.0


def best(fleet: Fleet) -> Optimum:
    return optimum.best(fleet, highs.solve, Effort())


def surcharged(fleet: Fleet, rng: random.Random) -> Fleet:
    """Random steps at every site, some of them within reach of what stands there."""
    places = {}
    for site, place in fleet.places.items():
        bounds = sorted(rng.uniform(0.0, 2000.0) for _ in range(rng.randint(1, 3)))
        prices = sorted(rng.uniform(0.0, 2.0) for _ in bounds)
        steps = tuple(map(Step, bounds, prices))
        places[site] = replace(place, limits=replace(place.limits, surcharge=steps))
    return replace(fleet, places=places)


@pytest.mark.parametrize("way", [{"caps": c, "limits": x} for c in (0, 1) for x in (0, 1)])
def test_no_plan_is_worth_more_when_draw_has_a_price(way: dict[str, bool]) -> None:
    tried = 0
    for number, plain in enumerate(counted_fleets.fleets(21, 40, **way)):
        fleet = surcharged(plain, random.Random(number))
        most, found = counted_fleets.best(fleet), best(fleet)
        if most is not None and not any(_drifts(place) for place in fleet.places.values()):
            tried += 1
            assert found.value_usd_per_h == pytest.approx(most, abs=CENT)
            assert found.bound_usd_per_h == pytest.approx(most, abs=CENT)
    assert tried >= 10


def _drifts(place: Place) -> bool:
    """Whether what stands there counts as below the first bound although it is not."""
    stay = settle(place, tuple((c.count,) for c in place.cohorts))
    return place.limits.surcharge[0].above_w < stay.power_w


def planned(
    steps: Steps, count: int = 4, *, backwards: bool = False, running: str | None = None
) -> Plan:
    views = [view(number, running) for number in range(count)]
    return plan(
        Situation(
            views=views[::-1] if backwards else views,
            quotes=quotes({**PRICES, "etc": 0.05}),
            holds=(),
            policy=POLICY,
            farm=FARM,
            now=NOW,
            surcharges={"oslo": steps},
        )
    )


def test_a_price_that_is_too_high_keeps_groups_where_they_are_and_says_why() -> None:
    free, dear = planned(()), planned((Step(100.0, 99.0),))
    assert all(decision.moves for decision in free.decisions)
    assert not any(decision.moves for decision in dear.decisions)
    kept = dear.decisions[0]
    assert kept.blocked is Block.DEMAND_CHARGE
    assert "for the demand charge to pay" in kept.reason
    (told,) = dear.warnings
    assert told.startswith("site oslo keeps its peak: 0.")
    assert dear.wishes["oslo"].free_w == pytest.approx(free.power_w["oslo"])


def test_a_price_of_nothing_changes_no_plan() -> None:
    free = planned(())
    for steps in ((Step(100.0, 0.0),), (Step(1e6, 99.0),)):
        same = planned(steps)
        assert same.decisions == free.decisions
        assert (same.value_usd_per_h, same.warnings) == (free.value_usd_per_h, free.warnings)


def test_the_order_of_groups_is_irrelevant() -> None:
    for price in (0.01, 0.2, 0.4, 1.0):
        steps = (Step(300.0, price),)
        assert planned(steps).decisions == planned(steps, backwards=True).decisions


@dataclass(slots=True)
class Site:
    """Equal groups that run or stand still, under a demand charge, hour by hour."""

    groups: int
    account: PeakAccount
    running: int = 0
    earned_usd: float = 0.0

    def live(self, hour: int, usd_per_h: float, charge: DemandChargeSettings) -> None:
        steps = accounts.bill(self.account, charge, "UTC", BEGIN + 3600.0 * hour).steps
        on, off = Choice("run", usd_per_h, GROUP_W), Choice(None, 0.0, 0.0)
        place = Place(
            (Cohort((on, off), self.running), Cohort((off, on), self.groups - self.running)),
            Limits(0.0, float("inf"), 99, steps),
        )
        found = best(Fleet({"oslo": place}, 99))
        self.running = round(found.settled["oslo"].power_w / GROUP_W)
        self.earned_usd += self.running * usd_per_h
        if "oslo" in found.wishes:
            self.account = accounts.wished(self.account, 0.0, found.wishes["oslo"], 1.0)
        self.account = accounts.metered(self.account, self.running * GROUP_W)


def month(values: Sequence[float], charge: DemandChargeSettings, groups: int = 3) -> float:
    """What a month brings in, its charge paid."""
    site = Site(groups, PeakAccount(site="oslo", charge="demand", month_at=BEGIN - 19 * 86_400.0))
    peak_w = 0.0
    for hour, usd_per_h in enumerate(values):
        site.live(hour, usd_per_h, charge)
        assert site.account.peak_w >= peak_w
        peak_w = site.account.peak_w
    return site.earned_usd - charge.usd_per_kw_month * peak_w / 1000.0


FREE = replace(CHARGE, usd_per_kw_month=0.0)


def heedless(values: Sequence[float], groups: int = 3) -> float:
    """What the same month brings in for one who runs whatever pays by the hour."""
    wanted = sum(max(0.0, value) for value in values)
    return groups * (wanted - CHARGE.usd_per_kw_month * any(value > 0 for value in values))


DAYS = st.lists(
    st.tuples(st.floats(-0.2, 0.6), st.floats(-0.2, 0.2), st.integers(0, 24)),
    min_size=11,
    max_size=11,
)


@settings(max_examples=25, deadline=None)
@given(DAYS)
def test_no_month_is_worse_than_hindsight_by_more_than_the_charge(
    days: list[tuple[float, float, int]],
) -> None:
    values = [high if hour < hours else low for high, low, hours in days for hour in range(24)]
    hindsight = max(0.0, heedless(values))
    last_hour = max(0.0, *values)
    regret = hindsight - month(values, CHARGE)
    assert regret <= 3 * (CHARGE.usd_per_kw_month * 1.1 + last_hour)


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.05, 0.3))
def test_where_things_stay_as_they_are_the_charge_is_weighed_exactly(usd_per_h: float) -> None:
    values = [usd_per_h] * HOURS
    best_usd = max(0.0, heedless(values))
    assert month(values, CHARGE) == pytest.approx(best_usd, abs=3 * abs(usd_per_h) + 1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_a_burst_at_the_end_of_a_month_raises_no_peak(seed: int) -> None:
    """A site that mined at a loss all month gets five good hours on its last day."""
    rng = random.Random(seed)
    values = [rng.uniform(-0.1, -0.01) for _ in range(HOURS - 5)] + [0.9] * 5
    assert month(values, CHARGE) == 0.0
    assert heedless(values) < -15.0


def test_a_charge_of_nothing_is_no_charge() -> None:
    values = [0.1, -0.1, 0.3] * 20
    assert month(values, FREE) == pytest.approx(3 * sum(max(0.0, value) for value in values))
