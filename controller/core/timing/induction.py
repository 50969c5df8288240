"""Backward induction: the best order at every tick of the present hour, given what may come.

Exact for the switches, their whole ticks without income included; demand moves over a lattice
from hour to hour, and what an hour brings is known only after its first tick, as in life. It
knows an outlook, not prices, and remembers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from controller.core.timing.terms import FloatArray, IntArray

FINE_H = 3
"""Hours ahead in which every tick is a chance to move; beyond, the beginning of an hour is."""
TIE_USD = 1e-12
"""Below this a move is worth no more than staying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the present hour and those to come may bring; the present one is row 0."""

    idle_usd: FloatArray
    """Dollars per tick by hour and option, a serving group being without work."""
    serving: tuple[int, ...]
    """Options that earn by the share of work."""
    rent_usd: FloatArray
    """Dollars per tick by hour and option that work adds; only that of `serving` counts."""
    moving_usd: FloatArray
    """Dollars per tick by hour that a group in a switch pays."""
    busy_now: FloatArray
    """Share of work by position, in the present hour."""
    busy: FloatArray
    """Share of work by position and point of the lattice, in any other hour."""
    coming: FloatArray
    """Probabilities of the next hour's point."""
    rows: FloatArray
    """By hour from the next one on: probabilities of the point after by the point before."""
    moves_usd: FloatArray
    """Dollars by origin and target that a switch costs besides its ticks."""


@dataclass(frozen=True)
class Road:
    """States of a group, free or in a switch, and how ticks lead from one to the next."""

    ticks: IntArray
    """Whole ticks without income by origin and target."""
    ticks_per_h: int
    """Ticks in an hour."""

    @cached_property
    def _under_way(self) -> list[tuple[int, int]]:
        """Targets with ticks left, for each state after the free ones."""
        longest = self.ticks.max(axis=0)
        return [(b, left) for b in range(len(longest)) for left in range(1, longest[b] + 1)]

    @cached_property
    def free(self) -> int:
        """Number of options; these states come first."""
        return len(self.ticks)

    @cached_property
    def option(self) -> IntArray:
        """What a group in each state runs or is on the way to."""
        return np.array([*range(self.free), *(target for target, _ in self._under_way)])

    @cached_property
    def left(self) -> IntArray:
        """Ticks of the switch that are left in each state."""
        return np.array([0] * self.free + [left for _, left in self._under_way])

    @cached_property
    def following(self) -> IntArray:
        """State after a tick in each state."""
        return np.array(
            [*range(self.free), *(self._state(b, left - 1) for b, left in self._under_way)]
        )

    @cached_property
    def entry(self) -> IntArray:
        """State in which an order puts a group, by origin and target."""
        options = range(self.free)
        return np.array([[self._state(b, int(self.ticks[a, b])) for b in options] for a in options])

    def _state(self, target: int, left: int) -> int:
        return self.free + self._under_way.index((target, left)) if left else target


@dataclass(frozen=True, slots=True)
class Solution:
    """What to order, and what it promises."""

    orders: IntArray
    """By tick, position and present option.

    The last tick is the first of the next hour, when its demand is not known yet; those before
    it are what is left of the present hour.
    """
    worth_usd: FloatArray
    """Expected profit from now to the horizon, by position and present option."""
    ways_usd: FloatArray
    """The same, of giving each order now; by position, present option and target."""

    @property
    def gains_usd(self) -> FloatArray:
        """What each order brings beyond staying for now; by position, present option and target."""
        stays = np.arange(self.ways_usd.shape[1])
        gains: FloatArray = self.ways_usd - self.ways_usd[:, stays, stays][:, :, None]
        return gains


def solve(road: Road, outlook: Outlook, left_ticks: int) -> Solution:
    """The best orders for what is left of the present hour and the tick after it."""
    value = _next_hour(road, outlook, _later_hours(road, outlook))
    table = np.empty((left_ticks + 1, value.shape[1], road.free), dtype=np.int64)
    ways, table[-1] = _moved(road, outlook, value)
    earned = _earned(road, outlook, 0, outlook.busy_now)
    for row in table[-2::-1]:
        value = earned + value[road.following]
        ways, row[:] = _moved(road, outlook, value)
    return Solution(table, value[: road.free].T, ways.transpose(2, 0, 1))


def kept_usd(road: Road, outlook: Outlook, left_ticks: int) -> FloatArray:
    """Expected profit of doing the same until the horizon; by position and option."""
    chances = outlook.coming
    usd = left_ticks * _steady(outlook, 0, outlook.busy_now)
    for hour in range(1, len(outlook.idle_usd)):
        usd += road.ticks_per_h * _steady(outlook, hour, outlook.busy @ chances)
        chances = chances @ outlook.rows[hour - 1] if hour <= len(outlook.rows) else chances
    return usd


