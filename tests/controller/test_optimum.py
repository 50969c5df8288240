"""The fleet's optimum against every possible plan, and what must hold however large it is."""

from dataclasses import replace
from random import Random

import pytest

from controller.core.optimiser import auction, highs, optimum, rounds
from controller.core.optimiser.cohorts import Cohort, Fleet, Place, settle
from controller.core.optimiser.optimum import Optimum
from controller.core.optimiser.program import Answer, Effort, Program, SolverError
from controller.core.optimiser.site_market import Limits, bid
from controller.core.options.choice import Candidate, Choice
from controller.core.requirement import Requirement
from tests.controller import brute_force, counted_fleets

FLEETS = 40
CENT = 2e-5
"""What ties and the solver's own tolerance may cost, $/h."""

WAYS = [
    {"caps": False, "limits": False},
    {"caps": True, "limits": False},
    {"caps": False, "limits": True},
    {"caps": True, "limits": True},
    {"caps": False, "limits": False, "owed": True},
    {"caps": True, "limits": True, "owed": True},
]


def best(fleet: Fleet, effort: Effort | None = None) -> Optimum:
    return optimum.best(fleet, highs.solve, effort or Effort())


def moves(found: Optimum, site: str) -> int:
    return found.settled[site].moves


@pytest.mark.parametrize("way", WAYS)
def test_no_plan_within_the_limits_is_worth_more(way: dict[str, bool]) -> None:
    tried = 0
    for fleet in counted_fleets.fleets(11, FLEETS, **way):
        most, found = counted_fleets.best(fleet), best(fleet)
        assert not found.trouble
        if most is not None:
            tried += 1
            assert found.value_usd_per_h == pytest.approx(most, abs=CENT)
            assert found.bound_usd_per_h == pytest.approx(most, abs=CENT)
            assert all(moves(found, s) <= p.limits.switches for s, p in fleet.places.items())
            assert sum(moves(found, s) for s in fleet.places) <= fleet.switches
    assert tried >= FLEETS // 3


@pytest.mark.parametrize("limits", [False, True])
def test_a_cap_is_kept_wherever_it_can_be(limits: bool) -> None:
    for fleet in counted_fleets.fleets(12, FLEETS, caps=True, limits=limits):
        found = best(fleet)
        for site, place in fleet.places.items():
            thriftiest = settle(place, auction.bid(place, 1e7))
            assert rounds.fits(place, found.settled[site]) or (
                found.settled[site].power_w == pytest.approx(thriftiest.power_w)
            )


@pytest.mark.parametrize("way", WAYS[:4])
def test_the_heuristic_is_never_worth_more(way: dict[str, bool]) -> None:
    for fleet in counted_fleets.fleets(13, FLEETS, **way):
        if counted_fleets.best(fleet) is not None:
            heuristic = best(fleet, Effort(nodes_max=0, time_max_s=0.0))
            kept = all(moves(heuristic, s) <= p.limits.switches for s, p in fleet.places.items())
            if kept and sum(moves(heuristic, s) for s in fleet.places) <= fleet.switches:
                assert best(fleet).value_usd_per_h >= heuristic.value_usd_per_h - CENT


def large(seed: int, **way: bool) -> Fleet:
    """A site of 40 cohorts of up to 50 groups."""
    rng = Random(seed)
    place = counted_fleets.counted(rng, 40, caps=True, limits=False, **way)
    grown = tuple(Cohort(one.choices, rng.randint(1, 50)) for one in place.cohorts)
    stay_w = settle(
        replace(place, cohorts=grown),
        tuple((c.count, *[0] * (len(c.choices) - 1)) for c in grown),
    ).power_w
    limits = Limits(rng.uniform(0, 800), rng.uniform(0.6, 1.0) * stay_w, 10_000)
    return Fleet({"oslo": Place(grown, limits)}, 10_000)


@pytest.mark.parametrize("seed", range(4))
def test_a_large_fleet_is_near_its_bound_and_above_the_heuristic(seed: int) -> None:
    fleet = large(seed)
    found, heuristic = best(fleet), best(fleet, Effort(nodes_max=0, time_max_s=0.0))
    assert rounds.fits(fleet.places["oslo"], found.settled["oslo"])
    assert found.bound_usd_per_h is not None
    assert found.bound_usd_per_h - found.value_usd_per_h < 0.01
    assert heuristic.value_usd_per_h <= found.bound_usd_per_h + CENT
    assert found.value_usd_per_h >= heuristic.value_usd_per_h - CENT


def test_the_same_fleet_has_the_same_plan() -> None:
    fleet = large(7, counts=True)
    assert best(fleet) == best(fleet)


