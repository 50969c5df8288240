"""Plays a policy over a recorded course, tick by tick, and keeps its exact accounts.

A policy is shown a tick only after it has ordered for it, and never the course itself: what it
could see of the future would make every figure here worthless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.terms import OFF, FloatArray, IntArray, Moment, Terms


@dataclass(frozen=True, slots=True)
class Standing:
    """Where every group stands as a tick begins."""

    options: IntArray
    """What it runs, or is on the way to; by group."""
    left_ticks: IntArray
    """Ticks until its switch ends; 0: none is under way."""


class Policy(Protocol):
    """Decides, before each tick, what every group should run in it."""

    def observe(self, seen: Moment) -> None:
        """Take in the tick that has just passed."""

    def order(self, standing: Standing) -> IntArray:
        """The option of each group; an order to one in a switch counts when that ends."""


@dataclass(frozen=True, slots=True)
class Order:
    """From a tick on, one group is to run an option."""

    tick: int
    group: int
    option: int


@dataclass(frozen=True, slots=True)
class Played:
    """What a policy did and what came of it."""

    profit_usd: FloatArray
    """Of all groups, by tick."""
    orders: tuple[Order, ...]
    """Every change of an order; the first tick gives one for each group."""
    switches: int
    """Switches begun, of all groups."""
    violations: int
    """Orders that named no option; the group kept what it had."""


def play(moments: Sequence[Moment], terms: Terms, policy: Policy) -> Played:
    """Run a policy over a course, every group off and in order before the first tick."""
    book = _Book(terms)
    profit = np.zeros(len(moments))
    orders: list[Order] = []
    for tick, moment in enumerate(moments):
        if tick:
            policy.observe(moments[tick - 1])
        changed = book.take(policy.order(book.standing()), first=tick == 0)
        orders += [Order(tick, int(group), int(book.ordered[group])) for group in changed]
        profit[tick] = book.pass_tick(moment)
    return Played(profit, tuple(orders), book.switches, book.violations)


class _Book:
    """What every group runs, is on the way to and was last ordered."""

    def __init__(self, terms: Terms) -> None:
        self.switches = 0
        self.violations = 0
        self.ordered: IntArray = np.full(terms.groups, OFF)
        self._terms = terms
        self._ticks = terms.ticks()
        self._options: IntArray = np.full(terms.groups, OFF)
        self._left: IntArray = np.zeros(terms.groups, dtype=np.int64)
        self._origins: IntArray = np.full(terms.groups, OFF)
        self._arriving = np.zeros(terms.groups, dtype=bool)

    def standing(self) -> Standing:
        """A copy that a policy may keep."""
        return Standing(self._options.copy(), self._left.copy())

    def take(self, wanted: IntArray, *, first: bool) -> Iterator[int]:
        """Note the orders; the groups whose order changed, all of them in the first tick."""
        valid = (wanted >= 0) & (wanted < len(t.OPTIONS))
        self.violations += int(np.count_nonzero(~valid))
        wanted = np.where(valid, wanted, self.ordered)
        changed = np.arange(len(wanted)) if first else np.flatnonzero(wanted != self.ordered)
        self.ordered = wanted
        return iter(changed)

    def pass_tick(self, moment: Moment) -> float:
        """Begin what was ordered, let one tick pass, and say what it brought."""
        terms, prices, paid_usd = self._terms, moment.prices, 0.0
        for group in np.flatnonzero((self._left == 0) & (self._options != self.ordered)):
            if self._arriving[group]:
                # Who moves on at once has arrived all the same.
                paid_usd += self._arrive(int(group), moment)
            paid_usd += self._begin(int(group))
        under_way = self._left > 0
        serving = (self._options == t.INFER) & ~under_way
        # The n-th group that serves is the n-th to be filled, whatever its index.
        busy = t.busy_ratio(prices.demand_groups, np.cumsum(serving) - 1.0)
        net = t.net_usd_per_h(terms, prices, busy)[np.arange(terms.groups), self._options]
        moving_usd_per_h = -t.transition_kw(terms.watts) * prices.power_usd_per_kwh
        usd = float(np.where(under_way, moving_usd_per_h, net).sum()) * terms.tick_h - paid_usd
        for group in np.flatnonzero(self._arriving & ~under_way):
            usd -= self._arrive(int(group), moment)
        self._left[under_way] -= 1
        return usd

    def _begin(self, group: int) -> float:
        """Dollars paid at the start."""
        origin, target = int(self._options[group]), int(self.ordered[group])
        self.switches += 1
        self._origins[group], self._options[group] = origin, target
        self._left[group] = self._ticks[origin, target]
        self._arriving[group] = True
        return self._terms.switch(origin, target).usd

    def _arrive(self, group: int, moment: Moment) -> float:
        """Dollars of revenue lost in the first tick at the target."""
        self._arriving[group] = False
        target = int(self._options[group])
        lost_min = self._terms.switch(int(self._origins[group]), target).revenue_min
        paid = (moment.prices.mine_usd_per_h, moment.prices.eco_usd_per_h, 0.0, 0.0)[target]
        return max(0.0, paid) * lost_min / t.MINUTES_PER_H
