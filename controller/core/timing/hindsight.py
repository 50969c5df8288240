"""The best that the same groups could have done with the same costs and every price known.

Exact dynamic programming for all order positions at once. It judges replays; nothing that decides
may use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from controller.core.timing import terms as t
from controller.core.timing.induction import Road
from controller.core.timing.terms import INFER, OFF, FloatArray, IntArray, Moment, Prices, Terms
from controller.core.timing.yields import Yields


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
    road = Road(terms.ticks(), terms.ticks_per_h)
    course = _Course.over([moment.prices for moment in moments], terms, road)
    return _walk(road, course, _choices(road, course))


@dataclass(frozen=True, slots=True)
class _Course:
    """What each tick would have brought."""

    yields: Yields
    busy: FloatArray
    """Share of work by tick and position."""
    moves_usd: FloatArray
    """Dollars by tick, origin and target of a switch begun then, its ticks left out."""

    @classmethod
    def over(cls, prices: Sequence[Prices], terms: Terms, road: Road) -> _Course:
        """Add up what prices mean on these terms."""
        yields = Yields.over(prices, terms)
        positions = np.arange(float(terms.groups))
        busy = t.busy_ratio(yields.demand_groups[:, None], positions)
        return cls(yields, busy, moves_usd(prices, terms, road.ticks))

    def earned(self, tick: int, road: Road) -> FloatArray:
        """Dollars of one tick by state and position."""
        yields = self.yields
        under_way = road.left > 0
        flat = np.where(under_way, -yields.moving_usd[tick], yields.idle_usd[tick][road.option])
        earned = np.repeat(flat[:, None], self.busy.shape[1], axis=1)
        earned[INFER] += self.busy[tick] * yields.rent_usd[tick]
        return earned


def moves_usd(prices: Sequence[Prices], terms: Terms, ticks: IntArray) -> FloatArray:
    """Dollars by tick, origin and target of a switch begun then, its ticks left out.

    Lost minutes are those of the tick in which the switch ends; past the end there are none.
    """
    by_end = np.array([t.moves_usd(terms, each) for each in prices])
    nobody = t.moves_usd(terms, t.WORTHLESS)
    moves = np.empty_like(by_end)
    for origin, target in np.ndindex(4, 4):
        dark = int(ticks[origin, target])
        moves[:, origin, target] = nobody[origin, target]
        moves[: max(0, len(prices) - dark), origin, target] = by_end[dark:, origin, target]
    return moves


def _choices(road: Road, course: _Course) -> npt.NDArray[np.int8]:
    """The best order by tick, origin and position."""
    ticks, positions = course.busy.shape
    choices = np.empty((ticks, road.free, positions), dtype=np.int8)
    value = np.zeros((len(road.option), positions))
    for tick in range(ticks - 1, -1, -1):
        value = course.earned(tick, road) + value[road.following]
        ways = value[road.entry] - course.moves_usd[tick][:, :, None]
        choices[tick] = ways.argmax(axis=1)
        value[: road.free] = ways.max(axis=1)
    return choices


def _walk(road: Road, course: _Course, choices: npt.NDArray[np.int8]) -> Best:
    """Follow the best orders from standing still."""
    ticks, positions = course.busy.shape
    every, profit, switches = np.arange(positions), np.zeros(ticks), 0
    state: IntArray = np.full(positions, OFF)
    for tick in range(ticks):
        free = state < road.free
        origin = np.where(free, state, OFF)
        target = np.where(free, choices[tick, origin, every], origin)
        moves = target != origin
        profit[tick] = -course.moves_usd[tick, origin[moves], target[moves]].sum()
        switches += int(np.count_nonzero(moves))
        state = np.where(free, road.entry[origin, target], state)
        profit[tick] += course.earned(tick, road)[state, every].sum()
        state = road.following[state]
    return Best(profit, switches)