@pytest.mark.parametrize("way", WAYS)
def test_a_better_price_for_what_a_cohort_does_never_makes_any_of_it_leave(
    way: dict[str, bool],
) -> None:
    for fleet in counted_fleets.fleets(14, FLEETS // 2, **way):
        before = stayed(fleet)
        site, place = next(iter(fleet.places.items()))
        first = place.cohorts[0]
        now = replace(first.choices[0], value_usd_per_h=first.choices[0].value_usd_per_h + 0.03)
        better = replace(first, choices=(now, *first.choices[1:]))
        raised = replace(place, cohorts=(better, *place.cohorts[1:]))
        assert stayed(replace(fleet, places={**fleet.places, site: raised})) >= before


def stayed(fleet: Fleet) -> int:
    lots = next(iter(best(fleet).settled.values())).lots[0]
    return sum(lot.count for lot in lots if lot.pick == 0)


@pytest.mark.parametrize("way", WAYS[:4])
def test_shifting_all_values_by_a_constant_changes_nothing(way: dict[str, bool]) -> None:
    for fleet in counted_fleets.fleets(15, FLEETS // 2, **way):
        places = {
            site: replace(
                place,
                cohorts=tuple(
                    replace(c, choices=tuple(shifted(x) for x in c.choices)) for c in place.cohorts
                ),
            )
            for site, place in fleet.places.items()
        }
        assert best(replace(fleet, places=places)).settled == best(fleet).settled


def shifted(choice: Choice) -> Choice:
    return replace(choice, value_usd_per_h=choice.value_usd_per_h - 0.25)


def test_without_limits_the_auction_counts_what_bids_of_groups_choose() -> None:
    rng = Random(3)
    for _ in range(200):
        made = brute_force.site(rng, 6, caps=False, limits=False)
        place = Place(tuple(Cohort(c.choices, 2) for c in made.candidates), made.limits)
        twice = [Candidate(c.key, c.choices) for c in made.candidates for _ in range(2)]
        picks = bid(twice, made.limits.demand_groups, 0.0).picks
        counts = auction.bid(place)
        assert [sum(pick == i for pick in picks[2 * c : 2 * c + 2])
                for c, one in enumerate(place.cohorts) for i in range(len(one.choices))
                ] == [n for of_cohort in counts for n in of_cohort]  # fmt: skip


MINE, STILL = Choice("etc", 0.03, 100.0), Choice(None, 0.0, 0.0)


def test_of_equals_those_go_on_that_need_not_move() -> None:
    cohorts = (Cohort((STILL, MINE), 50), Cohort((MINE, STILL), 50))
    fleet = Fleet({"oslo": Place(cohorts, Limits(0.0, 5_000.0, 100))}, 100)
    assert best(fleet).settled["oslo"].moves == 0


def test_a_requirement_is_met_where_its_weight_is_worth_it() -> None:
    rented = Choice("llama", -0.05, 100.0, counts=(("contract acme", 2.0),))
    fleet = Fleet({"oslo": Place((Cohort((MINE, rented), 5),), Limits(0.0, 1e6, 5))}, 5)
    for weight, moved in ((0.0, 0), (0.03, 0), (0.05, 3)):
        owed = Requirement(name="contract acme", unit="GPUs", least=6.0, weight_usd_per_h=weight)
        found = best(replace(fleet, requirements=(owed,)))
        assert found.settled["oslo"].moves == moved
        assert found.binding == {"contract acme"}


def test_a_mandate_bounds_from_above() -> None:
    paid = Choice("xmr", 0.05, 100.0, counts=(("desk mining", 1.0),))
    fleet = Fleet({"oslo": Place((Cohort((STILL, paid), 9),), Limits(0.0, 1e6, 9))}, 9)
    most = Requirement(name="desk mining", unit="GPUs", most=4.0, weight_usd_per_h=1.0)
    assert best(replace(fleet, requirements=(most,))).settled["oslo"].moves == 4


def test_a_solver_that_breaks_leaves_the_heuristic_and_says_so() -> None:
    def broken(program: Program, effort: Effort) -> Answer:
        raise SolverError("it fell over")

    fleet = large(2)
    found = optimum.best(fleet, broken, Effort())
    assert (found.trouble, found.bound_usd_per_h) == ("it fell over", None)
    assert rounds.fits(fleet.places["oslo"], found.settled["oslo"])


@pytest.mark.parametrize(
    ("gap", "told"), [(0.5, "the solver ended at its limit of effort"), (0.0005, "")]
)
def test_what_was_found_before_the_effort_ended_has_a_gap(gap: float, told: str) -> None:
    def hasty(program: Program, effort: Effort) -> Answer:
        answer = highs.solve(program, effort)
        return replace(answer, bound=answer.bound + gap)

    found = optimum.best(large(2), hasty, Effort())
    assert found.trouble == told
    assert found.bound_usd_per_h == pytest.approx(found.value_usd_per_h + gap, abs=1e-4)
