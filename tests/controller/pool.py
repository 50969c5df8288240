"""A pool of equal groups, its prices tick by tick, and policies that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from controller.core.timing.clairvoyant import Switch
from controller.core.timing.ledger import Played, Standing
from controller.core.timing.terms import OPTIONS, IntArray, Moment, Prices, Terms, Watts
from controller.replay.settings import COSTS

DAY_S = 86_400.0
WATTS = Watts(mine=300.0, eco=200.0, infer_busy=400.0, infer_idle=100.0, off=50.0)
PRICES = Prices(
    power_usd_per_kwh=0.1,
    mine_usd_per_h=0.06,
    eco_usd_per_h=0.05,
    rental_usd_per_h=0.5,
    demand_groups=1.5,
)


def terms(
    groups: int = 2,
    tick_s: float = 300.0,
    switches: Mapping[tuple[str, str], Switch] | None = None,
) -> Terms:
    return Terms(
        groups=groups,
        tick_s=tick_s,
        watts=WATTS,
        rental_fee_ratio=0.2,
        switches=switches or COSTS["base"].switches(),
    )


def free_switches() -> dict[tuple[str, str], Switch]:
    return {(a, b): Switch() for a in OPTIONS for b in OPTIONS if a != b}


def moments(prices: Sequence[Prices], tick_s: float = 300.0) -> list[Moment]:
    """From the midnight of 1970 on, in UTC."""
    return [
        Moment(at_s=tick * tick_s, local_s=tick * tick_s % DAY_S, prices=each)
        for tick, each in enumerate(prices)
    ]


def days(count: int, price: Callable[[int], Prices], tick_s: float = 900.0) -> list[Moment]:
    """Hourly prices over whole days, by hour since the beginning."""
    per_h = round(3600 / tick_s)
    return moments([price(tick // per_h) for tick in range(count * 24 * per_h)], tick_s)


def rough(seed: int) -> Callable[[int], Prices]:
    """Prices and demand that rise by day and jump by chance."""
    chance = np.random.default_rng(seed)
    jumps = chance.lognormal(0.0, 0.8, 10_000)

    def price(hour: int) -> Prices:
        daily = 1.5 + np.sin(hour % 24 / 24 * 2 * np.pi)
        return replace(
            PRICES,
            power_usd_per_kwh=0.05 * daily * float(jumps[hour + 5_000]),
            demand_groups=2.0 * daily * float(jumps[hour]),
        )

    return price


class Told:
    """Orders what a list says, tick by tick; remembers what it was shown."""

    def __init__(self, *orders: Sequence[int]) -> None:
        self.seen: list[Moment] = []
        self.standings: list[Standing] = []
        self._orders = [np.array(order) for order in orders]

    def observe(self, seen: Moment) -> None:
        self.seen.append(seen)

    def order(self, standing: Standing) -> IntArray:
        self.standings.append(standing)
        return self._orders[min(len(self.seen), len(self._orders) - 1)]


def ordered(played: Played, ticks: int) -> list[tuple[int, int, int]]:
    """Orders of the first ticks, plainly."""
    return [(o.tick, o.group, o.option) for o in played.orders if o.tick < ticks]
