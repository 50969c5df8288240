"""What a pool of equal groups may run, what it burns and what it pays to move. Constants only.

The four options are arrays' indices here and words everywhere else. Nothing in this module knows
prices, let alone those to come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from controller.core.timing.clairvoyant import Switch

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

OPTIONS = ("mine", "eco", "infer", "off")
MINE, ECO, INFER, OFF = range(4)

SECONDS_PER_H = 3600.0
MINUTES_PER_H = 60.0
WATTS_PER_KW = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watts:
    """Watts at the wall of one group."""

    mine: float
    """Mining."""
    eco: float
    """Mining at a lower power limit."""
    infer_busy: float
    """Serving, with work to do."""
    infer_idle: float
    """Serving, with none."""
    off: float
    """Standing still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Equal groups at one site, and what their switches cost."""

    groups: int
    """How many; serving ones are filled by rising index."""
    tick_s: float
    """Length of one tick, seconds; an hour is a whole number of them."""
    watts: Watts
    """What each option draws."""
    rental_fee_ratio: float
    """Share of rental income that the marketplace keeps."""
    switches: Mapping[tuple[str, str], Switch]
    """Costs by (origin, target) for every pair of `OPTIONS`."""

    @property
    def tick_h(self) -> float:
        """Length of one tick, hours."""
        return self.tick_s / SECONDS_PER_H

    @property
    def ticks_per_h(self) -> int:
        """Ticks in an hour."""
        return round(SECONDS_PER_H / self.tick_s)

    def switch(self, origin: int, target: int) -> Switch:
        """What it costs to move from one option to another, by index."""
        return self.switches[OPTIONS[origin], OPTIONS[target]]

    def ticks(self) -> IntArray:
        """Whole ticks without income by origin and target; staying takes none."""
        return np.array(
            [[0 if a == b else self.switch(a, b).ticks for b in range(4)] for a in range(4)]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What one tick paid and cost."""

    power_usd_per_kwh: float
    """All-in price of electricity."""
    mine_usd_per_h: float
    """Revenue of one group that mines."""
    eco_usd_per_h: float
    """Revenue of one group that mines at the lower power limit."""
    rental_usd_per_h: float
    """Rent of one busy group, before the fee."""
    demand_groups: float
    """How many groups inference keeps busy."""


WORTHLESS = Prices(
    power_usd_per_kwh=0.0,
    mine_usd_per_h=0.0,
    eco_usd_per_h=0.0,
    rental_usd_per_h=0.0,
    demand_groups=0.0,
)
"""Nothing pays and nothing costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One tick as it is known afterwards, and the prices that were announced by then."""

    at_s: float
    """When it began, seconds since 1970."""
    local_s: float
    """When it began, seconds since local midnight."""
    prices: Prices
    """What it paid and cost."""
    announced: tuple[tuple[float, float], ...] = ()
    """Day-ahead power prices made known since the last moment: instant and US dollars per kWh."""

    @property
    def hour(self) -> int:
        """Local hour of the day, from 0."""
        return int(self.local_s // SECONDS_PER_H) % 24


def busy_ratio(demand_groups: float | FloatArray, positions: FloatArray) -> FloatArray:
    """Share of its time that the group at each position, from 0, has work."""
    return np.clip(demand_groups - positions, 0.0, 1.0)


def revenue_usd_per_h(terms: Terms, prices: Prices, busy: FloatArray) -> FloatArray:
    """Revenue by position and option: a row for each share in `busy`."""
    revenue = np.zeros((len(busy), 4))
    revenue[:, MINE] = prices.mine_usd_per_h
    revenue[:, ECO] = prices.eco_usd_per_h
    revenue[:, INFER] = busy * prices.rental_usd_per_h * (1 - terms.rental_fee_ratio)
    return revenue


def load_kw(watts: Watts, busy: FloatArray) -> FloatArray:
    """Kilowatts at the wall by position and option: a row for each share in `busy`."""
    drawn = np.empty((len(busy), 4))
    drawn[:] = (watts.mine, watts.eco, watts.infer_idle, watts.off)
    drawn[:, INFER] += busy * (watts.infer_busy - watts.infer_idle)
    return drawn / WATTS_PER_KW


def transition_kw(watts: Watts) -> float:
    """Kilowatts at the wall of a group in a switch: half of what it draws when it serves."""
    return watts.infer_busy / 2 / WATTS_PER_KW


def net_usd_per_h(terms: Terms, prices: Prices, busy: FloatArray) -> FloatArray:
    """Revenue less energy by position and option: a row for each share in `busy`."""
    energy = load_kw(terms.watts, busy) * prices.power_usd_per_kwh
    return revenue_usd_per_h(terms, prices, busy) - energy


def moves_usd(terms: Terms, prices: Prices) -> FloatArray:
    """Dollars by origin and target of a switch: the fixed ones and lost minutes of revenue."""
    paid = (prices.mine_usd_per_h, prices.eco_usd_per_h, 0.0, 0.0)
    usd = np.zeros((4, 4))
    for origin in range(4):
        for target in range(4):
            if origin != target:
                switch = terms.switch(origin, target)
                lost = max(0.0, paid[target]) * switch.revenue_min / MINUTES_PER_H
                usd[origin, target] = switch.usd + lost
    return usd
