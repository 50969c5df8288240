"""How inference demand will go on: a distribution for each coming hour, learnt from the past ones.

It works on the logarithm of demand: over a day that falls and rises by factors, not by groups.
The level of each hour of day is learnt with its neighbours' help; what remains carries over from
hour to hour, and what no hour explains is drawn from the surprises there were in like situations.
It must never see an hour before it has begun.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from controller.core.timing.hours import HOURS_PER_DAY, Hourly, hour_distance
from controller.core.timing.terms import FloatArray, IntArray, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How fast the past is believed. Chosen once for all farms, see docs/decision.md."""

    points: int = 28
    """Of the lattice of demand."""
    floor_ratio: float = 0.005
    """Added to demand before its logarithm, as a share of all groups: nought has none."""
    top_ratio: float = 2.0
    """Highest demand that is told apart, as a share of all groups."""
    smooth_h: float = 2.0
    """How far an hour of day learns from its neighbours."""
    shrink: float = 5.0
    """Observations of the overall mean that each hour of day starts with."""
    leads: int = 12
    """Hours ahead that are foretold one by one; those after follow from habit alone."""
    memory_h: int = 4
    """Hours whose mean deviation is carried over, beside the newest two."""
    knot_ratio: float = 0.3
    """Level from which on demand may carry over differently, as a share of all groups."""
    carry: float = 0.75
    """Share of a deviation that is carried over by an hour, before anything is learnt."""
    carry_weight: float = 80.0
    """Weight of `carry` against what was seen."""
    surprise: float = 1.2
    """Standard deviation of surprises, in natural logarithms, before anything is learnt."""
    surprise_weight: float = 8.0
    """Surprises that this is worth."""
    near_level: float = 1.2
    """How alike in level, in natural logarithms, a situation is to count."""
    near_h: float = 6.0
    """How alike in hour of day it is to count."""
    unlike_weight: float = 0.05
    """What an unlike one still counts."""


_SHAPE = np.array([-1.6, -0.9, -0.4, -0.1, 0.0, 0.1, 0.4, 0.9, 1.6])
_SHAPE_WEIGHTS = np.array([0.06, 0.10, 0.16, 0.13, 0.10, 0.13, 0.16, 0.10, 0.06])
"""Surprises before any were seen: many small ones, a few large."""


BENDS = 3
"""Passes that bend the chain; more change nothing that could be measured."""
RATIO_MAX = 5.0
"""How far one pass may raise or lower a chance."""
UNLIKELY = 1e-9
"""A lesser chance is none."""


@dataclass(frozen=True, slots=True)
class _Carried:
    """How deviations went over from hour to hour, and what they left unexplained."""

    factors: FloatArray
    """By feature of the hour before."""
    surprises: FloatArray
    """One for each hour that had a full past."""
    levels: FloatArray
    """Level of the hour before each."""
    hours: IntArray
    """Hour of day of the hour before each."""


class DemandForecast:
    """Demand as a Markov chain over a lattice, refitted every day."""

    def __init__(self, groups: int, learning: Learning) -> None:
        """Lay the lattice for so many groups."""
        self._learning = learning
        self._floor = learning.floor_ratio * groups
        top = learning.top_ratio * groups + self._floor
        self._lattice = np.linspace(np.log(self._floor), np.log(top), learning.points)
        self._past = Hourly()
        self._mean: FloatArray = np.zeros(HOURS_PER_DAY)
        self._knot = float(np.log(learning.knot_ratio * groups))
        self._paths: list[_Carried] = []
        self._rows: FloatArray = np.zeros(0)
        self._fitted_h = 0

    @property
    def demand_groups(self) -> FloatArray:
        """Demand at each point of the lattice."""
        return np.exp(self._lattice) - self._floor

    def recall(self, past: Iterable[Moment]) -> None:
        """Take in hours gone by; they are learnt from at the next tick."""
        for seen in past:
            self._past.add(seen, self._level(seen))

    def observe(self, seen: Moment) -> None:
        """Take in one tick."""
        if self._past.add(seen, self._level(seen)):
            self._fitted_h += 1
        if not len(self._rows) or self._fitted_h >= HOURS_PER_DAY:
            self._fit()
            self._fitted_h = 0

    def _level(self, seen: Moment) -> float:
        level = np.log(max(0.0, seen.prices.demand_groups) + self._floor)
        return float(np.clip(level, self._lattice[0], self._lattice[-1]))

    def coming(self, count: int) -> tuple[FloatArray, FloatArray]:
        """Chances of the next hour's demand, and of `count` - 1 more by that of the hour before.

        The chain is the habit of each hour of day, bent so that every one of the next hours comes
        out as all that is known now foretells it.
        """
        hour = int(self._past.hours[-1])
        told = [self._told(lead) for lead in range(1, min(count, self._learning.leads) + 1)]
        rows = self._rows[[(hour + ahead) % HOURS_PER_DAY for ahead in range(1, count)]]
        for ahead, (before, after) in enumerate(pairwise(told)):
            rows[ahead] = _bent(rows[ahead], before, after)
        return told[0], rows

    def _told(self, lead: int) -> FloatArray:
        """Chances of the demand in so many hours, straight from what is known now."""
        hours, levels = self._past.hours, self._past.values
        path, memory_h = self._paths[lead], self._learning.memory_h
        features = _features(levels, levels - self._mean[hours], self._knot, memory_h)[-1]
        middle = self._mean[(hours[-1] + lead) % HOURS_PER_DAY] + features @ path.factors
        row = self._spread(path, int(hours[-1]), levels[-1:], np.array([middle]))
        told: FloatArray = row[0]
        return told

    def _fit(self) -> None:
        """Learn from the whole past anew."""
        learning, hours, levels = self._learning, self._past.hours, self._past.values
        self._mean = _means(hours, levels, learning)
        deviations = levels - self._mean[hours]
        full = _features(levels, deviations, self._knot, learning.memory_h)
        short = _features(levels, deviations, self._knot, 0)
        past = levels, hours
        self._paths = [
            _carried(full if lead else short, deviations, past, learning, max(1, lead))
            for lead in range(learning.leads + 1)
        ]
        self._rows = np.array([self._row(hour) for hour in range(HOURS_PER_DAY)])

    def _row(self, hour: int) -> FloatArray:
        """Probabilities of the hour after an hour of day, by the demand in that."""
        features = _features(self._lattice, self._lattice - self._mean[hour], self._knot, 0)
        middles = self._mean[(hour + 1) % HOURS_PER_DAY] + features @ self._paths[0].factors
        return self._spread(self._paths[0], hour, self._lattice, middles)

    def _spread(
        self, path: _Carried, hour: int, levels: FloatArray, middles: FloatArray
    ) -> FloatArray:
        """Distribution over the lattice around each middle, for a situation of each level."""
        learning = self._learning
        like_h = np.exp(-0.5 * (hour_distance(path.hours, hour) / learning.near_h) ** 2)
        like = np.exp(-0.5 * ((path.levels - levels[:, None]) / learning.near_level) ** 2)
        seen = like * like_h + learning.unlike_weight
        weights = _SHAPE_WEIGHTS / _SHAPE_WEIGHTS.sum() * learning.surprise_weight
        weights = np.hstack([seen, np.broadcast_to(weights, (len(levels), len(weights)))])
        surprises = np.concatenate([path.surprises, _SHAPE * learning.surprise])
        return _binned(middles[:, None] + surprises, weights, self._lattice)


