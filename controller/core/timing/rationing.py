"""Who gets what where not everybody can: contracts first, then whoever earns most by the watt.

Groups that stand still or already run what they want can always go on: what is granted is paid for
with the watts of its worst moment, so that no later tick can force a group to give them back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.ledger import Standing
from controller.core.timing.terms import (
    ECO,
    INFER,
    MINE,
    OFF,
    WATTS_PER_KW,
    BoolArray,
    FloatArray,
    IntArray,
    Prices,
    Terms,
)

PAYBACK_H = 1.0
"""A group is displaced by what earns back its way out and in again in this time."""
TIE_USD_PER_H = 1e-9
"""Of equals, lower groups come first by so much each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one pool wants for the tick that begins."""

    terms: Terms
    prices: Prices | None
    """Of the tick that has passed; none: none has."""
    standing: Standing
    ordered: IntArray
    """What each group was last ordered."""
    wanted: IntArray
    """By group."""
    due: int
    """Groups that must serve or be on their way, whatever is wanted."""
    most_w: tuple[float, float, float, float]
    """Watts that each option may draw."""


def granted(asked: Sequence[Asked], cap_w: float) -> list[IntArray]:
    """The orders of each pool: what is owed is served, and the cap is kept."""
    mine = [owed(each) for each in asked]
    orders = [np.where(due, INFER, each.wanted) for each, due in zip(asked, mine, strict=True)]
    if math.isinf(cap_w):
        return orders
    bids = [
        _Bids.of(each, order, due) for each, order, due in zip(asked, orders, mine, strict=True)
    ]
    return _rationed(bids, orders, cap_w)


def owed(asked: Asked) -> BoolArray:
    """Which groups serve the contracts: those that serve, will serve, are free, come free soon."""
    mine = np.zeros(len(asked.wanted), dtype=bool)
    if asked.due:
        standing = asked.standing
        order = np.lexsort(
            (
                standing.left_ticks,
                asked.wanted != INFER,
                asked.ordered != INFER,
                (standing.options != INFER) | (asked.ordered != INFER),
            )
        )
        mine[order[: asked.due]] = True
    return mine


@dataclass(frozen=True, slots=True)
class _Bids:
    """What the groups of a pool would draw and bring beyond standing still."""

    floor_w: FloatArray
    """What each draws if it gets nothing."""
    extra_w: FloatArray
    """What its order draws beyond that."""
    usd_per_w: FloatArray
    """What it brings in an hour by each of those watts; infinite: it must be granted."""
    eco_w: float
    """What mining at the lower limit draws beyond standing still; infinite: it does not pay."""

    @classmethod
    def of(cls, asked: Asked, orders: IntArray, owed: BoolArray) -> _Bids:
        """Value the orders at the last known prices."""
        most, standing = np.array(asked.most_w), asked.standing
        moving_w = t.transition_kw(asked.terms.watts) * WATTS_PER_KW
        dark = asked.terms.ticks()[standing.options, OFF] > 0
        floor = np.where(dark, max(moving_w, asked.terms.watts.off), asked.terms.watts.off)
        under_way = standing.left_ticks > 0
        # Who is in a switch cannot be stopped: the watts of its target are spoken for.
        target_w = most[standing.options]
        floor = np.where(under_way, np.maximum(moving_w, target_w), floor)
        goes_dark = asked.terms.ticks()[standing.options, orders] > 0
        order_w = np.where(goes_dark, np.maximum(moving_w, most[orders]), most[orders])
        extra = np.where(under_way, 0.0, np.maximum(order_w - floor, 0.0))
        value = _usd_per_h(asked, orders)
        density = np.where(extra > 0, value / np.maximum(extra, 1e-9), np.inf)
        density = np.where(owed, np.inf, density)
        return cls(floor, extra, density, _eco_w(asked))


def _eco_w(asked: Asked) -> float:
    """What mining at the lower limit draws beyond standing still; infinite: it does not pay."""
    if asked.prices is None:
        return math.inf
    net = t.net_usd_per_h(asked.terms, asked.prices, np.zeros(1))[0]
    watts = asked.terms.watts
    return max(0.0, watts.eco - watts.off) if net[ECO] > net[OFF] else math.inf


def busy(asked: Asked, orders: IntArray) -> FloatArray:
    """Share of work that each group has if it serves and all others do as ordered."""
    count = len(orders)
    if asked.prices is None:
        return np.zeros(count)
    rank = np.zeros(count)
    # Those that serve are busy before those that would come.
    first = np.lexsort((np.arange(count), asked.standing.options != INFER, orders != INFER))
    rank[first] = np.arange(count)
    return t.busy_ratio(asked.prices.demand_groups, rank)


def _usd_per_h(asked: Asked, orders: IntArray) -> FloatArray:
    """What each order brings beyond standing still, with what displacing it would cost."""
    count = len(orders)
    if asked.prices is None:
        return np.zeros(count)
    net = t.net_usd_per_h(asked.terms, asked.prices, busy(asked, orders))
    groups = np.arange(count)
    value = net[groups, orders] - net[:, OFF]
    moves = t.moves_usd(asked.terms, asked.prices)
    stays = asked.standing.options == orders
    value += np.where(stays, (moves[orders, OFF] + moves[OFF, orders]) / PAYBACK_H, 0.0)
    valued: FloatArray = value - groups * TIE_USD_PER_H
    return valued


def _rationed(bids: Sequence[_Bids], orders: list[IntArray], cap_w: float) -> list[IntArray]:
    """Grant the best by the watt until the cap; miners beyond it may mine at the lower limit."""
    room = cap_w - sum(float(each.floor_w.sum()) for each in bids)
    extra = np.concatenate([each.extra_w for each in bids])
    density = np.concatenate([each.usd_per_w for each in bids])
    wanted = np.concatenate(orders)
    eco_w = np.concatenate([np.full(len(each.extra_w), each.eco_w) for each in bids])
    best = np.argsort(-density, kind="stable")
    fits = np.zeros(len(extra), dtype=bool)
    fits[best] = extra[best].cumsum() <= room
    got = np.where(fits, wanted, OFF)
    room -= float(extra[fits].sum())
    lower = best[~fits[best] & (wanted[best] == MINE)]
    got[lower[eco_w[lower].cumsum() <= room]] = ECO
    return np.split(got, np.cumsum([len(each) for each in orders])[:-1])
