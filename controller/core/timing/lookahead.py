"""The default policy: orders what is best on average over the futures that it holds possible.

Stochastic dynamic programming over a day, solved anew whenever something has changed. It learns
from what it was shown and from nothing else, and has one setting for all farms.
"""

from __future__ import annotations

import numpy as np

from controller.core.timing import induction
from controller.core.timing import terms as t
from controller.core.timing.brake import SwitchBrake
from controller.core.timing.demand import DemandForecast, Learning
from controller.core.timing.induction import Outlook, Road
from controller.core.timing.ledger import Standing
from controller.core.timing.power import PowerForecast
from controller.core.timing.terms import FloatArray, IntArray, Moment, Terms

HORIZON_H = 24
"""How far it looks; longer changes nothing that could be measured."""
POSITIONS_MAX = 20
"""Of a larger pool, so many positions are solved and the others do as the nearest."""
_IDLE_AND_BUSY = np.array([0.0, 1.0])


class LookAhead:
    """Learns demand and power by hour of day, and looks a day ahead."""

    def __init__(self, terms: Terms, *, announcements: bool = False) -> None:
        """Choose whether day-ahead prices count, where there are any."""
        self._terms = terms
        self._road = Road(terms.ticks(), terms.ticks_per_h)
        self._demand = DemandForecast(terms.groups, Learning())
        self._power = PowerForecast(announcements=announcements)
        self._brake = SwitchBrake(terms.groups)
        solved = np.linspace(0, terms.groups - 1, min(terms.groups, POSITIONS_MAX)).round()
        self._positions = solved
        apart = np.abs(np.arange(terms.groups)[:, None] - solved)
        self._nearest: IntArray = apart.argmin(axis=1)
        self._seen: Moment | None = None
        self._table: IntArray = np.zeros((0, 0, 0), dtype=np.int64)
        self._row = 0

    def observe(self, seen: Moment) -> None:
        """Learn from the tick, and look ahead anew if it brought anything new."""
        self._demand.observe(seen)
        self._power.observe(seen)
        last, self._seen = self._seen, seen
        if last is not None and last.hour != seen.hour:
            self._brake.pass_hour()
        self._row += 1
        if last is None or last.prices != seen.prices or self._row >= len(self._table):
            self._table, self._row = self._solve(seen), 0

    def order(self, standing: Standing) -> IntArray:
        """The best order for each free group; one in a switch keeps its target."""
        if self._seen is None:
            return standing.options
        best = self._table[self._row][self._nearest, standing.options]
        chosen: IntArray = np.where(standing.left_ticks > 0, standing.options, best)
        self._brake.count(int(np.count_nonzero(chosen != standing.options)))
        return chosen

    def _solve(self, seen: Moment) -> IntArray:
        terms = self._terms
        passed = int(seen.local_s % t.SECONDS_PER_H // terms.tick_s) + 1
        left_ticks = terms.ticks_per_h - passed
        return induction.solve(self._road, self._outlook(seen), left_ticks).orders

    def _outlook(self, seen: Moment) -> Outlook:
        """Mining and rent as they are, power and demand as they are expected."""
        terms, prices = self._terms, seen.prices
        power = self._power.coming(HORIZON_H)[:, None, None]
        revenue = t.revenue_usd_per_h(terms, prices, _IDLE_AND_BUSY)
        net = (revenue - t.load_kw(terms.watts, _IDLE_AND_BUSY) * power) * terms.tick_h
        demand = self._demand.demand_groups
        coming, rows = self._demand.coming(HORIZON_H)
        return Outlook(
            idle_usd=net[:, 0],
            rent_usd=net[:, 1, t.INFER] - net[:, 0, t.INFER],
            moving_usd=t.transition_kw(terms.watts) * power[:, 0, 0] * terms.tick_h,
            busy_now=t.busy_ratio(prices.demand_groups, self._positions),
            busy=t.busy_ratio(demand[None, :], self._positions[:, None]),
            coming=coming,
            rows=rows,
            moves_usd=self._moves_usd(seen),
        )

    def _moves_usd(self, seen: Moment) -> FloatArray:
        """Dollars by origin and target of a switch, its price included and its ticks left out."""
        revenue = t.revenue_usd_per_h(self._terms, seen.prices, _IDLE_AND_BUSY)
        brake_usd = self._brake.ratio * revenue.max() * self._terms.tick_h
        moves = t.moves_usd(self._terms, seen.prices)
        moves[~np.eye(len(moves), dtype=bool)] += brake_usd
        return moves