def settled_usd(road: Road, outlook: Outlook, left_ticks: int) -> FloatArray:
    """The same of going elsewhere now and staying there; by position, origin and target.

    What a switch misses is reckoned by the present hour.
    """
    missed = _steady(outlook, 0, outlook.busy_now) + outlook.moving_usd[0]
    there = kept_usd(road, outlook, left_ticks)[:, None]
    settled: FloatArray = there - outlook.moves_usd - road.ticks * missed[:, None]
    return settled


def _steady(outlook: Outlook, hour: int, busy: FloatArray) -> FloatArray:
    """Dollars of one tick by position and option, nobody being in a switch."""
    usd = np.repeat(outlook.idle_usd[hour][None], len(busy), axis=0)
    for option in outlook.serving:
        usd[:, option] += busy * outlook.rent_usd[hour, option]
    return usd


def _next_hour(road: Road, outlook: Outlook, value: FloatArray) -> FloatArray:
    """What the states are worth in the next hour's first tick, before its demand is known."""
    begun = _through_hour(road, outlook, 1, value)
    return begun @ outlook.coming


def _later_hours(road: Road, outlook: Outlook) -> FloatArray:
    """What the states are worth at the end of the next hour, by its point."""
    hours, points = len(outlook.rent_usd), len(outlook.coming)
    value = np.zeros((len(road.option), len(outlook.busy), points))
    coarse = int(road.ticks.max()) < road.ticks_per_h
    for hour in range(hours - 1, 1, -1):
        likely = outlook.rows[hour - 2].T
        if coarse and hour > FINE_H:
            value = _whole_hour(road, outlook, hour, value, likely)
        else:
            value = _best(road, outlook, _through_hour(road, outlook, hour, value) @ likely)
    return value


def _through_hour(road: Road, outlook: Outlook, hour: int, value: FloatArray) -> FloatArray:
    """Worth of being in each state from the first tick of an hour on, that tick's order given."""
    earned = _earned(road, outlook, hour, outlook.busy)
    for _ in range(road.ticks_per_h - 1):
        value = _best(road, outlook, earned + value[road.following])
    return earned + value[road.following]


def _whole_hour(
    road: Road, outlook: Outlook, hour: int, value: FloatArray, likely: FloatArray
) -> FloatArray:
    """The same with one chance to move, as soon as the hour's demand is known."""
    free, ticks = road.free, road.ticks[:, :, None, None]
    earned = _earned(road, outlook, hour, outlook.busy)[:free]
    missed = earned + outlook.moving_usd[hour]
    rest = earned * (road.ticks_per_h - 1) + value[:free]
    ways = rest - outlook.moves_usd[:, :, None, None] - ticks * missed
    best = (earned + ways.max(axis=1)) @ likely
    # Who is still under way when the hour begins misses what is left of it.
    late = road.left[:, None, None] * (missed @ likely)[road.option]
    worth: FloatArray = best[road.option] - late
    return worth


def _earned(road: Road, outlook: Outlook, hour: int, busy: FloatArray) -> FloatArray:
    """Dollars of one tick by state and share of work."""
    states = (len(road.option), *(1 for _ in busy.shape))
    flat = np.where(road.left > 0, -outlook.moving_usd[hour], outlook.idle_usd[hour][road.option])
    earned: FloatArray = np.broadcast_to(flat.reshape(states), (states[0], *busy.shape)).copy()
    for option in outlook.serving:
        earned[option] += busy * outlook.rent_usd[hour, option]
    return earned


def _ways(road: Road, outlook: Outlook, value: FloatArray) -> FloatArray:
    """Worth by origin and target of each order, at the moment when it is given."""
    moves = outlook.moves_usd.reshape(road.free, road.free, *(1 for _ in value.shape[1:]))
    ways: FloatArray = value[road.entry] - moves
    return ways


def _best(road: Road, outlook: Outlook, value: FloatArray) -> FloatArray:
    """Worth of every state when free groups may be given the best order."""
    value[: road.free] = _ways(road, outlook, value).max(axis=1)
    return value


def _moved(road: Road, outlook: Outlook, value: FloatArray) -> tuple[FloatArray, IntArray]:
    """The same; what each order is worth by origin, target and position, and the best of them."""
    ways = _ways(road, outlook, value)
    value[: road.free] = ways.max(axis=1)
    stays = np.arange(road.free)
    favoured = ways.copy()
    favoured[stays, stays] += TIE_USD
    return ways, favoured.argmax(axis=1).T
