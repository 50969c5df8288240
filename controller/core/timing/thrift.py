"""Who goes without where more draw has a price: what live plans do with demand charges, by groups.

Contracts and caps have come first. It sees the last known prices and the peaks so far, no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.charges.steps import Step, Steps, Wish, cost_usd_per_h, eased, spans
from controller.core.timing import rationing
from controller.core.timing import terms as t
from controller.core.timing.rationing import PAYBACK_H, Asked
from controller.core.timing.terms import (
    ECO,
    MINE,
    OFF,
    WATTS_PER_KW,
    BoolArray,
    FloatArray,
    IntArray,
)


def heeded(
    asked: Sequence[Asked], orders: Sequence[IntArray], steps: Steps, lasts_h: float
) -> tuple[list[IntArray], Wish]:
    """The orders that are worth the price of what they draw, and what the price forbids.

    Args:
        asked: What each pool wants.
        orders: What was granted, contracts and the cap kept.
        steps: Price of what the site draws.
        lasts_h: For how long it may last: so long does a group stand still that it stops.
    """
    menus = [_Menu.of(each, order, lasts_h) for each, order in zip(asked, orders, strict=True)]
    menu = _Menu(*map(np.concatenate, zip(*(each.arrays for each in menus), strict=True)))
    wanted = np.concatenate(orders)
    drawn_w = menu.drawn_w(np.concatenate([each.standing.options for each in asked]))
    steps = eased(steps, drawn_w)
    held = _held(menu, wanted, steps)
    free_w, held_w = menu.drawn_w(wanted), menu.drawn_w(held)
    wish = Wish(
        drawn_w=drawn_w,
        free_w=free_w,
        held_w=held_w,
        forgone_usd_per_h=max(0.0, menu.net(wanted) - menu.net(held)),
        asked_usd_per_h=cost_usd_per_h(steps, free_w) - cost_usd_per_h(steps, held_w),
    )
    return np.split(held, np.cumsum([len(order) for order in orders])[:-1]), wish


@dataclass(frozen=True, slots=True)
class _Menu:
    """By group and option."""

    net_usd_per_h: FloatArray
    """What it nets at the last known prices."""
    value_usd_per_h: FloatArray
    """The same with what it costs to stop a group that runs, by the hour; what may not be: -inf."""
    watts: FloatArray
    """What it is expected to draw."""

    @classmethod
    def of(cls, asked: Asked, orders: IntArray, lasts_h: float) -> _Menu:
        """What the groups of a pool may do instead of what was granted."""
        groups = np.arange(len(orders))
        busy = rationing.busy(asked, orders)
        watts = t.load_kw(asked.terms.watts, busy) * WATTS_PER_KW
        moving_w = t.transition_kw(asked.terms.watts) * WATTS_PER_KW
        origins = asked.standing.options
        dark = asked.terms.ticks()[origins] > 0
        dark[groups, origins] = asked.standing.left_ticks > 0
        watts = np.where(dark, np.maximum(watts, moving_w), watts)
        if asked.prices is None:
            net = np.zeros_like(watts)
            value = net.copy()
        else:
            net = t.net_usd_per_h(asked.terms, asked.prices, busy)
            value, moves = net.copy(), t.moves_usd(asked.terms, asked.prices)
            stops = moves[origins, OFF] + moves[OFF, origins]
            value[groups, origins] += stops / max(PAYBACK_H, lasts_h)
        may = _may(asked, orders)
        value = np.where(may, value, -np.inf)
        # The policy knows what is best where watts are free, and why.
        value[groups, orders] = value.max(axis=1)
        return cls(net, value, watts)

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """All of it."""
        return self.net_usd_per_h, self.value_usd_per_h, self.watts

    def best(self, usd_per_kwh: float, wanted: IntArray) -> IntArray:
        """What each group does at a price; of equals what is wanted."""
        left = self.value_usd_per_h - usd_per_kwh / WATTS_PER_KW * self.watts
        groups = np.arange(len(wanted))
        best: IntArray = left.argmax(axis=1)
        return np.where(left[groups, wanted] >= left[groups, best], wanted, best)

    def may(self, option: int) -> BoolArray:
        """Which groups may do it."""
        allowed: BoolArray = np.isfinite(self.value_usd_per_h[:, option])
        return allowed

    def drawn_w(self, picks: IntArray) -> float:
        """What all draw together."""
        return float(self.watts[np.arange(len(picks)), picks].sum())

    def net(self, picks: IntArray) -> float:
        """What all net together."""
        return float(self.net_usd_per_h[np.arange(len(picks)), picks].sum())


def _may(asked: Asked, orders: IntArray) -> BoolArray:
    """What each group may do: as granted, go on, less of the same, stop; the cap is kept."""
    most, groups = np.array(asked.most_w), np.arange(len(orders))
    may = np.zeros((len(orders), len(t.OPTIONS)), dtype=bool)
    may[:, OFF] = True
    may[orders == MINE, ECO] = True
    may[groups, asked.standing.options] = True
    may &= most[None, :] <= most[orders][:, None]
    bound = rationing.owed(asked) | (asked.standing.left_ticks > 0)
    may[bound] = False
    may[groups, orders] = True
    return may


def _held(menu: _Menu, wanted: IntArray, steps: Steps) -> IntArray:
    """The best at the price of what they come to; between two prices, as much as the step holds."""
    above, low = wanted, 0.0
    for begin_w, end_w, price in spans((Step(0.0, 0.0), *steps)):
        found = menu.best(price, wanted)
        drawn_w = menu.drawn_w(found)
        if drawn_w < begin_w:
            held = _filled(menu, found, above, (low, begin_w))
            lower = np.where((held != above) & menu.may(ECO), ECO, held)
            return _filled(menu, held, lower, (low, begin_w))
        if drawn_w <= end_w:
            return found
        above, low = found, price
    raise AssertionError("the last step has no end")


def _filled(menu: _Menu, below: IntArray, above: IntArray, step: tuple[float, float]) -> IntArray:
    """As many as a step holds, by price and bound, do what is above, best by the watt first."""
    usd_per_kwh, bound_w = step
    groups = np.arange(len(below))
    more_w = menu.watts[groups, above] - menu.watts[groups, below]
    more = menu.value_usd_per_h[groups, above] - menu.value_usd_per_h[groups, below]
    pays = (more_w > 0) & (more >= usd_per_kwh / WATTS_PER_KW * more_w)
    gains = np.flatnonzero(pays)
    best = gains[np.argsort(-more[gains] / more_w[gains], kind="stable")]
    fits = best[more_w[best].cumsum() <= bound_w - menu.drawn_w(below)]
    held = below.copy()
    held[fits] = above[fits]
    return held
