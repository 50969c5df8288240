"""Alike groups of one site: what each option earns, and what it costs to change. Constants only.

Any number of options of any kind. Earnings are before energy, whose price is foretold; beyond
power and demand everything is taken to stay as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.forecast import Foretold
from controller.core.timing.induction import Outlook
from controller.core.timing.terms import FloatArray

Rates = tuple[tuple[float, ...], ...]
"""A number for each pair of options."""


@dataclass(frozen=True, slots=True)
class Earner:
    """One thing that a group may do, or run while it does."""

    idle_usd_per_h: float
    """Before energy, without work."""
    busy_usd_per_h: float
    """Before energy, with work all the time; what waits for none is always busy."""
    idle_w: float
    """Watts at the wall without work."""
    busy_w: float
    """Watts at the wall with work."""
    serves: bool
    """Whether it waits for work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What alike groups may do."""

    options: tuple[Earner, ...]
    dark: Earner
    """What a group in a switch is like; it never waits for work."""
    ticks: tuple[tuple[int, ...], ...]
    """Whole ticks without income, by origin and target."""
    moves_usd: Rates
    """What a switch costs besides its ticks."""
    bands_usd_per_h: Rates | None = None
    """How much more than here every hour there must bring; none: nothing."""


def outlook(
    pool: Pool, told: Foretold, positions: FloatArray, origin: int | None = None
) -> Outlook:
    """What may come to the groups at some positions; with the bands of those at an origin."""
    tick_h = told.tick_s / t.SECONDS_PER_H
    idle_usd = _net_usd_per_h(pool.options, told, busy=False) * tick_h
    busy_usd = _net_usd_per_h(pool.options, told, busy=True) * tick_h
    rent_usd = busy_usd - idle_usd
    serving = tuple(i for i, option in enumerate(pool.options) if option.serves)
    always = [i for i, option in enumerate(pool.options) if not option.serves]
    idle_usd[:, always] = busy_usd[:, always]
    if origin is not None and pool.bands_usd_per_h is not None:
        idle_usd -= np.array(pool.bands_usd_per_h[origin]) * tick_h
    return Outlook(
        idle_usd=idle_usd,
        serving=serving,
        rent_usd=rent_usd,
        moving_usd=-_net_usd_per_h([pool.dark], told, busy=True)[:, 0] * tick_h,
        busy_now=t.busy_ratio(told.demand_groups, positions),
        busy=t.busy_ratio(told.points[None, :], positions[:, None]),
        coming=told.coming,
        rows=told.rows,
        moves_usd=_moves_usd(pool, told),
    )


def _net_usd_per_h(options: Sequence[Earner], told: Foretold, *, busy: bool) -> FloatArray:
    """Net by hour and option."""
    paid = [option.busy_usd_per_h if busy else option.idle_usd_per_h for option in options]
    drawn = [option.busy_w if busy else option.idle_w for option in options]
    net: FloatArray = np.array(paid) - told.power_usd_per_kwh[:, None] * (
        np.array(drawn) / t.WATTS_PER_KW
    )
    return net


def _moves_usd(pool: Pool, told: Foretold) -> FloatArray:
    """Dollars by origin and target of a switch, its price included and its ticks left out."""
    most = max(option.busy_usd_per_h for option in pool.options) - pool.dark.busy_usd_per_h
    brake_usd = told.brake_ratio * max(0.0, most) * told.tick_s / t.SECONDS_PER_H
    moves = np.array(pool.moves_usd)
    moves[~np.eye(len(moves), dtype=bool)] += brake_usd
    return moves
