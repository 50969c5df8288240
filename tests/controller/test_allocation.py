"""The allocation against every possible one, on fleets small enough to try them all."""

import pytest

from controller.core.allocation import SiteProblem, allocate
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
