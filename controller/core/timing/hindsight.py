"""The best that the same groups could have done with the same costs and every price known.

It judges replays; nothing that decides may use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.core import clairvoyant
from controller.core.clairvoyant import Course
from controller.core.timing import terms as t
from controller.core.timing.terms import OPTIONS, FloatArray, Moment, Prices, Terms


@dataclass(frozen=True, slots=True)
class Best:
    """What all groups together could have earned."""

    profit_usd: FloatArray
    """By tick."""
    switches: int
    """Switches of all groups."""


def best(moments: Sequence[Moment], terms: Terms) -> Best:
    """The most profitable path of each order position, starting off, all added up.

    No policy can earn more: whichever groups serve, the n-th of them is filled as position n, and
    to sort any plan by position costs no further switch.
    """
    prices = [moment.prices for moment in moments]
    transition_kwh = t.transition_kw(terms.watts) * terms.tick_h
    extremes = np.array([t.net_usd_per_h(terms, each, _IDLE_AND_BUSY) for each in prices])
    revenue = {
        "mine": [each.mine_usd_per_h for each in prices],
        "eco": [each.eco_usd_per_h for each in prices],
    }
    known: dict[bytes, tuple[FloatArray, int]] = {}
    profit, switches = np.zeros(len(prices)), 0
    for busy in _busy(prices, terms):
        # Positions that demand never reaches, or always fills, are all alike.
        if (key := busy.tobytes()) not in known:
            course = Course(
                net_usd=_net_usd(extremes * terms.tick_h, busy),
                revenue_usd_per_h=revenue,
                transition_usd=[transition_kwh * each.power_usd_per_kwh for each in prices],
            )
            path = clairvoyant.best(course, terms.switches, start="off")
            paid = clairvoyant.profits_usd(course, terms.switches, path.options, start="off")
            known[key] = np.array(paid), path.switches
        profit += known[key][0]
        switches += known[key][1]
    return Best(profit, switches)


_IDLE_AND_BUSY = np.array([0.0, 1.0])


def _busy(prices: Sequence[Prices], terms: Terms) -> FloatArray:
    """Share of work by position and tick."""
    demand = np.array([each.demand_groups for each in prices])
    return t.busy_ratio(demand[None, :], np.arange(float(terms.groups))[:, None])


def _net_usd(extremes: FloatArray, busy: FloatArray) -> dict[str, Sequence[float]]:
    """Dollars per tick of every option at one position; net is linear in its share of work."""
    idle, full = extremes.reshape(-1, 2, 4).transpose(1, 2, 0)
    net = idle + (full - idle) * busy
    return dict(zip(OPTIONS, net.tolist(), strict=True))
