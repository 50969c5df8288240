"""The best that the same groups could have done with the same costs and every price known.

It judges replays; nothing that decides may use it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from controller.core import clairvoyant
from controller.core.clairvoyant import Course, Hindsight
from controller.core.timing import terms as t
from controller.core.timing.ledger import Standing
from controller.core.timing.terms import OPTIONS, FloatArray, IntArray, Moment, Prices, Terms


class Clairvoyant:
    """A policy that walks the best path, so that its accounts are kept like any other's."""

    def __init__(self, paths: Sequence[Sequence[str]]) -> None:
        """Take the option of every tick, for each group."""
        index = {name: option for option, name in enumerate(OPTIONS)}
        self._paths = np.array([[index[name] for name in path] for path in paths])
        self._tick = 0

    def observe(self, seen: Moment) -> None:
        """Nothing that it did not know."""
        del seen
        self._tick += 1

    def order(self, standing: Standing) -> IntArray:
        """The next step of every path."""
        del standing
        step: IntArray = self._paths[:, self._tick]
        return step


def best(moments: Sequence[Moment], terms: Terms) -> tuple[Hindsight, ...]:
    """The most profitable path of each order position, starting off.

    Exact for the pool: whichever groups serve, the n-th of them is filled as position n, and to
    sort any plan by position costs no further switch.
    """
    prices = [moment.prices for moment in moments]
    transition_kwh = t.transition_kw(terms.watts) * terms.tick_h
    extremes = np.array([t.net_usd_per_h(terms, each, _IDLE_AND_BUSY) for each in prices])
    revenue = {
        "mine": [each.mine_usd_per_h for each in prices],
        "eco": [each.eco_usd_per_h for each in prices],
    }
    known: dict[bytes, Hindsight] = {}
    found = []
    for busy in _busy(prices, terms):
        # Positions that demand never reaches, or always fills, are all alike.
        if (key := busy.tobytes()) not in known:
            course = Course(
                net_usd=_net_usd(extremes * terms.tick_h, busy),
                revenue_usd_per_h=revenue,
                transition_usd=[transition_kwh * each.power_usd_per_kwh for each in prices],
            )
            known[key] = clairvoyant.best(course, terms.switches, start="off")
        found.append(known[key])
    return tuple(found)


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
