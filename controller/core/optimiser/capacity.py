"""One site under its power cap: a price per watt that keeps its groups below it.

Watts are dear enough that the least valuable per watt go first; what is then left below the cap
is given back group by group. Choosing whole groups under a cap is a knapsack: this is not exact
(see `tests/controller/test_allocation.py` for how near it comes), but never above the cap.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.optimiser.site_market import Limits, Outcome, bid, settle
from controller.core.options.choice import Candidate

PRICE_MIN = 1e-7
"""US dollars per Wh: no group is worth so little per watt that this would not tell it apart."""

PRICE_MAX = 1e7
"""US dollars per Wh: above it nothing but watts counts."""

PRICE_RATIO = 1.001
"""The price is sought until it is known this well; the rest is decided group by group."""

TRIES_MAX = 64
"""Groups that are tried one by one for what is left below the cap."""

TOLERANCE_W = 1e-6
"""Rounding of sums of watts."""


def fit(candidates: Sequence[Candidate], limits: Limits) -> tuple[Outcome, float]:
    """The best outcome below the cap that was found, and the price per watt that led to it.

    Where even the thriftiest choices exceed the cap, those are the outcome.
    """
    demand = limits.demand_groups
    free = bid(candidates, demand, 0.0)
    if fits(free, limits):
        return free, 0.0
    low, high = PRICE_MIN, PRICE_MAX
    above, below = free, bid(candidates, demand, high)
    if not fits(below, limits):
        return below, high
    while high / low > PRICE_RATIO:
        middle = (low * high) ** 0.5
        outcome = bid(candidates, demand, middle)
        if fits(outcome, limits):
            high, below = middle, outcome
        else:
            low, above = middle, outcome
    return _filled(candidates, limits, below, above), high


def _filled(
    candidates: Sequence[Candidate], limits: Limits, below: Outcome, above: Outcome
) -> Outcome:
    """As much of the way from `below` up to `above` as the cap allows."""
    # At so exact a price all that differ gain the same per watt; who need not move comes first.
    differing = (i for i, pick in enumerate(below.picks) if pick != above.picks[i])
    order = sorted(differing, key=lambda i: above.picks[i] != 0)
    fewest, most, best = 0, len(order), below
    while fewest < most:
        count = (fewest + most + 1) // 2
        outcome = _upgraded(candidates, limits, below, above, order[:count])
        if fits(outcome, limits):
            fewest, best = count, outcome
        else:
            most = count - 1
    for i in order[fewest + 1 : fewest + 1 + TRIES_MAX]:
        outcome = _upgraded(candidates, limits, best, above, [i])
        if fits(outcome, limits):
            best = outcome
    return best


def _upgraded(
    candidates: Sequence[Candidate],
    limits: Limits,
    base: Outcome,
    above: Outcome,
    groups: Sequence[int],
) -> Outcome:
    picks = list(base.picks)
    for i in groups:
        picks[i] = above.picks[i]
    return settle(candidates, picks, limits.demand_groups)


def fits(outcome: Outcome, limits: Limits) -> bool:
    """Whether an outcome stays below the cap."""
    return outcome.power_w <= limits.power_cap_w + TOLERANCE_W
