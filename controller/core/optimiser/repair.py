"""What a plan still owes, and the cheapest that would have to give way for it.

A second program, in which no money counts: bounds may be stretched and groups freed, each at the
price in the table, and what is owed is dear. It changes no plan; operators decide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core import reasons
from controller.core.model import Block, GroupKey
from controller.core.optimiser import remedies
from controller.core.optimiser.batches import Company
from controller.core.optimiser.cohorts import Cohort, Fleet, counted, short_of
from controller.core.optimiser.formulation import Formulation, Relief, Terms, formulate
from controller.core.optimiser.optimum import Optimum
from controller.core.optimiser.program import Effort, SolverError
from controller.core.optimiser.rounds import Solve
from controller.core.options.choice import FORCED_USD_PER_H, Choice, forced
from controller.core.requirement import Lever, Repair, Requirement, Unmet

OWED = 1e4
"""Price of a unit that is owed: dearer than any way to come by it."""

SWITCH = 0.01
"""Price of one more switch at once: waiting does the same."""

CAP_KW = 1.0
"""Price of a kW above a cap."""

RELEASES = {
    Lever.DWELL: 0.1,
    Lever.SWITCHING: 0.2,
    Lever.HOLD: 5.0,
    Lever.QUARANTINED: 20.0,
    Lever.OFFLINE: 20.0,
}
"""Price of a group that is free; what contracts and tenants have is not for sale."""

ROUNDING = 1e-6
"""Less of anything is rounding."""

Freed = Callable[[Company], tuple[Choice, ...]]
"""What groups could do if nothing tied them; the first choice is to stay."""


@dataclass(frozen=True, slots=True)
class Roll:
    """Who is behind the counts."""

    crews: Mapping[str, Sequence[Company]]
    keys: Sequence[GroupKey]
    freed: Freed

    def lever(self, site: str, cohort: int) -> Lever | None:
        """What would free the groups of a cohort; none: nothing that is for sale."""
        standing = self.crews[site][cohort].parts[0].stake.case.standing
        if standing.free:
            return Lever.DWELL
        known = {lever.value: lever for lever in RELEASES}
        return known.get(standing.block.value)


def unmet(fleet: Fleet, best: Optimum, roll: Roll, solve: Solve, effort: Effort) -> Iterator[Unmet]:
    """Every requirement that the plan does not meet."""
    given = counted(fleet, best.settled)
    owing = [r for r in fleet.requirements if any(short_of(r, given[r.name]))]
    if not owing:
        return
    eased = _eased(fleet, best, roll)
    for requirement in owing:
        short, excess = short_of(requirement, given[requirement.name])
        try:
            repairs, lacking = _repaired(eased, requirement, given, roll, solve, effort)
        except SolverError as error:
            repairs, lacking = (), short + excess
            told = remedies.unrepaired(requirement, short, excess, str(error))
        else:
            told = remedies.unmet(requirement, short, excess, repairs, lacking)
        yield Unmet(
            name=requirement.name,
            unit=requirement.unit,
            short=short,
            excess=excess,
            repairs=repairs,
            lacking=lacking,
            text=told,
        )


def _eased(fleet: Fleet, best: Optimum, roll: Roll) -> Fleet:
    """The fleet with all that could be freed, at bounds that the plan itself keeps."""
    places = {}
    for site, place in fleet.places.items():
        cohorts = tuple(_released(cohort, roll, site, c) for c, cohort in enumerate(place.cohorts))
        done, limits = best.settled[site], place.limits
        limits = replace(
            limits,
            power_cap_w=max(limits.power_cap_w, done.power_w),
            switches=max(limits.switches, done.moves),
        )
        places[site] = replace(place, cohorts=cohorts, limits=limits)
    moves = sum(one.moves for one in best.settled.values())
    return replace(fleet, places=places, switches=max(fleet.switches, moves))


def _released(cohort: Cohort, roll: Roll, site: str, c: int) -> Cohort:
    crew = roll.crews[site][c]
    if crew.parts[0].stake.case.standing.free or roll.lever(site, c) is None:
        return cohort
    others = roll.freed(crew)[1:]
    dear = (replace(one, value_usd_per_h=-FORCED_USD_PER_H) for one in others)
    return replace(cohort, choices=(cohort.choices[0], *dear))


def _repaired(
    eased: Fleet,
    requirement: Requirement,
    given: Mapping[str, float],
    roll: Roll,
    solve: Solve,
    effort: Effort,
) -> tuple[tuple[Repair, ...], float]:
    """What would give way, and what is missing even then. Raises `SolverError`."""
    kept = tuple(
        one if one.name == requirement.name else _as_it_is(one, given[one.name])
        for one in eased.requirements
    )
    price = Relief(
        switch=SWITCH,
        cap_kw=CAP_KW,
        forced=lambda site, cohort: RELEASES[roll.lever(site, cohort) or Lever.DWELL],
        owed=OWED,
    )
    made = formulate(replace(eased, requirements=kept), Terms(), price)
    answer = solve(made.program, effort)
    if answer.values is None:
        raise SolverError("the solver found no repair within its limit of effort")
    total = math.fsum(
        amount * answer.values[column]
        for column, cell in made.cells.items()
        for name, amount in made.choice(cell).counts
        if name == requirement.name
    )
    return tuple(_repairs(made, answer.values, roll)), sum(short_of(requirement, total))


def _as_it_is(requirement: Requirement, given: float) -> Requirement:
    """Others shall not be met less than now."""
    least, most = min(requirement.least, given), max(requirement.most, given)
    return replace(requirement, least=least, most=most)


def _repairs(made: Formulation, values: Sequence[float], roll: Roll) -> Iterator[Repair]:
    for site, column in made.caps.items():
        if values[column] > ROUNDING:
            yield Repair(lever=Lever.POWER_CAP, site=site, amount=values[column])
    for site, column in made.switches.items():
        if values[column] > ROUNDING:
            lever = Lever.SITE_SWITCHES if site else Lever.FLEET_SWITCHES
            yield Repair(lever=lever, site=site, amount=values[column])
    freed: dict[tuple[str, int], int] = {}
    for column, cell in made.cells.items():
        if forced(made.choice(cell)) and values[column]:
            where = cell.site, cell.cohort
            freed[where] = freed.get(where, 0) + round(values[column])
    for (site, cohort), count in freed.items():
        yield _release(site, roll.crews[site][cohort], count, roll, cohort)


def _release(site: str, crew: Company, count: int, roll: Roll, cohort: int) -> Repair:
    members = sorted(member for part in crew.parts for member in part.members)
    first = crew.parts[0].stake.case
    dwells = first.standing.block is Block.NONE
    return Repair(
        lever=roll.lever(site, cohort) or Lever.DWELL,
        site=site,
        amount=count,
        groups=tuple(str(roll.keys[member]) for member in members[:count]),
        why=reasons.dwell(first.dwell_left_s) if dwells else first.standing.why,
    )