def _features(levels: FloatArray, deviations: FloatArray, knot: float, memory_h: int) -> FloatArray:
    """What the next hour's deviation is explained by: a row for each level, a column for each.

    The newest deviation, how far the level lies above the knot, and, with a memory, the
    deviation before and the mean of the last ones.
    """
    columns = [deviations, np.maximum(levels - knot, 0.0)]
    if memory_h:
        total = np.concatenate([np.zeros(memory_h), deviations]).cumsum()
        lately = total[memory_h:] - total[:-memory_h]
        seen = np.minimum(np.arange(1, len(levels) + 1), memory_h)
        columns += [np.concatenate([[0.0], deviations[:-1]]), lately / seen]
    return np.column_stack(columns)


def _means(hours: IntArray, levels: FloatArray, learning: Learning) -> FloatArray:
    """Mean level of each hour of day, smooth unless its own hours agree on something else."""
    sums = np.bincount(hours, levels, HOURS_PER_DAY)
    counts = np.bincount(hours, minlength=HOURS_PER_DAY)
    clock = np.arange(HOURS_PER_DAY)
    apart = np.array([hour_distance(clock, hour) for hour in range(HOURS_PER_DAY)])
    near = np.exp(-((apart / learning.smooth_h) ** 2))
    smooth = (near @ sums + learning.shrink * levels.mean()) / (near @ counts + learning.shrink)
    own = sums / np.maximum(counts, 1)
    # A day of surprises as assumed, so that one seen by chance alone teaches nothing.
    assumed = HOURS_PER_DAY * learning.surprise**2
    within = (((levels - own[hours]) ** 2).sum() + assumed) / max(len(levels), HOURS_PER_DAY)
    # What the hours' own means differ by, beyond what chance makes of so few days.
    excess = (counts * (own - smooth) ** 2).mean() - within
    between = max(0.0, excess) * HOURS_PER_DAY / max(1, len(levels))
    sure = counts * between / (counts * between + within)
    mean: FloatArray = smooth + sure * (own - smooth)
    return mean


def _carried(
    features: FloatArray,
    deviations: FloatArray,
    past: tuple[FloatArray, IntArray],
    learning: Learning,
    lead: int,
) -> _Carried:
    """Least squares of deviations on what was before, drawn towards the assumption."""
    before, after = features[:-lead], deviations[lead:]
    drawn = learning.carry_weight * np.eye(features.shape[1])
    towards = drawn[:, 0] * learning.carry**lead
    normal = before.T @ before + drawn
    factors = np.asarray(np.linalg.solve(normal, before.T @ after + towards), dtype=np.float64)
    levels, hours = past
    return _Carried(factors, after - before @ factors, levels[:-lead], hours[:-lead])


def _binned(levels: FloatArray, weights: FloatArray, lattice: FloatArray) -> FloatArray:
    """Weights laid on the two points of the lattice next to each level; rows that add up to 1."""
    points = len(lattice)
    at = np.clip((levels - lattice[0]) / (lattice[1] - lattice[0]), 0.0, points - 1.0)
    left = np.minimum(at.astype(np.int64), points - 2)
    share = at - left
    cell = left + np.arange(len(levels))[:, None] * points
    size = len(levels) * points
    mass = np.bincount(cell.ravel(), (weights * (1 - share)).ravel(), size)
    mass += np.bincount(cell.ravel() + 1, (weights * share).ravel(), size)
    rows = mass.reshape(len(levels), points)
    spread: FloatArray = rows / rows.sum(axis=1, keepdims=True)
    return spread


def _bent(rows: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
    """The chain's step, reweighted so that it leads from the chances before to those after."""
    for _ in range(BENDS):
        ratio = after / np.maximum(before @ rows, UNLIKELY)
        rows = rows * np.clip(ratio, 1 / RATIO_MAX, RATIO_MAX)
        rows = rows / rows.sum(axis=1, keepdims=True)
    return rows
