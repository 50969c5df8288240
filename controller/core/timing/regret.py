"""The work function: move once what was missed by staying has paid for the move.

The classic answer to switching costs for somebody who knows nothing of the future. It never
forecasts.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.ledger import Standing
from controller.core.timing.terms import OFF, FloatArray, IntArray, Moment, Terms

ROUNDING_USD = 1e-12
"""Below this two regrets are alike."""


class WorkFunction:
    """Keeps, for each group and option, the least regret with which it could stand there now."""

    def __init__(self, terms: Terms) -> None:
        """Begin with every group off."""
        self._terms = terms
        self._ticks = terms.ticks()
        self._positions = np.arange(float(terms.groups))
        self._work: FloatArray | None = None
        self._tight = np.ones((terms.groups, 4), dtype=bool)
        self._moves_usd = np.zeros((terms.groups, 4, 4))

    def observe(self, seen: Moment) -> None:
        """Add what each option has just missed, and let every path end wherever that is cheaper."""
        terms, prices = self._terms, seen.prices
        busy = t.busy_ratio(prices.demand_groups, self._positions)
        net = t.net_usd_per_h(terms, prices, busy) * terms.tick_h
        self._moves_usd = self._cost_usd(seen, net)
        if self._work is None:
            self._work = self._moves_usd[:, OFF, :].copy()
        missed = net.max(axis=1, keepdims=True) - net
        stayed = self._work + missed
        self._work = (stayed[:, :, None] + self._moves_usd).min(axis=1)
        self._tight = self._work > stayed - ROUNDING_USD
        # Only differences count; without this the sums would grow for ever.
        self._work -= self._work.min(axis=1, keepdims=True)

    def order(self, standing: Standing) -> IntArray:
        """Where least regret and the way there come to least."""
        if self._work is None:
            return standing.options
        rows = np.arange(self._terms.groups)
        regret = self._work + self._moves_usd[rows, standing.options]
        regret[rows, standing.options] -= ROUNDING_USD
        # Where the least regret leads through another option, nobody should stand.
        chosen: IntArray = np.where(self._tight, regret, np.inf).argmin(axis=1)
        return chosen

    def _cost_usd(self, seen: Moment, net: FloatArray) -> FloatArray:
        """Dollars by group, origin and target, income missed on the way included."""
        terms, prices = self._terms, seen.prices
        tick_usd = t.transition_kw(terms.watts) * prices.power_usd_per_kwh * terms.tick_h
        missed = np.maximum(net.max(axis=1), 0.0)[:, None, None] + tick_usd
        cost: FloatArray = t.moves_usd(terms, prices) + self._ticks * missed
        return cost
