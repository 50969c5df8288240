"""The default policy: orders what is best on average over the futures that it holds possible.

Stochastic dynamic programming over a day, solved anew whenever something has changed. It learns
from what it was shown and from nothing else, and has one setting for all farms.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing import induction, pool
from controller.core.timing import terms as t
from controller.core.timing.forecast import SiteForecast
from controller.core.timing.induction import Road
from controller.core.timing.ledger import Standing
from controller.core.timing.pool import Earner, Pool
from controller.core.timing.terms import IntArray, Moment, Prices, Terms

POSITIONS_MAX = 20
"""Of a larger pool, so many positions are solved and the others do as the nearest."""
_IDLE_AND_BUSY = np.array([0.0, 1.0])


class LookAhead:
    """Learns demand and power by hour of day, and looks a day ahead."""

    def __init__(self, terms: Terms, *, announcements: bool = False) -> None:
        """Choose whether day-ahead prices count, where there are any."""
        self._terms = terms
        self._ticks = terms.ticks()
        self._road = Road(self._ticks, terms.ticks_per_h)
        self._forecast = SiteForecast(terms.groups, terms.tick_s, announcements=announcements)
        solved = np.linspace(0, terms.groups - 1, min(terms.groups, POSITIONS_MAX)).round()
        self._positions = solved
        apart = np.abs(np.arange(terms.groups)[:, None] - solved)
        self._nearest: IntArray = apart.argmin(axis=1)
        self._seen: Moment | None = None
        self._table: IntArray = np.zeros((0, 0, 0), dtype=np.int64)
        self._row = 0

    def observe(self, seen: Moment) -> None:
        """Learn from the tick, and look ahead anew if it brought anything new."""
        self._forecast.observe(seen)
        last, self._seen = self._seen, seen
        self._row += 1
        if last is None or last.prices != seen.prices or self._row >= len(self._table):
            self._table, self._row = self._solve(seen), 0

    def order(self, standing: Standing) -> IntArray:
        """The best order for each free group; one in a switch keeps its target."""
        if self._seen is None:
            return standing.options
        best = self._table[self._row][self._nearest, standing.options]
        chosen: IntArray = np.where(standing.left_ticks > 0, standing.options, best)
        self._forecast.brake.count(int(np.count_nonzero(chosen != standing.options)))
        return chosen

    def _solve(self, seen: Moment) -> IntArray:
        told = self._forecast.foretold()
        outlook = pool.outlook(self._pool(seen.prices), told, self._positions)
        return induction.solve(self._road, outlook, told.left_ticks).orders

    def _pool(self, prices: Prices) -> Pool:
        """The four options at what they pay now."""
        terms = self._terms
        revenue = t.revenue_usd_per_h(terms, prices, _IDLE_AND_BUSY).tolist()
        drawn = (t.load_kw(terms.watts, _IDLE_AND_BUSY) * t.WATTS_PER_KW).tolist()
        serves = [option == t.INFER for option in range(len(t.OPTIONS))]
        dark_w = t.transition_kw(terms.watts) * t.WATTS_PER_KW
        return Pool(
            options=tuple(Earner(*each) for each in zip(*revenue, *drawn, serves, strict=True)),
            dark=Earner(0.0, 0.0, dark_w, dark_w, False),
            ticks=tuple(map(tuple, self._ticks.tolist())),
            moves_usd=tuple(map(tuple, t.moves_usd(terms, prices).tolist())),
        )
