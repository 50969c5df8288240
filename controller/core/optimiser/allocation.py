"""Who does what: the whole fleet at once, under demand, power caps and limits on switching.

`allocate` is the step that a solver may replace: it sees values, watts and limits, no reasons.
Sites share nothing but the fleet's limit on switches. The order of candidates only breaks ties.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from controller.core.optimiser import capacity, exchange
from controller.core.optimiser.site_market import Limits, Outcome, settle
from controller.core.options.choice import Candidate


@dataclass(frozen=True, slots=True)
class SiteProblem:
    """A site's groups and limits."""

    candidates: tuple[Candidate, ...]
    """Every group that counts here, those that cannot move too, in a fixed order."""
    limits: Limits


@dataclass(frozen=True, slots=True)
class SiteAllocation:
    """What the groups of a site shall do."""

    outcome: Outcome
    watt_price: float
    """What a watt below the cap is worth, $/Wh; 0: the cap does not bind."""
    waiting: frozenset[int]
    """Candidates that would move but for the limit on switches."""


def allocate(sites: Mapping[str, SiteProblem], switches: int) -> dict[str, SiteAllocation]:
    """The plan of greatest value found; `switches` may still begin in the whole fleet.

    The power cap comes before the limit on switches: where staying would exceed the cap, groups
    that draw less than now may move beyond the limit.
    """
    wished = {name: _solve(site) for name, site in sorted(sites.items())}
    admitted = _admitted(sites, wished, switches)
    return {name: _rationed(sites[name], result, admitted[name]) for name, result in wished.items()}


def _solve(site: SiteProblem) -> SiteAllocation:
    outcome, price = capacity.fit(site.candidates, site.limits)
    if price > 0.0 and capacity.fits(outcome, site.limits):
        anywhere = replace(site.limits, switches=len(site.candidates))
        outcome = exchange.improved(site.candidates, anywhere, outcome)
    return SiteAllocation(outcome, price, frozenset())


def _admitted(
    sites: Mapping[str, SiteProblem], wished: Mapping[str, SiteAllocation], switches: int
) -> dict[str, list[int]]:
    """Moves within the limits, the most gainful first. All limits nest, so this is exact."""
    ranked = sorted(
        (-gain, name, i)
        for name, result in wished.items()
        for i, gain in _gains(sites[name], result)
    )
    admitted: dict[str, list[int]] = {name: [] for name in wished}
    for _, name, i in ranked:
        if switches > 0 and len(admitted[name]) < sites[name].limits.switches:
            admitted[name].append(i)
            switches -= 1
    return admitted


def _gains(site: SiteProblem, result: SiteAllocation) -> Iterator[tuple[int, float]]:
    """Every move of a site and what it gains over staying, watts at their price."""
    outcome = result.outcome
    if not any(outcome.picks):
        return
    stay = _stay(site)
    for i, pick in enumerate(outcome.picks):
        if pick:
            choices = site.candidates[i].choices
            target = choices[pick].value(outcome.shares[i], result.watt_price)
            yield i, target - choices[0].value(stay.shares[i], result.watt_price)


def _rationed(site: SiteProblem, wish: SiteAllocation, admitted: Sequence[int]) -> SiteAllocation:
    """Decide again with the moves that were not admitted struck out."""
    wanted = [i for i, pick in enumerate(wish.outcome.picks) if pick]
    if len(wanted) == len(admitted):
        return wish
    movable = set(admitted)
    result = _solve(_pinned(site, movable))
    savings = _savings(site)
    while not capacity.fits(result.outcome, site.limits) and len(movable) < len(savings):
        excess_w = result.outcome.power_w - site.limits.power_cap_w
        movable = {i for _, i in savings[: len(movable) + _needed(savings, movable, excess_w)]}
        result = _solve(_pinned(site, movable))
    outcome = result.outcome
    if capacity.fits(outcome, site.limits):
        limits = replace(site.limits, switches=len(movable))
        outcome = exchange.improved(site.candidates, limits, outcome)
    waiting = frozenset(i for i in wanted if not outcome.picks[i])
    return replace(result, outcome=outcome, waiting=waiting)


def _savings(site: SiteProblem) -> list[tuple[float, int]]:
    """What each group can save over staying, watts, the most first."""
    stay = _stay(site)
    savings = []
    for i, candidate in enumerate(site.candidates):
        now, *others = candidate.choices
        least_w = min((choice.watts(1.0) for choice in others), default=math.inf)
        savings.append((now.watts(stay.shares[i]) - least_w, i))
    return sorted((s for s in savings if s[0] > 0.0), key=lambda s: (-s[0], s[1]))


def _needed(savings: Sequence[tuple[float, int]], movable: set[int], excess_w: float) -> int:
    """How many more groups must be free to move to save this much; at least one."""
    spare = [saved_w for saved_w, i in savings if i not in movable]
    totals = accumulate(spare)
    return next((n for n, saved_w in enumerate(totals, 1) if saved_w >= excess_w), len(spare) + 1)


def _pinned(site: SiteProblem, movable: set[int]) -> SiteProblem:
    candidates = tuple(
        candidate if i in movable else replace(candidate, choices=candidate.choices[:1])
        for i, candidate in enumerate(site.candidates)
    )
    return replace(site, candidates=candidates)


def _stay(site: SiteProblem) -> Outcome:
    picks = [0] * len(site.candidates)
    return settle(site.candidates, picks, site.limits.demand_groups)
