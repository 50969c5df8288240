"""What limits leave over: change one or two groups at a time while that gains something.

For small sites only, where a single group is a large part of the whole; pairs are many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from controller.core.optimiser.site_market import Limits, Outcome, settle
from controller.core.options.choice import Candidate

GROUPS_MAX = 8
"""Groups that may still move on a site that is worth the effort."""

GAIN_MIN_USD_PER_H = 1e-9
"""Less is rounding, and would go round in circles."""

Change = tuple[tuple[int, int], ...]
"""Candidates and the choices that they change to."""


def improved(candidates: Sequence[Candidate], limits: Limits, outcome: Outcome) -> Outcome:
    """The outcome after every change of one or two groups that gains and keeps to the limits."""
    movable = [i for i, candidate in enumerate(candidates) if len(candidate.choices) > 1]
    if len(movable) > GROUPS_MAX or limits.switches == 0:
        return outcome
    better: Outcome | None = outcome
    while better is not None:
        outcome = better
        better = _better(candidates, limits, outcome, movable)
    return outcome


def _better(
    candidates: Sequence[Candidate], limits: Limits, outcome: Outcome, movable: Sequence[int]
) -> Outcome | None:
    """The most gainful single change, or else pair of changes."""
    for size in (1, 2):
        best, most = None, _value(candidates, outcome) + GAIN_MIN_USD_PER_H
        for change in _changes(candidates, movable, size):
            picks = list(outcome.picks)
            for i, pick in change:
                picks[i] = pick
            if len(picks) - picks.count(0) > limits.switches:
                continue
            changed = settle(candidates, picks, limits.demand_groups)
            value = _value(candidates, changed)
            if value > most and changed.power_w <= limits.power_cap_w:
                best, most = changed, value
        if best is not None:
            return best
    return None


def _changes(
    candidates: Sequence[Candidate], movable: Sequence[int], size: int
) -> Iterator[Change]:
    for groups in combinations(movable, size):
        for picks in product(*(range(len(candidates[i].choices)) for i in groups)):
            yield tuple(zip(groups, picks, strict=True))


def _value(candidates: Sequence[Candidate], outcome: Outcome) -> float:
    together = zip(candidates, outcome.picks, outcome.shares, strict=True)
    return math.fsum(c.choices[pick].value(share, 0.0) for c, pick, share in together)
