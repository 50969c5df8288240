"""Policies that look no further than the tick that has just passed. For comparison only.

They take the last prices for the next ones and know nothing of what a switch costs.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.ledger import Standing
from controller.core.timing.terms import OFF, FloatArray, IntArray, Moment, Terms

PEERS_THRESHOLD_RATIO = 0.05
"""What another option must pay more, as most profit switchers are set."""
PEERS_INTERVAL_S = 300.0
"""How often they look."""


class Always:
    """One option for ever, from the moment when there is a price."""

    def __init__(self, option: int) -> None:
        """Choose it."""
        self._option = option
        self._begun = False

    def observe(self, seen: Moment) -> None:
        """Nothing but that time passes."""
        del seen
        self._begun = True

    def order(self, standing: Standing) -> IntArray:
        """The same for all."""
        return np.full(len(standing.options), self._option if self._begun else OFF)


class Threshold:
    """The option that pays best now, if it pays more than the present one by a share of that."""

    def __init__(self, terms: Terms, *, ratio: float, interval_s: float) -> None:
        """Set the margin, relative to the present net, and how often to look; both 0: greedy."""
        self._terms, self._ratio = terms, ratio
        self._interval_ticks = max(1, round(interval_s / terms.tick_s))
        self._seen_ticks = 0
        self._net: FloatArray | None = None

    def observe(self, seen: Moment) -> None:
        """Remember the net of every option and group."""
        self._seen_ticks += 1
        positions = np.arange(float(self._terms.groups))
        busy = t.busy_ratio(seen.prices.demand_groups, positions)
        self._net = t.net_usd_per_h(self._terms, seen.prices, busy)

    def order(self, standing: Standing) -> IntArray:
        """The best for each group, or what it has."""
        if self._net is None or (self._seen_ticks - 1) % self._interval_ticks:
            return standing.options
        rows = np.arange(len(self._net))
        best = self._net.argmax(axis=1)
        present = self._net[rows, standing.options]
        wins = self._net[rows, best] > present + self._ratio * np.abs(present)
        chosen: IntArray = np.where(wins, best, standing.options)
        return chosen
