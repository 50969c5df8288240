"""What the groups really earned, tick by price tick, beside what fixed choices and hindsight would.

A tick is a span of price time. All are judged by the same prices and pay alike for a switch: time
without income and dollars. It judges a run; it must never take part in a decision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from controller.core.model import GroupKey, GroupView
from controller.core.options.economics import Market, Prospect
from controller.core.timing import clairvoyant
from controller.core.timing.clairvoyant import Course, Switch
from wire.model import OFF, GroupStatus, Outcome, Phase

SECONDS_PER_H = 3600.0
WATTS_PER_KW = 1000.0

_EARNING = frozenset({Phase.RUNNING, Phase.PREPARING})
"""In these the active workload works; PREPARING leaves the GPUs alone."""
_RESTING = frozenset({Phase.IDLE, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class Activity:
    """What one group does in a tick."""

    workload: str | None = None
    """Runs and is proven; ``None``: nothing earns."""
    switching: bool = False
    """Neither earning nor resting."""


def activity(status: GroupStatus | None) -> Activity:
    """What a group does, by its report; resting when there is none."""
    if status is None or status.phase in _RESTING:
        return Activity()
    if status.phase in _EARNING:
        return Activity(status.active)
    return Activity(switching=True)


def dark_s(outcome: Outcome) -> float:
    """Seconds that a switch took without income, preparing left out."""
    return sum(seconds for phase, seconds in outcome.phase_s if phase not in _EARNING | _RESTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Equal groups at one site that share its inference demand: serving ones fill in order."""

    name: str
    groups: tuple[GroupKey, ...]
    transition_w: float
    """Watts at the wall of one group while it switches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPrices:
    """What a group of one pool could earn in one tick."""

    prospects: tuple[Prospect, ...]
    """Standing still among them; all with a price."""
    demand_groups: float
    """How many groups inference keeps busy."""
    power_usd_per_kwh: float
    """All-in price of electricity."""

    def net_usd_per_h(self, workload: str | None, position: int) -> float:
        """Net of the group that serves in this position, from 0; elsewhere position is no matter.

        Raises:
            ValueError: The workload is none of the pool's, or has no price.
        """
        prospect = next((p for p in self.prospects if p.workload == workload), None)
        if prospect is None:
            raise ValueError(f"workload {workload} is not offered in this pool")
        busy = min(1.0, max(0.0, self.demand_groups - position)) if prospect.serves else 1.0
        net = prospect.net_usd_per_h(busy)
        if net is None:
            raise ValueError(f"{workload or OFF} has no price: {prospect.problem}")
        return net


def pool_prices(market: Market, view: GroupView) -> PoolPrices:
    """Prices of a pool, from a market of true prices and any one of its groups.

    Raises:
        ValueError: Electricity has no price.
    """
    site = market.sites[view.site]
    power = market.quotes[site.power].value
    if power is None:
        raise ValueError(f"{site.power} has no price")
    return PoolPrices(
        prospects=market.prospects(view),
        demand_groups=market.demand(view.site).groups,
        power_usd_per_kwh=power + site.power_adder_usd_per_kwh,
    )


@dataclass(frozen=True, slots=True)
class SwitchTicks:
    """Whole ticks without income, from measured switches."""

    start: int
    """Into a workload."""
    stop: int
    """Into standing still."""

    @classmethod
    def measured(cls, start_s: float, stop_s: float, real_tick_s: float) -> SwitchTicks:
        """From seconds of real time that switches took; a tick passes in `real_tick_s` of them."""
        return cls(round(start_s / real_tick_s), round(stop_s / real_tick_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Running sums of a fleet. A value: `advance` makes a new one."""

    pools: tuple[Pool, ...]
    tick_s: float
    """Price seconds that one tick stands for."""
    switch_usd: float = 0.0
    """Dollars that a switch costs besides time, the real ones too."""
    profit_usd: float = 0.0
    """Of what the groups really did."""
    switches: int = 0
    """That they really made."""
    history: Mapping[str, tuple[PoolPrices, ...]] = field(default_factory=dict)
    """By pool, one entry per tick."""
    activities: Mapping[GroupKey, Activity] = field(default_factory=dict)
    """In the newest tick; before the first every group stood still."""

    def advance(
        self, prices: Mapping[str, PoolPrices], activities: Mapping[GroupKey, Activity]
    ) -> Accounts:
        """After one more tick; a group that is left out goes on as before.

        Raises:
            ValueError: A pool or a workload that runs has no price.
        """
        if missing := [pool.name for pool in self.pools if pool.name not in prices]:
            raise ValueError(f"no prices for pool {missing[0]}")
        now = {**self.activities, **activities}
        began = sum(
            _began(self.activities.get(key, Activity()), now.get(key, Activity()))
            for pool in self.pools
            for key in pool.groups
        )
        net_usd_per_h = sum(_net_usd_per_h(pool, prices[pool.name], now) for pool in self.pools)
        earned_usd = net_usd_per_h * self.tick_s / SECONDS_PER_H
        return replace(
            self,
            profit_usd=self.profit_usd + earned_usd - began * self.switch_usd,
            switches=self.switches + began,
            history={
                pool.name: (*self.history.get(pool.name, ()), prices[pool.name])
                for pool in self.pools
            },
            activities=now,
        )

    def always_usd(self, workload: str, ticks: SwitchTicks) -> float:
        """What one workload everywhere from the first tick would have earned, its start paid.

        Raises:
            ValueError: A pool does not offer it.
        """
        total_usd = 0.0
        for pool, position, count in self._positions():
            course = self._course(pool, position)
            if workload not in course.net_usd:
                raise ValueError(f"pool {pool.name} does not offer {workload}")
            earned = sum(course.net_usd[workload][ticks.start :])
            spent = sum(course.transition_usd[: ticks.start]) + self.switch_usd
            total_usd += count * (earned - spent)
        return total_usd

    def clairvoyant_usd(self, ticks: SwitchTicks) -> float:
        """What the best plan with perfect foresight would have earned by now.

        It is a bound only if no real switch was faster than `ticks`.
        """
        return sum(
            count
            * clairvoyant.best(
                course := self._course(pool, position), self._costs(course, ticks), start=OFF
            ).profit_usd
            for pool, position, count in self._positions()
        )

    def _positions(self) -> list[tuple[Pool, int, int]]:
        """Positions of each pool with how many groups stand there, past all demand as one."""
        found = []
        for pool in self.pools:
            demand = max(
                (tick.demand_groups for tick in self.history.get(pool.name, ())), default=0
            )
            ever_busy = min(len(pool.groups), math.ceil(demand) if demand < math.inf else math.inf)
            served = int(ever_busy)
            found += [(pool, position, 1) for position in range(served)]
            if served < len(pool.groups):
                found.append((pool, served, len(pool.groups) - served))
        return found

    def _course(self, pool: Pool, position: int) -> Course:
        ticks = self.history.get(pool.name, ())
        hours = self.tick_s / SECONDS_PER_H
        workloads = [prospect.workload for prospect in ticks[0].prospects] if ticks else [None]
        transition_usd_per_h = [_transition_usd_per_h(pool, tick) for tick in ticks]
        return Course(
            net_usd={
                workload or OFF: [tick.net_usd_per_h(workload, position) * hours for tick in ticks]
                for workload in workloads
            },
            revenue_usd_per_h={},
            transition_usd=[usd_per_h * hours for usd_per_h in transition_usd_per_h],
        )

    def _costs(self, course: Course, ticks: SwitchTicks) -> dict[tuple[str, str], Switch]:
        return {
            (origin, target): Switch(ticks.stop if target == OFF else ticks.start, self.switch_usd)
            for origin in course.net_usd
            for target in course.net_usd
            if origin != target
        }


def _net_usd_per_h(pool: Pool, prices: PoolPrices, now: Mapping[GroupKey, Activity]) -> float:
    """What the groups of a pool earn together; those that serve fill in order."""
    total, serving = 0.0, 0
    serves = {prospect.workload for prospect in prices.prospects if prospect.serves}
    for key in pool.groups:
        doing = now.get(key, Activity())
        if doing.switching:
            total -= _transition_usd_per_h(pool, prices)
            continue
        total += prices.net_usd_per_h(doing.workload, serving)
        serving += doing.workload in serves
    return total


def _transition_usd_per_h(pool: Pool, prices: PoolPrices) -> float:
    return pool.transition_w / WATTS_PER_KW * prices.power_usd_per_kwh


def _began(before: Activity, now: Activity) -> bool:
    """Whether a switch began: seen under way, or so fast that only its end is seen."""
    if before.switching:
        return False
    return now.switching or now.workload != before.workload
