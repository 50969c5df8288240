"""Plays pools that share a site's power or owe contracts: what is owed first, then the cap.

The policies decide as if they were alone. What they may not have, or what is not worth its demand
charge, is decided here, from the same past prices that they were shown; nothing here sees ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.core.charges.settings import DemandChargeSettings
from controller.core.timing import ledger, rationing, thrift
from controller.core.timing.duty import Contract, Duties
from controller.core.timing.ledger import UNDER_WAY, Book, Played, Policy, Standing
from controller.core.timing.metering import Metering
from controller.core.timing.peaks import Peaks
from controller.core.timing.rationing import Asked
from controller.core.timing.terms import (
    INFER,
    OFF,
    WATTS_PER_KW,
    BoolArray,
    FloatArray,
    IntArray,
    Moment,
    Terms,
    load_kw,
    transition_kw,
)
from controller.core.timing.yields import Yields

Make = Callable[[Terms], Policy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Equal groups and what they live through."""

    terms: Terms
    moments: Sequence[Moment]
    contracts: tuple[Contract, ...] = ()

    @property
    def duties(self) -> Duties:
        """What it owes."""
        return Duties(self.contracts, len(self.moments))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Pools behind one meter, over the same ticks."""

    pools: tuple[Pool, ...]
    cap_w: float = math.inf
    """Watts that all together may draw."""
    zone: str = "UTC"
    """Whose clock and calendar its charges go by."""
    charges: tuple[DemandChargeSettings, ...] = ()
    """What the highest draw of a month costs."""

    @property
    def meterings(self) -> list[Metering]:
        """Charges that cost something, over the course."""
        terms, moments = self.pools[0].terms, self.pools[0].moments
        at_s = [moment.at_s for moment in moments] if self.charged else []
        paid = [charge for charge in self.charges if charge.usd_per_kw_month > 0]
        return [Metering.over(charge, self.zone, at_s, terms.tick_s) for charge in paid]

    @property
    def charged(self) -> bool:
        """Whether draw costs anything beside its energy."""
        return any(charge.usd_per_kw_month > 0 for charge in self.charges)

    @property
    def capped(self) -> bool:
        """Whether the cap could ever keep somebody from something."""
        most = sum(pool.terms.groups * max(most_w(pool.terms)) for pool in self.pools)
        return bool(most > self.cap_w)

    @property
    def coupled(self) -> bool:
        """Whether groups are in each other's way."""
        return self.limited or self.charged

    @property
    def limited(self) -> bool:
        """Whether groups may not always have what they want."""
        return self.capped or any(pool.contracts for pool in self.pools)


def play(site: Site, make: Make, *, heeds: bool = False) -> list[Played]:
    """Run a fresh policy for each pool; accounts by pool, what was broken counted.

    A contract that is short of groups in a tick is a violation, and so is a tick over the cap.
    Whoever heeds demand charges weighs them; everybody pays them.
    """
    meterings = site.meterings
    if site.limited or (heeds and meterings):
        played = _together(site, make, meterings if heeds else [])
    else:
        played = [ledger.play(p.moments, p.terms, make(p.terms)) for p in site.pools]
    return _charged(site, played, meterings)


def _together(site: Site, make: Make, heeded: Sequence[Metering]) -> list[Played]:
    """Tick by tick, each pool in turn."""
    tenants = [_Tenant(pool, make(pool.terms)) for pool in site.pools]
    cap_w = site.cap_w if site.capped else math.inf
    peaks = Peaks(heeded, site.pools[0].terms.tick_h)
    for tick in range(len(site.pools[0].moments)):
        asked = [tenant.ask(tick) for tenant in tenants]
        orders, wish = rationing.granted(asked, cap_w), None
        if heeded:
            steps = peaks.steps(tick)
            orders, wish = thrift.heeded(asked, orders, steps, peaks.lasts_h(tick))
        drawn_w = sum(t.obey(order) for t, order in zip(tenants, orders, strict=True))
        if wish is not None:
            peaks.passed(tick, drawn_w, wish)
    return _with_excess(site, [tenant.close() for tenant in tenants], cap_w)


def drawn_w(pool: Pool, running: IntArray) -> FloatArray:
    """Watts of a pool by tick."""
    demand = [moment.prices.demand_groups for moment in pool.duties.shown(pool.moments)]
    return _drawn_w(pool.terms, running, np.array(demand))


