"""More than a site could have earned: its best course where groups need not be whole.

For pools that share a cap or owe contracts, where dynamic programming by position is no longer
exact. It judges replays; nothing that decides may use it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from controller.core.timing import hindsight
from controller.core.timing.duty import rent_usd
from controller.core.timing.hindsight import Best
from controller.core.timing.linear import Programme, total
from controller.core.timing.metering import Metering
from controller.core.timing.peak_columns import PeakColumns
from controller.core.timing.site import Pool, Site
from controller.core.timing.terms import (
    INFER,
    OFF,
    OPTIONS,
    WATTS_PER_KW,
    FloatArray,
    IntArray,
    Terms,
    load_kw,
    transition_kw,
)
from controller.core.timing.yields import Yields

TICKS_PER_PART = 2016
"""Longer courses are solved in parts of a week of 300 s, so that time grows no faster than they do.

Each part but the first may begin with groups anywhere, for free: the sum stays a bound.
"""
TICKS_PER_CHARGED_PART = 3000
"""The same where a month's peak costs: a month of 900 s is solved in one."""

_SIZE = len(OPTIONS)
_MOVES = [(a, b) for a in range(_SIZE) for b in range(_SIZE) if a != b]


def bound(site: Site) -> list[Best]:
    """Profit by tick that no policy can exceed in sum, and the switches that it takes; by pool.

    Raises:
        SolverError: HiGHS found no optimum.
    """
    meterings = site.meterings
    parts = [_part(site, meterings, span) for span in _spans(site, meterings)]
    return [
        Best(
            np.concatenate([found[number].profit_usd for found in parts]),
            sum(found[number].switches for found in parts),
        )
        for number in range(len(site.pools))
    ]


def _spans(site: Site, meterings: Sequence[Metering]) -> Iterator[range]:
    """Parts of the course; where a month's peak costs, parts of months."""
    ticks = len(site.pools[0].moments)
    most = TICKS_PER_CHARGED_PART if meterings else TICKS_PER_PART
    months = meterings[0].month if meterings else np.zeros(ticks)
    turns = [0, *(np.flatnonzero(np.diff(months)) + 1).tolist(), ticks]
    if ticks <= most:
        turns = [0, ticks]
    for begin, end in pairwise(turns):
        each = math.ceil((end - begin) / math.ceil((end - begin) / most)) if meterings else most
        for first in range(begin, end, each):
            yield range(first, min(first + each, end))


def _part(site: Site, meterings: Sequence[Metering], span: range) -> list[Best]:
    """The same over some ticks."""
    programme = Programme()
    flows = [_Flow.of(pool, span, programme) for pool in site.pools]
    if site.capped:
        count = len(span)
        rows = programme.rows(np.full(count, -math.inf), np.full(count, site.cap_w))
        for flow in flows:
            for late, columns, watts in flow.drawn_w():
                programme.put(rows[late:], columns[: count - late], watts)
    charged = [
        PeakColumns.of(metering, span, [put for flow in flows for put in flow.drawn_w()], programme)
        for metering in meterings
    ]
    values = programme.solve()
    first, *others = [flow.best(values) for flow in flows]
    paid = sum((each.usd(values) for each in charged), np.zeros(len(span)))
    return [replace(first, profit_usd=first.profit_usd - paid), *others]


@dataclass(frozen=True, slots=True)
class _Worth:
    """What everything that one group of a pool may do is worth, by tick of a span."""

    yields: Yields
    moves_usd: FloatArray
    dark: IntArray
    contracts: list[tuple[FloatArray, FloatArray]]
    """By contract and tick: dollars for each group that serves it, and how many may."""
    duty_usd: FloatArray
    """By tick: what contracts cost that nobody serves."""

    @classmethod
    def of(cls, pool: Pool, span: range) -> _Worth:
        """Add it up."""
        terms, ticks = pool.terms, len(pool.moments)
        moments = pool.moments[span.start : span.stop]
        prices = [moment.prices for moment in moments]
        yields, dark = Yields.over(prices, terms), terms.ticks()
        # Beyond the market's rent, a contract's group draws what a busy one does.
        energy_usd = yields.rent_usd - rent_usd(moments, terms)
        contracts, duty_usd = [], np.zeros(len(span))
        for each in pool.contracts:
            owed = each.groups * each.active(ticks)[span.start : span.stop].astype(np.float64)
            contracts.append((each.worth_usd_per_h * terms.tick_h + energy_usd, owed))
            duty_usd -= owed * each.penalty_usd_per_h * terms.tick_h
        moves_usd = hindsight.moves_usd(prices, terms, dark)
        return cls(yields, moves_usd, dark, contracts, duty_usd)

    def seats(self) -> list[tuple[FloatArray, FloatArray]]:
        """The market's work by tick: share of each group's time, and for how many groups.

        Whole groups are busy all the time and one for the rest, as it is with whole groups.
        """
        whole = np.floor(self.yields.demand_groups)
        rest = self.yields.demand_groups - whole
        return [(np.ones_like(whole), whole), (rest, np.ceil(rest))]

    def move_usd(self, origin: int, target: int) -> FloatArray:
        """Worth of a switch by the tick in which it begins."""
        yields, dark = self.yields, int(self.dark[origin, target])
        worth: FloatArray = -self.moves_usd[:, origin, target]
        if not dark:
            worth += yields.idle_usd[:, target]
            return worth
        paid = np.concatenate([[0.0], yields.moving_usd.cumsum()])
        end = np.minimum(np.arange(len(worth)) + dark, len(worth))
        worth -= paid[end] - paid[:-1]
        return worth


