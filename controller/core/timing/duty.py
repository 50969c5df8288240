"""What a pool has promised: groups that must serve, from one tick to another, at a price.

Contracts are served before the market is. Nothing here decides which groups serve them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.core.timing.ledger import Played
from controller.core.timing.terms import INFER, BoolArray, FloatArray, IntArray, Moment, Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """So many groups that serve one customer all the time."""

    groups: int
    first_tick: int
    """It is owed from this tick on."""
    end_tick: int
    """It is owed until this tick, itself left out."""
    price_usd_per_h: float
    """What the customer pays for each group that serves."""
    penalty_usd_per_h: float
    """What each missing group costs besides."""

    @property
    def worth_usd_per_h(self) -> float:
        """What is lost where a group is missing."""
        return self.price_usd_per_h + self.penalty_usd_per_h

    def active(self, ticks: int) -> BoolArray:
        """In which ticks it is owed."""
        every = np.arange(ticks)
        owed: BoolArray = (every >= self.first_tick) & (every < self.end_tick)
        return owed


@dataclass(frozen=True, slots=True)
class Duties:
    """All contracts of one pool, over a course of so many ticks."""

    contracts: tuple[Contract, ...]
    ticks: int

    @property
    def owed(self) -> IntArray:
        """Groups that must serve, by tick."""
        total = np.zeros(self.ticks, dtype=np.int64)
        for contract in self.contracts:
            total += contract.groups * contract.active(self.ticks)
        return total

    def due(self, terms: Terms) -> IntArray:
        """Groups that must serve or be on their way, by tick: even out of another switch."""
        dark = terms.ticks()
        lead = int(dark[:, INFER].max() + np.delete(dark, INFER, axis=1).max())
        padded = np.concatenate([self.owed, np.zeros(lead, dtype=np.int64)])
        most: IntArray = np.lib.stride_tricks.sliding_window_view(padded, lead + 1).max(axis=1)
        return most

    def shown(self, moments: Sequence[Moment]) -> list[Moment]:
        """The course as a timing policy sees it: contracts keep groups busy like other demand."""
        if not self.contracts:
            return list(moments)
        return [
            replace(m, prices=replace(m.prices, demand_groups=m.prices.demand_groups + owed))
            for m, owed in zip(moments, self.owed.tolist(), strict=True)
        ]

    def filled(self, serving: IntArray) -> Iterator[tuple[Contract, IntArray]]:
        """Groups of those that serve that each contract gets, by tick, the dearest first."""
        left = serving.copy()
        for contract in sorted(self.contracts, key=lambda each: -each.worth_usd_per_h):
            given = np.minimum(left, contract.groups * contract.active(self.ticks))
            left -= given
            yield contract, given

    def settled(self, played: Played, moments: Sequence[Moment], terms: Terms) -> Played:
        """Accounts over `shown`, in which contracts pay what they pay; what they miss, told."""
        if not self.contracts:
            return played
        rent = rent_usd(moments, terms)
        profit, broken = played.profit_usd.copy(), 0
        for contract, given in self.filled(played.running[:, INFER]):
            missing = contract.groups * contract.active(self.ticks) - given
            profit += given * (contract.price_usd_per_h * terms.tick_h - rent)
            profit -= missing * contract.penalty_usd_per_h * terms.tick_h
            broken += int(np.count_nonzero(missing))
        return replace(played, profit_usd=profit, violations=played.violations + broken)


def rent_usd(moments: Sequence[Moment], terms: Terms) -> FloatArray:
    """Dollars by tick that the market pays for a busy group, the fee left out."""
    rent = np.array([moment.prices.rental_usd_per_h for moment in moments])
    paid: FloatArray = rent * (1 - terms.rental_fee_ratio) * terms.tick_h
    return paid
