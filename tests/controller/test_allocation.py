"""The allocation against every possible one, on fleets small enough to try them all."""

from random import Random

import pytest

from controller.core.model import GroupKey
from controller.core.optimiser import capacity
from controller.core.optimiser.allocation import SiteProblem, allocate
from controller.core.optimiser.site_market import Limits, Outcome, bid
from controller.core.options.choice import Candidate, Choice
from tests.controller import brute_force

FLEETS = 120


def shortfalls(*, caps: bool, limits: bool) -> list[float]:
    """By how much the allocation falls short of the best, for fleets where both keep the limits."""
    found = []
    for sites, switches in brute_force.fleets(11, FLEETS, caps=caps, limits=limits):
        best = brute_force.best(sites, switches)
        allocation = allocate(sites, switches)
        picks = {name: allocation[name].outcome.picks for name in sites}
        if best is None or not within(sites, picks, switches):
            continue
        found.append(best - sum(brute_force.value(sites[name], picks[name])[0] for name in sites))
    return found


def within(sites: dict[str, SiteProblem], picks: dict[str, tuple[int, ...]], switches: int) -> bool:
    """Whether no more groups move than may; caps may force more."""
    moves = {name: sum(pick != 0 for pick in picks[name]) for name in sites}
    here = all(moves[name] <= sites[name].limits.switches for name in sites)
    return here and sum(moves.values()) <= switches


def test_finite_demand_is_allocated_exactly() -> None:
    gaps = shortfalls(caps=False, limits=False)
    assert len(gaps) == FLEETS
    assert gaps == pytest.approx([0.0] * FLEETS, abs=1e-9)


@pytest.mark.parametrize(("caps", "limits"), [(True, False), (False, True), (True, True)])
def test_coupled_limits_cost_little(caps: bool, limits: bool) -> None:
    gaps = shortfalls(caps=caps, limits=limits)
    assert len(gaps) >= FLEETS // 3
    assert min(gaps) >= -1e-9
    assert sum(gap < 1e-9 for gap in gaps) >= 0.85 * len(gaps)
    assert sum(gaps) / len(gaps) < 0.01


@pytest.mark.parametrize("limits", [False, True])
def test_a_cap_is_kept_wherever_it_can_be(limits: bool) -> None:
    for sites, switches in brute_force.fleets(12, FLEETS, caps=True, limits=limits):
        for name, result in allocate(sites, switches).items():
            assert result.outcome.power_w <= sites[name].limits.power_cap_w + brute_force.TOLERANCE


def test_without_a_cap_no_more_move_than_may() -> None:
    for sites, switches in brute_force.fleets(13, FLEETS, caps=False, limits=True):
        result = allocate(sites, switches)
        assert within(sites, {name: result[name].outcome.picks for name in sites}, switches)


def test_a_half_seat_goes_to_whom_it_costs_least() -> None:
    # Half busy the second would not serve; with the whole seat of the first it does.
    first = (Choice(None, -1.0, 0.0), Choice("a", 0.0, 0.0, True, 0.2, 0.0))
    second = (Choice(None, 0.35, 0.0), Choice("b", 0.0, 0.0, True, 0.5, 0.0))
    candidates = [
        Candidate(GroupKey(rig, "all"), menu) for rig, menu in (("x", first), ("y", second))
    ]
    outcome = bid(candidates, 1.5, 0.0)
    assert outcome.picks == (1, 1)
    assert outcome.shares == (0.5, 1.0)


def worth(site: SiteProblem, outcome: Outcome) -> float:
    return brute_force.value(site, outcome.picks)[0]


def test_a_large_site_under_a_cap_loses_less_than_one_group_earns() -> None:
    rng = Random(5)
    for _ in range(10):
        site = brute_force.site(rng, 200, caps=True, limits=False)
        outcome, price = capacity.fit(site.candidates, site.limits)
        ideal = bid(site.candidates, site.limits.demand_groups, price)
        bound = worth(site, ideal) + price * (site.limits.power_cap_w - ideal.power_w)
        assert capacity.fits(outcome, site.limits)
        assert bound - worth(site, outcome) < 0.4 or price == 0.0


def miners(count: int, net: float, *, running: bool, first: int) -> list[Candidate]:
    """Equal groups of 100 W that mine, or that stand still and may."""
    mine, still = Choice("etc", net, 100.0), Choice(None, 0.0, 0.0)
    menu = (mine, still) if running else (still, mine)
    return [Candidate(GroupKey(f"rig{first + i:03}", "all"), menu) for i in range(count)]


def test_under_a_cap_the_least_valuable_stand_still() -> None:
    poor = miners(60, 0.02, running=True, first=0)
    rich = miners(60, 0.03, running=True, first=60)
    site = SiteProblem((*poor, *rich), Limits(0.0, 8_050.0, 120))
    picks = allocate({"oslo": site}, 120)["oslo"].outcome.picks
    assert (sum(picks[:60]), sum(picks[60:])) == (40, 0)


def test_of_equals_under_a_cap_those_go_on_that_need_not_move() -> None:
    candidates = (
        *miners(50, 0.02, running=False, first=0),
        *miners(50, 0.02, running=True, first=50),
    )
    site = SiteProblem(candidates, Limits(0.0, 5_000.0, 100))
    assert not any(allocate({"oslo": site}, 100)["oslo"].outcome.picks)
