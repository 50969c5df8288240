"""Who does what: the whole fleet at once, under demand, power caps and limits on switching.

`allocate` is the step that a solver may replace: it sees values, watts and limits, no reasons.
Sites share nothing but the fleet's limit on switches. The order of candidates only breaks ties.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.core import capacity
from controller.core.site_market import Candidate, Outcome, settle


@dataclass(frozen=True, slots=True)
class Limits:
    """What the groups of a site share."""

    demand_groups: float
    """Groups that inference demand keeps busy; infinite: all that serve."""
    power_cap_w: float
    """Infinite: no cap."""
    switches: int
    """Switches that may still begin here."""


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
    limits = site.limits
    outcome, price = capacity.fit(site.candidates, limits.demand_groups, limits.power_cap_w)
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
    stay = _stay(site)
    for i, pick in enumerate(outcome.picks):
        if pick:
            choices = site.candidates[i].choices
            target = choices[pick].value(outcome.shares[i], result.watt_price)
            yield i, target - choices[0].value(stay.shares[i], result.watt_price)


def _rationed(site: SiteProblem, wish: SiteAllocation, admitted: Sequence[int]) -> SiteAllocation:
    """Decide again with the moves that were not admitted struck out."""
    wanted = [i for i, pick in enumerate(wish.outcome.picks) if pick]
    waiting = set(wanted) - set(admitted)
    if not waiting:
        return wish
    savings = _savings(site, wish.outcome, waiting)
    while True:
        result = _solve(_pinned(site, set(admitted) | (set(wanted) - waiting)))
        excess_w = result.outcome.power_w - site.limits.power_cap_w
        if not savings or capacity.fits(result.outcome, site.limits.power_cap_w):
            return replace(result, waiting=frozenset(waiting))
        while savings and excess_w > 0.0:
            saved_w, i = savings.pop()
            waiting.discard(i)
            excess_w -= saved_w


def _savings(site: SiteProblem, outcome: Outcome, waiting: set[int]) -> list[tuple[float, int]]:
    """Waiting moves that draw less than staying, the least thrifty first."""
    stay = _stay(site)
    savings = []
    for i in waiting:
        choices = site.candidates[i].choices
        now_w = choices[0].watts(stay.shares[i])
        then_w = choices[outcome.picks[i]].watts(outcome.shares[i])
        if then_w < now_w:
            savings.append((now_w - then_w, i))
    return sorted(savings, key=lambda saving: (saving[0], -saving[1]))


def _pinned(site: SiteProblem, movable: set[int]) -> SiteProblem:
    candidates = tuple(
        candidate if i in movable else replace(candidate, choices=candidate.choices[:1])
        for i, candidate in enumerate(site.candidates)
    )
    return replace(site, candidates=candidates)


def _stay(site: SiteProblem) -> Outcome:
    picks = [0] * len(site.candidates)
    return settle(site.candidates, picks, site.limits.demand_groups)
