"""What the whole fleet should do, counted by cohorts: the plan of greatest value within all limits.

Where nothing but demand is scarce the auction is exact; else a solver is asked. What comes first:
power caps, then limits on switches, then requirements by their weight and money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core.optimiser import auction, rounds
from controller.core.optimiser.capacity import PRICE_MAX
from controller.core.optimiser.cohorts import (
    Fleet,
    Lot,
    Settlement,
    counted,
    settle,
    short_of,
    value_usd_per_h,
)
from controller.core.optimiser.program import Effort
from controller.core.optimiser.rounds import Solve


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """What was decided for a fleet, and how near it is to the best."""

    settled: Mapping[str, Settlement]
    waiting: Mapping[str, tuple[int, ...]]
    """By site and cohort: groups that would move but for limits on switches."""
    capped: frozenset[str]
    """Sites whose cap keeps somebody from what would pay more."""
    binding: frozenset[str]
    """Requirements that change what is chosen, or are not met."""
    value_usd_per_h: float
    """Of all choices, hurdles counted, less what unmet requirements cost."""
    bound_usd_per_h: float | None
    """No plan is worth more; none: unknown."""
    trouble: str = ""
    """Why it may not be the best; empty: it is."""


def best(fleet: Fleet, solve: Solve, effort: Effort) -> Optimum:
    """Decide for the whole fleet."""
    free = {site: settle(place, auction.bid(place)) for site, place in fleet.places.items()}
    capped = frozenset(s for s, place in fleet.places.items() if not rounds.fits(place, free[s]))
    given = counted(fleet, free)
    binding = frozenset(r.name for r in fleet.requirements if any(short_of(r, given[r.name])))
    if not capped and not binding and _slow_enough(fleet, free):
        return _optimum(fleet, rounds.Found(free, 0.0), free, capped, binding)
    stuck = _stuck(fleet, capped)
    found = rounds.solved(_without(fleet, stuck), solve, effort)
    found = replace(found, settled={**found.settled, **stuck})
    return _optimum(fleet, found, _wish(fleet, found.settled, free, stuck), capped, binding)


def _slow_enough(fleet: Fleet, settled: Mapping[str, Settlement]) -> bool:
    """Whether no more groups move than may."""
    here = all(settled[site].moves <= p.limits.switches for site, p in fleet.places.items())
    return here and sum(one.moves for one in settled.values()) <= fleet.switches


def _stuck(fleet: Fleet, capped: frozenset[str]) -> dict[str, Settlement]:
    """Sites that exceed their cap whatever is done: their thriftiest."""
    thrifty = {}
    for site in sorted(capped):
        place = fleet.places[site]
        least = settle(place, auction.bid(place, PRICE_MAX))
        if not rounds.fits(place, least):
            thrifty[site] = least
    return thrifty


def _without(fleet: Fleet, stuck: Mapping[str, Settlement]) -> Fleet:
    """The rest of the fleet, with what these sites use up taken off."""
    if not stuck:
        return fleet
    of_stuck = Fleet({s: fleet.places[s] for s in stuck}, 0, fleet.requirements)
    given = counted(of_stuck, stuck)
    return Fleet(
        {site: place for site, place in fleet.places.items() if site not in stuck},
        max(0, fleet.switches - sum(one.moves for one in stuck.values())),
        tuple(
            replace(r, least=r.least - given[r.name], most=r.most - given[r.name])
            for r in fleet.requirements
        ),
    )


def _wish(
    fleet: Fleet,
    done: Mapping[str, Settlement],
    free: Mapping[str, Settlement],
    stuck: Mapping[str, Settlement],
) -> Mapping[str, Settlement]:
    """What money would have done but for limits on switches; where these do not bind: is done."""
    slow = sum(one.moves for one in done.values()) >= fleet.switches
    wish = {}
    for site, place in fleet.places.items():
        if site in stuck or not (slow or done[site].moves >= place.limits.switches):
            wish[site] = done[site]
        elif rounds.fits(place, free[site]):
            wish[site] = free[site]
        else:
            wish[site] = settle(place, auction.under_cap(place))
    return wish


def _optimum(
    fleet: Fleet,
    found: rounds.Found,
    wish: Mapping[str, Settlement],
    capped: frozenset[str],
    binding: frozenset[str],
) -> Optimum:
    value = value_usd_per_h(fleet, found.settled)
    given = counted(fleet, found.settled)
    unmet = {r.name for r in fleet.requirements if any(short_of(r, given[r.name]))}
    return Optimum(
        settled={site: found.settled[site] for site in fleet.places},
        waiting={site: _waiting(wish[site], found.settled[site]) for site in fleet.places},
        capped=capped,
        binding=binding | unmet,
        value_usd_per_h=value,
        bound_usd_per_h=value + found.gap_usd_per_h if math.isfinite(found.gap_usd_per_h) else None,
        trouble=found.trouble,
    )


def _waiting(wish: Settlement, done: Settlement) -> tuple[int, ...]:
    return tuple(
        max(0, _moves(wished) - _moves(lots))
        for wished, lots in zip(wish.lots, done.lots, strict=True)
    )


def _moves(lots: Sequence[Lot]) -> int:
    return sum(lot.count for lot in lots if lot.pick)
