"""What every tick of a course brings and costs, as arrays. Whoever decides must never see one.

The one place where recorded prices become dollars for those who judge afterwards: accounts,
perfect foresight and its bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.terms import INFER, FloatArray, IntArray, Prices, Terms


@dataclass(frozen=True, slots=True)
class Yields:
    """Dollars by tick, of one group."""

    idle_usd: FloatArray
    """By tick and option, a serving group being without work."""
    rent_usd: FloatArray
    """By tick: what work adds to a serving group that is busy all the time."""
    moving_usd: FloatArray
    """By tick: what a group in a switch pays."""
    demand_groups: FloatArray
    """By tick, never below 0."""
    revenue_usd_per_h: FloatArray
    """By tick and option, never below 0: what minutes lost at an arrival are counted in."""

    @classmethod
    def over(cls, prices: Sequence[Prices], terms: Terms) -> Yields:
        """Add up what prices mean on these terms."""
        power = np.array([each.power_usd_per_kwh for each in prices])
        rent = np.array([each.rental_usd_per_h for each in prices])
        paid = np.array([[p.mine_usd_per_h, p.eco_usd_per_h, 0.0, 0.0] for p in prices])
        idle_kw, busy_kw = t.load_kw(terms.watts, np.array([0.0, 1.0]))
        rent_usd_per_h = rent * (1 - terms.rental_fee_ratio)
        demand = np.array([each.demand_groups for each in prices])
        return cls(
            idle_usd=(paid - idle_kw * power[:, None]) * terms.tick_h,
            rent_usd=(rent_usd_per_h - (busy_kw - idle_kw)[INFER] * power) * terms.tick_h,
            moving_usd=t.transition_kw(terms.watts) * terms.tick_h * power,
            demand_groups=np.maximum(demand, 0.0),
            revenue_usd_per_h=np.maximum(paid, 0.0),
        )

    def busy_groups(self, serving: IntArray) -> FloatArray:
        """How many groups' worth of work so many serving groups have, by tick."""
        busy: FloatArray = np.minimum(serving, self.demand_groups)
        return busy
