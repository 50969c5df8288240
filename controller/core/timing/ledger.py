"""Plays a policy over a recorded course, tick by tick, and keeps its exact accounts.

A policy is shown a tick only after it has ordered for it, and never the course itself: what it
could see of the future would make every figure here worthless.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.terms import INFER, OFF, FloatArray, IntArray, Moment, Terms
from controller.core.timing.yields import Yields

UNDER_WAY = len(t.OPTIONS)
"""Index after the options': groups in a switch."""


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
class Change:
    """All orders that changed as one tick began; a large fleet has millions of them."""

    tick: int
    groups: IntArray
    options: IntArray

    def orders(self) -> Iterator[Order]:
        """One by one, by rising group."""
        for group, option in zip(self.groups.tolist(), self.options.tolist(), strict=True):
            yield Order(self.tick, group, option)


@dataclass(frozen=True, slots=True)
class Played:
    """What a policy did and what came of it."""

    profit_usd: FloatArray
    """Of all groups, by tick."""
    changes: tuple[Change, ...]
    """Every change of an order; the first tick gives one for each group."""
    switches: int
    """Switches begun, of all groups."""
    violations: int
    """Orders that named no option; the group kept what it had. Of a site also what it broke."""
    running: IntArray = field(default_factory=lambda: np.zeros((0, UNDER_WAY + 1), dtype=np.int64))
    """How many groups ran each option in each tick; in the last column, were in a switch."""
    charged_usd: float = 0.0
    """Demand charges, which the profit has paid; those of a site stand with its first pool."""

    @property
    def orders(self) -> tuple[Order, ...]:
        """The changes one by one."""
        return tuple(order for change in self.changes for order in change.orders())


def play(moments: Sequence[Moment], terms: Terms, policy: Policy) -> Played:
    """Run a policy over a course, every group off and in order before the first tick."""
    book = Book(terms, len(moments))
    for tick in range(len(moments)):
        if tick:
            policy.observe(moments[tick - 1])
        book.take(policy.order(book.standing()))
        book.pass_tick()
    return book.close(Yields.over([moment.prices for moment in moments], terms))


class Book:
    """What every group of a pool runs, is on the way to and was last ordered."""

    def __init__(self, terms: Terms, ticks: int) -> None:
        """Every group is off as the first of so many ticks begins."""
        self.ordered: IntArray = np.full(terms.groups, OFF)
        self._terms, self._tick = terms, 0
        self._options: IntArray = np.full(terms.groups, OFF)
        self._left: IntArray = np.zeros(terms.groups, dtype=np.int64)
        self._origins: IntArray = np.full(terms.groups, OFF)
        self._arriving = np.zeros(terms.groups, dtype=bool)
        self._dark, self._fixed_usd, self._lost_min = terms.ticks(), *_tolls(terms)
        self._changes: list[Change] = []
        self._running = np.zeros((ticks, UNDER_WAY + 1), dtype=np.int64)
        self._paid_usd = np.zeros(ticks)
        self._missed_min = np.zeros((ticks, len(t.OPTIONS)))
        self._switches = self._violations = 0

    def standing(self) -> Standing:
        """A copy that a policy may keep."""
        return Standing(self._options.copy(), self._left.copy())

    @property
    def ran(self) -> IntArray:
        """How many groups ran each option in the last tick, and were in a switch."""
        ran: IntArray = self._running[self._tick - 1]
        return ran

    def take(self, wanted: IntArray) -> None:
        """Note the orders for the tick that begins."""
        valid = (wanted >= 0) & (wanted < len(t.OPTIONS))
        self._violations += int(np.count_nonzero(~valid))
        wanted = np.where(valid, wanted, self.ordered)
        if self._tick == 0:
            self._changes.append(Change(0, np.arange(len(wanted)), wanted))
        elif len(groups := np.flatnonzero(wanted != self.ordered)):
            self._changes.append(Change(self._tick, groups, wanted[groups]))
        self.ordered = wanted

    def pass_tick(self) -> None:
        """Begin what was ordered and let one tick pass."""
        # A switch is paid in full when it has ended, also by a group that is sent on at once.
        self._arrive(np.flatnonzero(self._arriving & (self._left == 0)))
        self._begin(np.flatnonzero((self._left == 0) & (self._options != self.ordered)))
        under_way = self._left > 0
        self._arrive(np.flatnonzero(self._arriving & ~under_way))
        state = np.where(under_way, UNDER_WAY, self._options)
        self._running[self._tick] = np.bincount(state, minlength=UNDER_WAY + 1)
        self._left[under_way] -= 1
        self._tick += 1

    def close(self, yields: Yields) -> Played:
        """The accounts, once every tick has passed."""
        running = self._running
        profit = (running[:, :UNDER_WAY] * yields.idle_usd).sum(axis=1)
        profit += yields.busy_groups(running[:, INFER]) * yields.rent_usd
        profit -= running[:, UNDER_WAY] * yields.moving_usd + self._paid_usd
        profit -= (self._missed_min * yields.revenue_usd_per_h).sum(axis=1) / t.MINUTES_PER_H
        changes = tuple(self._changes)
        return Played(profit, changes, self._switches, self._violations, running)

    def _begin(self, groups: IntArray) -> None:
        """Put groups on their way and pay what that costs at the start."""
        if not len(groups):
            return
        origins, targets = self._options[groups], self.ordered[groups]
        self._switches += len(groups)
        self._origins[groups], self._options[groups] = origins, targets
        self._left[groups] = self._dark[origins, targets]
        self._arriving[groups] = True
        self._paid_usd[self._tick] = self._fixed_usd[origins, targets].sum()

    def _arrive(self, groups: IntArray) -> None:
        """Lose minutes of revenue in the first tick at the target."""
        if not len(groups):
            return
        self._arriving[groups] = False
        targets = self._options[groups]
        lost = self._lost_min[self._origins[groups], targets]
        self._missed_min[self._tick] += np.bincount(targets, lost, len(t.OPTIONS))


def _tolls(terms: Terms) -> tuple[FloatArray, FloatArray]:
    """Dollars at the start, and minutes of revenue at the end, by origin and target."""
    size = len(t.OPTIONS)
    usd, lost_min = np.zeros((size, size)), np.zeros((size, size))
    for origin, target in np.ndindex(size, size):
        if origin != target:
            switch = terms.switch(origin, target)
            usd[origin, target], lost_min[origin, target] = switch.usd, switch.revenue_min
    return usd, lost_min