@dataclass(frozen=True, slots=True)
class _Flow:
    """One pool's groups as they flow through options and time: numbers of columns by tick."""

    terms: Terms
    duty_usd: FloatArray
    """What is due for contracts that nobody serves."""
    stays: list[IntArray]
    moves: dict[tuple[int, int], IntArray]
    busy: list[tuple[IntArray, FloatArray]]
    """Groups that serve the market, with their share of work: busy ones, and one in part."""
    filled: list[IntArray]
    """Groups that serve a contract."""
    usd: list[tuple[IntArray, FloatArray]]
    """Every column's worth, for the accounts by tick."""

    @classmethod
    def of(cls, pool: Pool, span: range, programme: Programme) -> _Flow:
        """Add columns and rows to a programme."""
        worth = _Worth.of(pool, span)
        usd: list[tuple[IntArray, FloatArray]] = []

        def columns(value: FloatArray, upper: FloatArray | float = math.inf) -> IntArray:
            numbers = programme.columns(value, upper)
            usd.append((numbers, value))
            return numbers

        flow = cls(
            terms=pool.terms,
            duty_usd=worth.duty_usd,
            stays=[columns(worth.yields.idle_usd[:, option]) for option in range(_SIZE)],
            moves={pair: columns(worth.move_usd(*pair)) for pair in _MOVES},
            busy=[
                (columns(share * worth.yields.rent_usd, upper), share)
                for share, upper in worth.seats()
            ],
            filled=[columns(paid, owed) for paid, owed in worth.contracts],
            usd=usd,
        )
        flow._keep_groups(programme, free_start=span.start > 0)
        flow._keep_work(programme)
        return flow

    def _keep_groups(self, programme: Programme, *, free_start: bool) -> None:
        """Groups in an option are those that were there and those that arrive."""
        dark, count = self.terms.ticks(), len(self.duty_usd)
        origins = programme.columns(np.zeros(_SIZE))
        places = np.array([float(free_start or option == OFF) for option in range(_SIZE)])
        whole = programme.rows(np.array([float(self.terms.groups)]), np.array([self.terms.groups]))
        programme.put(np.repeat(whole, _SIZE), origins, places)
        for option in range(_SIZE):
            rows = programme.rows(np.zeros(count), np.zeros(count))
            programme.put(rows, self.stays[option], 1.0)
            programme.put(rows[1:], self.stays[option][:-1], -1.0)
            programme.put(rows[:1], origins[option : option + 1], -places[option])
            for (a, b), moved in self.moves.items():
                if a == option:
                    programme.put(rows, moved, 1.0)
                elif b == option:
                    late = max(1, int(dark[a, b]))
                    programme.put(rows[late:], moved[:-late], -1.0)

    def _keep_work(self, programme: Programme) -> None:
        """Only groups that serve have work."""
        count = len(self.duty_usd)
        rows = programme.rows(np.full(count, -math.inf), np.zeros(count))
        for columns in [*(columns for columns, _ in self.busy), *self.filled]:
            programme.put(rows, columns, 1.0)
        for columns in self._running(INFER):
            programme.put(rows, columns, -1.0)

    def _running(self, option: int) -> list[IntArray]:
        """Columns of groups that run an option, those that arrive at once among them."""
        dark = self.terms.ticks()
        at_once = [moved for (a, b), moved in self.moves.items() if b == option and not dark[a, b]]
        return [self.stays[option], *at_once]

    def drawn_w(self) -> Iterator[tuple[int, IntArray, FloatArray | float]]:
        """Columns by tick with the watts that each draws, so many ticks after its own."""
        idle_kw, busy_kw = load_kw(self.terms.watts, np.array([0.0, 1.0]))
        for option in range(_SIZE):
            for columns in self._running(option):
                yield 0, columns, float(idle_kw[option]) * WATTS_PER_KW
        more_w = float((busy_kw - idle_kw)[INFER]) * WATTS_PER_KW
        for columns, share in self.busy:
            yield 0, columns, share * more_w
        for columns in self.filled:
            yield 0, columns, more_w
        dark = self.terms.ticks()
        for (a, b), moved in self.moves.items():
            for late in range(int(dark[a, b])):
                yield late, moved, transition_kw(self.terms.watts) * WATTS_PER_KW

    def best(self, values: FloatArray) -> Best:
        """The accounts of one answer."""
        profit = self.duty_usd.copy()
        for columns, usd in self.usd:
            profit += values[columns] * usd
        moved = total(values, list(self.moves.values()))
        return Best(profit, round(float(moved.sum())))
