"""Looks at every site's prices once a tick, learns, and keeps what the coming day holds.

It decides nothing. Where a price is not trusted nothing is learnt and nothing foreseen; what was
learnt survives a restart. Between two sites, and two solutions, everybody else gets their turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from controller.core.farm import SiteSettings
from controller.core.model import GroupKey, GroupView
from controller.core.options.economics import Market
from controller.core.prices.announcements import Coming
from controller.core.timing.advantage import SiteForesight
from controller.ports import Store, StoreError
from controller.recollection import Look, Recollection
from controller.records import SeenHour
from wire import logs

FIRST_LOOK_S = 5.0
"""Pause while some site has no trusted price yet: the first one shall not wait for a whole tick."""

PAUSE_S_MIN = 0.1
"""A replay may let ticks pass faster than anybody can look; those in between are left out."""

UNWRITTEN_MAX = 10_000
"""Hours that wait for a store that refuses; of more the oldest are forgotten."""


def _nothing(_: str) -> Coming:
    return ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast prices are looked at."""

    clock: Callable[[], float]
    """Instant that prices count by."""
    tick_s: float
    """Seconds of price time between two looks."""
    speed: float = 1.0
    """Seconds of price time per second; above 1 only in a replay."""


class Foresight:
    """What is foreseen for each site, as of the newest tick."""

    def __init__(
        self,
        store: Store,
        sites: Sequence[SiteSettings],
        pace: Pace,
        *,
        market: Callable[[], Market],
        views: Callable[[], Iterable[GroupView]],
        announced: Callable[[str], Coming] = _nothing,
    ) -> None:
        """`market`: at the prices that are trusted now; `announced`: those to come, by series."""
        self.sites: dict[str, SiteForesight] = {}
        """By site; none where a price is missing."""
        self._store = store
        self._pace = pace
        self._market = market
        self._views = views
        past = store.hours()
        self._recollections = {
            site.name: Recollection(site, pace.tick_s, [h for h in past if h.site == site.name])
            for site in sites
        }
        self._announced = announced
        self._sites = {site.name: site for site in sites}
        self._assigned: dict[GroupKey, str | None] = {}
        self._unwritten: list[SeenHour] = []
        self._fault = ""
        self._log = logs.get("foresight")

    async def run(self) -> None:
        """Look once a tick, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._pause_s())

    async def look(self) -> None:
        """Take in the tick that has just passed, one site after the other."""
        market, now = self._market(), self._pace.clock()
        views = tuple(self._views())
        groups, begun = Counter(view.site for view in views), self._begun(views)
        for name, recollection in self._recollections.items():
            tariff, demand = market.tariff_usd_per_kwh(name), market.demand(name)
            if tariff is None or demand.problem or not groups[name]:
                self.sites.pop(name, None)
                continue
            look = Look(now, tariff, demand.groups, groups[name], begun[name], self._coming(name))
            self._unwritten += recollection.take(look)
            await self._renew(name, recollection.foreseen())
        self._write()

    def _coming(self, name: str) -> Coming:
        """What power is going to cost, all in, as far as somebody has announced it."""
        site = self._sites[name]
        return [(at, usd + site.power_adder_usd_per_kwh) for at, usd in self._announced(site.power)]

    async def _renew(self, name: str, fresh: SiteForesight) -> None:
        """Put it in place once it can answer what was asked of the last one."""
        last = self.sites.get(name)
        for pool, origin in last.asked if last is not None else ():
            await asyncio.sleep(0)
            fresh.solve(pool, origin)
        self.sites[name] = fresh
        await asyncio.sleep(0)

    def _begun(self, views: Iterable[GroupView]) -> Counter[str]:
        """Switches that were ordered since the last look, by site."""
        before, self._assigned = self._assigned, {view.key: view.assigned for view in views}
        return Counter(
            view.site for view in views if view.key in before and before[view.key] != view.assigned
        )

    def _pause_s(self) -> float:
        tick_s, speed = self._pace.tick_s, self._pace.speed
        left_s = (tick_s - self._pace.clock() % tick_s) / speed
        if len(self.sites) < len(self._recollections):
            left_s = min(left_s, FIRST_LOOK_S)
        return max(left_s, PAUSE_S_MIN)

    def _write(self) -> None:
        """Make hours durable; what the store refuses is tried again."""
        if not self._unwritten:
            return
        try:
            self._store.put_hours(self._unwritten)
        except StoreError as error:
            if str(error) != self._fault:
                self._log.error("store refused", error=str(error))
            self._fault = str(error)
            del self._unwritten[:-UNWRITTEN_MAX]
        else:
            self._fault = ""
            self._unwritten = []
