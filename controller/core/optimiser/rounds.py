"""Asking a solver until its answer holds: limits stretched where a cap asks for it, seats ordered.

Most programs are solved in the first round. Where the solver gives up, the heuristic decides,
unless what the solver had found by then is worth more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from controller.core.model import GroupKey
from controller.core.optimiser.allocation import SiteProblem, allocate
from controller.core.optimiser.capacity import TOLERANCE_W
from controller.core.optimiser.cohorts import (
    Counts,
    Fleet,
    Place,
    Settlement,
    settle,
    value_usd_per_h,
)
from controller.core.optimiser.formulation import (
    TIE_USD_PER_H,
    Formulation,
    Relief,
    Terms,
    formulate,
    stretched,
)
from controller.core.optimiser.program import Answer, Effort, Program, SolverError
from controller.core.options.choice import Candidate, forced

Solve = Callable[[Program, Effort], Answer]
"""A solver. Raises `SolverError`."""

ROUNDS_MAX = 4
"""One more each to order the seats of more sites, and to keep a margin below the caps."""

MARGIN_W = 0.001
"""How far below a cap to stay where rounding has once gone above it."""

BREACH = Relief(switch=1.0, cap_kw=math.inf, forced=lambda _site, _cohort: 3.0)
"""What a cap may cost, the least of it: switches beyond the limits, and ends of a dwell."""

GAP_MIN_USD_PER_H = 1e-5
"""Rounding of sums of values; less is no gap."""

GAP_TOLD_USD_PER_H = 1e-3
"""A whole fleet that may be so much better off is worth a warning, and a look at the heuristic."""


@dataclass(frozen=True, slots=True)
class Found:
    """Settlements by site."""

    settled: Mapping[str, Settlement]
    gap_usd_per_h: float
    """How much more the best could be worth at most; infinite: unknown."""
    trouble: str = ""
    """Why it may not be the best; empty: it is."""


def solved(fleet: Fleet, solve: Solve, effort: Effort) -> Found:
    """The best for a fleet whose caps can be kept, or the best that was found."""
    if not fleet.places:
        return Found({}, 0.0)
    try:
        found = _tried(fleet, Terms(), solve, effort)
        if found is None:
            found = _tried(*_beyond_limits(fleet, solve, effort), solve, effort)
    except SolverError as error:
        return _heuristic(fleet, str(error))
    if found is None:
        return _heuristic(fleet, "rounding keeps the solver from a plan within the caps")
    if found.gap_usd_per_h <= GAP_MIN_USD_PER_H:
        return replace(found, gap_usd_per_h=0.0)
    if found.gap_usd_per_h <= GAP_TOLD_USD_PER_H:
        return found
    return _better(fleet, found, _heuristic(fleet, "the solver ended at its limit of effort"))


def _tried(fleet: Fleet, terms: Terms, solve: Solve, effort: Effort) -> Found | None:
    """None: these bounds cannot be kept. Raises `SolverError`."""
    for _ in range(ROUNDS_MAX):
        made = formulate(fleet, terms)
        answer = _asked(made, solve, effort)
        if answer.infeasible or answer.values is None:
            return None
        counts = made.counts(answer.values)
        settled = {site: settle(place, counts[site]) for site, place in fleet.places.items()}
        mended = _mended(made, settled, answer.values)
        if mended == terms:
            return Found(settled, max(0.0, answer.bound - made.program.worth(answer.values)))
        terms = mended
    return None


def _asked(made: Formulation, solve: Solve, effort: Effort) -> Answer:
    answer = solve(made.program, effort)
    if answer.values is None and not answer.infeasible:
        raise SolverError("the solver found no plan within its limit of effort")
    return answer


def _mended(
    made: Formulation, settled: Mapping[str, Settlement], values: tuple[float, ...]
) -> Terms:
    """The terms under which an answer would come true; the same ones: it does."""
    terms = made.terms
    for site, place in made.fleet.places.items():
        if made.misread(site, settled[site], values):
            terms = replace(terms, ordered=terms.ordered | {site})
        if not fits(place, settled[site]) and site in made.terms.ordered:
            terms = replace(terms, margin_w=MARGIN_W)
    return terms


def fits(place: Place, settled: Settlement) -> bool:
    """Whether a site stays below its cap."""
    return settled.power_w <= place.limits.power_cap_w + TOLERANCE_W


def _beyond_limits(fleet: Fleet, solve: Solve, effort: Effort) -> tuple[Fleet, Terms]:
    """As many more switches, and ends of a dwell, as the caps ask for. Raises `SolverError`."""
    ordered = frozenset(
        site for site, p in fleet.places.items() if math.isfinite(p.limits.demand_groups)
    )
    made = formulate(fleet, Terms(ordered=ordered), BREACH)
    answer = _asked(made, solve, effort)
    if answer.values is None:
        raise SolverError("the solver calls caps impossible that can be kept")
    ends = sum(answer.values[j] for j, cell in made.cells.items() if forced(made.choice(cell)))
    return stretched(made, answer.values), Terms(forced_max=ends, ordered=ordered)


def _heuristic(fleet: Fleet, trouble: str) -> Found:
    """What a decision group by group comes to; it knows no requirements."""
    problems = {site: _named(place) for site, place in fleet.places.items()}
    allocations = allocate(problems, fleet.switches)
    settled = {
        site: settle(place, _counted(place, allocations[site].outcome.picks))
        for site, place in fleet.places.items()
    }
    return Found(settled, math.inf, trouble)


def _named(place: Place) -> SiteProblem:
    candidates = [
        Candidate(GroupKey(str(c), str(n)), cohort.choices)
        for c, cohort in enumerate(place.cohorts)
        for n in range(cohort.count)
    ]
    return SiteProblem(tuple(candidates), place.limits)


def _counted(place: Place, picks: tuple[int, ...]) -> Counts:
    made, rest = [], iter(picks)
    for cohort in place.cohorts:
        counts = [0] * len(cohort.choices)
        for _ in range(cohort.count):
            counts[next(rest)] += 1
        made.append(tuple(counts))
    return tuple(made)


def _better(fleet: Fleet, found: Found, other: Found) -> Found:
    """The solver's incumbent or the heuristic's plan, whichever is worth more."""
    value = value_usd_per_h(fleet, found.settled)
    bound = value + found.gap_usd_per_h
    more = value_usd_per_h(fleet, other.settled)
    if more > value + TIE_USD_PER_H and all(
        fits(p, other.settled[s]) for s, p in fleet.places.items()
    ):
        return Found(other.settled, max(0.0, bound - more), other.trouble)
    return replace(found, trouble=other.trouble)
