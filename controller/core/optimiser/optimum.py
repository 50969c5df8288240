"""What the whole fleet should do, counted by cohorts: the plan of greatest value within all limits.

Where nothing but demand is scarce the auction is exact; else a solver is asked. What comes first:
power caps, then limits on switches, then requirements by their weight and money.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core.charges.steps import Wish, cost_usd_per_h, eased
from controller.core.optimiser import auction, rounds
from controller.core.optimiser.capacity import PRICE_MAX
from controller.core.optimiser.cohorts import (
    Fleet,
    Lot,
    Place,
    Settlement,
    counted,
    place_usd_per_h,
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
    wishes: Mapping[str, Wish]
    """By site whose draw has a price of its own."""
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
    fleet = replace(fleet, places={site: _eased(place) for site, place in fleet.places.items()})
    alone = {site: auction.priced(place) for site, place in fleet.places.items()}
    free = {site: found for site, (found, _) in alone.items()}
    exact = all(one for _, one in alone.values())
    capped = frozenset(s for s, place in fleet.places.items() if not rounds.fits(place, free[s]))
    given = counted(fleet, free)
    binding = frozenset(r.name for r in fleet.requirements if any(short_of(r, given[r.name])))
    if exact and not capped and not binding and _slow_enough(fleet, free):
        return _optimum(fleet, rounds.Found(free, 0.0), free, capped, binding)
    stuck = _stuck(fleet, capped)
    found = rounds.solved(_without(fleet, stuck), solve, effort)
    found = replace(found, settled={**found.settled, **stuck})
    return _optimum(fleet, found, _unhurried(fleet, found.settled, free, stuck), capped, binding)


def _eased(place: Place) -> Place:
    """What is drawn already, and what more of it costs."""
    if not place.limits.surcharge:
        return place
    surcharge = eased(place.limits.surcharge, _stay(place).power_w)
    return replace(place, limits=replace(place.limits, surcharge=surcharge))


def _stay(place: Place) -> Settlement:
    """What the site comes to when nobody moves."""
    return settle(place, tuple((c.count, *(0 for _ in c.choices[1:])) for c in place.cohorts))


def _wish(place: Place) -> Wish:
    """What the price of draw changes, limits on switches aside."""
    free = auction.under_cap(place)
    held, _ = auction.priced(place)
    if not rounds.fits(place, held):
        held = free
    cheap = replace(place, limits=replace(place.limits, surcharge=()))
    forgone = place_usd_per_h(cheap, free) - place_usd_per_h(cheap, held)
    steps = place.limits.surcharge
    asked = cost_usd_per_h(steps, free.power_w) - cost_usd_per_h(steps, held.power_w)
    return Wish(_stay(place).power_w, free.power_w, held.power_w, max(0.0, forgone), asked)


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


def _unhurried(
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
            wish[site] = auction.under_cap(place)
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
        wishes={site: _wish(p) for site, p in fleet.places.items() if p.limits.surcharge},
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
