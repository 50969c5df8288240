"""Groups that have the same choices at the same site, counted instead of named. Pure arithmetic.

Deciding for counts is exact: whoever has the same choices is as good for one of them as the next.
Which group of a cohort does which is not decided here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.core.charges.steps import cost_usd_per_h
from controller.core.optimiser.site_market import Limits
from controller.core.options.choice import Choice, stated_usd_per_h
from controller.core.requirement import Requirement

Counts = tuple[tuple[int, ...], ...]
"""How many groups of each cohort make each of its choices."""

TOLERANCE_RATIO = 1e-6
"""Rounding of sums that requirements are held against."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """So many groups with the same choices; the first is to stay, and wins ties."""

    choices: tuple[Choice, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Place:
    """A site's groups and limits."""

    cohorts: tuple[Cohort, ...]
    """Every group that counts here, those that cannot move too, in a fixed order."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is decided together."""

    places: Mapping[str, Place]
    """By site."""
    switches: int
    """Switches that may still begin in the whole fleet."""
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Lot:
    """Groups of one cohort that make the same choice and are as busy as each other."""

    pick: int
    share: float
    """Busy ratio; 0 for what does not serve."""
    count: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What counts come to when requests go where they earn most."""

    lots: tuple[tuple[Lot, ...], ...]
    """Of each cohort, those that move first, and of these the busiest."""
    power_w: float
    moves: int
    serving: int


def settle(place: Place, counts: Counts) -> Settlement:
    """Seats go to who gains most by being busy; of equals, to the earlier one."""
    demand = place.limits.demand_groups
    lots: list[list[Lot]] = [[] for _ in place.cohorts]
    servers = []
    for c, cohort in enumerate(place.cohorts):
        for pick, count in enumerate(counts[c]):
            if count and cohort.choices[pick].serves:
                servers.append((-cohort.choices[pick].busy_usd_per_h, c, pick, count))
            elif count:
                lots[c].append(Lot(pick, 0.0, count))
    serving = 0
    for _, c, pick, count in sorted(servers):
        lots[c] += _seated(pick, count, demand - serving)
        serving += count
    watts = (
        lot.count * cohort.choices[lot.pick].watts(lot.share)
        for cohort, of_cohort in zip(place.cohorts, lots, strict=True)
        for lot in of_cohort
    )
    moves = sum(sum(of_cohort[1:]) for of_cohort in counts)
    ordered = (tuple(sorted(some, key=lambda x: (x.pick == 0, -x.share, x.pick))) for some in lots)
    return Settlement(tuple(ordered), math.fsum(watts), moves, serving)


def _seated(pick: int, count: int, seats: float) -> Iterator[Lot]:
    """How busy so many servers are when these seats are left."""
    whole = int(min(max(0.0, seats), count))
    if whole:
        yield Lot(pick, 1.0, whole)
    part = min(1.0, max(0.0, seats - whole)) if whole < count else 0.0
    if part > 0.0:
        yield Lot(pick, part, 1)
        whole += 1
    if whole < count:
        yield Lot(pick, 0.0, count - whole)


def value_usd_per_h(fleet: Fleet, settled: Mapping[str, Settlement]) -> float:
    """Value of all choices less what their draw and unmet requirements cost."""
    values = [place_usd_per_h(place, settled[site]) for site, place in fleet.places.items()]
    given = counted(fleet, settled)
    fines = (r.weight_usd_per_h * sum(short_of(r, given[r.name])) for r in fleet.requirements)
    return math.fsum(values) - math.fsum(fines)


def place_usd_per_h(place: Place, settled: Settlement) -> float:
    """Value of a site's choices less what their draw costs beyond its energy."""
    values = (
        lot.count * stated_usd_per_h(cohort.choices[lot.pick], lot.share)
        for cohort, lots in zip(place.cohorts, settled.lots, strict=True)
        for lot in lots
    )
    return math.fsum(values) - cost_usd_per_h(place.limits.surcharge, settled.power_w)


def counted(fleet: Fleet, settled: Mapping[str, Settlement]) -> dict[str, float]:
    """What the choices add to each requirement."""
    totals: dict[str, list[float]] = {r.name: [] for r in fleet.requirements}
    for site, place in fleet.places.items():
        for cohort, lots in zip(place.cohorts, settled[site].lots, strict=True):
            for lot in lots:
                for name, amount in cohort.choices[lot.pick].counts:
                    if name in totals:
                        totals[name].append(lot.count * amount)
    return {name: math.fsum(parts) for name, parts in totals.items()}


def short_of(requirement: Requirement, given: float) -> tuple[float, float]:
    """By how much this is too little and too much; rounding counts as neither."""
    slack = TOLERANCE_RATIO * max(1.0, abs(given))
    short, excess = requirement.least - given, given - requirement.most
    return (short if short > slack else 0.0, excess if excess > slack else 0.0)