def _drawn_w(terms: Terms, running: IntArray, demand_groups: FloatArray) -> FloatArray:
    """The same of any ticks."""
    busy = np.minimum(running[:, INFER], np.maximum(demand_groups, 0.0))
    idle_kw, busy_kw = load_kw(terms.watts, np.array([0.0, 1.0]))
    drawn = running[:, :UNDER_WAY] @ idle_kw + busy * (busy_kw - idle_kw)[INFER]
    watts: FloatArray = (drawn + running[:, UNDER_WAY] * transition_kw(terms.watts)) * WATTS_PER_KW
    return watts


def most_w(terms: Terms) -> tuple[float, float, float, float]:
    """Watts that each option may draw, on the way there included."""
    watts, moving = terms.watts, transition_kw(terms.watts) * WATTS_PER_KW
    serving = max(watts.infer_busy, watts.infer_idle, moving)
    return watts.mine, watts.eco, serving, watts.off


def owed_w(pools: Sequence[Pool]) -> float:
    """Watts that pools may draw at most which serve what they owe and stand still otherwise."""
    drawn = np.zeros(len(pools[0].moments))
    for pool in pools:
        off_w = pool.terms.watts.off
        drawn += pool.duties.owed * (most_w(pool.terms)[INFER] - off_w) + pool.terms.groups * off_w
    return float(drawn.max())


class _Tenant:
    """One pool with its policy, while it is played."""

    def __init__(self, pool: Pool, policy: Policy) -> None:
        self._pool, self._policy, self._tick = pool, policy, 0
        self._book = Book(pool.terms, len(pool.moments))
        self._shown = pool.duties.shown(pool.moments)
        self._due = pool.duties.due(pool.terms)
        self._wanted: IntArray = np.full(pool.terms.groups, OFF)
        self._denied: BoolArray = np.zeros(pool.terms.groups, dtype=bool)

    def ask(self, tick: int) -> Asked:
        """What the policy wants for a tick, and what of it is owed."""
        if tick:
            self._policy.observe(self._shown[tick - 1])
        standing = self._book.standing()
        self._wanted = self._policy.order(self._believed(standing))
        return Asked(
            terms=self._pool.terms,
            prices=self._shown[tick - 1].prices if tick else None,
            standing=standing,
            ordered=self._book.ordered,
            wanted=self._wanted,
            due=int(self._due[tick]),
            most_w=most_w(self._pool.terms),
        )

    def obey(self, orders: IntArray) -> float:
        """Order what was granted and let the tick pass; watts that it drew."""
        self._denied = orders != self._wanted
        self._book.take(orders)
        self._book.pass_tick()
        demand = self._shown[self._tick].prices.demand_groups
        self._tick += 1
        return float(_drawn_w(self._pool.terms, self._book.ran[None], np.array([demand]))[0])

    def close(self) -> Played:
        """The accounts."""
        pool = self._pool
        yields = Yields.over([moment.prices for moment in self._shown], pool.terms)
        return pool.duties.settled(self._book.close(yields), pool.moments, pool.terms)

    def _believed(self, standing: Standing) -> Standing:
        """A policy that was denied something goes on as if it had it, else it would ask for ever.

        Some count what they order, and would think that groups never come to rest.
        """
        return Standing(
            np.where(self._denied, self._wanted, standing.options),
            np.where(self._denied, 0, standing.left_ticks),
        )


def _with_excess(site: Site, played: list[Played], cap_w: float) -> list[Played]:
    """The same, ticks over the cap counted with the first pool."""
    drawn = sum(drawn_w(p, done.running) for p, done in zip(site.pools, played, strict=True))
    over = int(np.count_nonzero(drawn > cap_w * (1 + ROUNDING)))
    first = replace(played[0], violations=played[0].violations + over)
    return [first, *played[1:]]


def _charged(site: Site, played: list[Played], meterings: Sequence[Metering]) -> list[Played]:
    """The same, demand charges paid by the first pool for all."""
    if not meterings:
        return played
    drawn, usd = np.zeros_like(played[0].profit_usd), np.zeros_like(played[0].profit_usd)
    for pool, done in zip(site.pools, played, strict=True):
        drawn += drawn_w(pool, done.running)
    for metering in meterings:
        usd += metering.usd(drawn)
    first = replace(played[0], profit_usd=played[0].profit_usd - usd, charged_usd=float(usd.sum()))
    return [first, *played[1:]]


ROUNDING = 1e-9
"""By how much of itself a cap may be exceeded in a sum of watts."""
