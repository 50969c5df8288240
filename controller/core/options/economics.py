"""What each option of a GPU group earns, net of energy, in US dollars per hour.

A missing price gives no net, never 0. Inference counts the share of time that somebody is
expected to use it, not the list price.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.core.farm import (
    EarningSettings,
    FarmSettings,
    RigClassSettings,
    SiteSettings,
)
from controller.core.measured import Source
from controller.core.model import GroupView, Quote
from controller.core.options import appraisal
from controller.core.options.appraisal import Power, Wall
from wire.model import Kind, WorkloadOffer

WATTS_PER_KW = 1000.0


@dataclass(frozen=True, slots=True)
class Draw:
    """What an option brings in and what it draws, before energy has a price."""

    revenue_usd_per_h: float | None
    power: Power
    basis: str
    """Where all that comes from."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """One option of a group, priced for every share of time that it may be busy."""

    workload: str | None
    kind: Kind | None
    revenue_usd_per_h: float | None
    """When busy, after fees."""
    busy_w: float | None
    idle_w: float | None
    busy_usd_per_h: float | None
    """Net when busy all the time; none without a price."""
    idle_usd_per_h: float | None
    """Net when nobody uses it; none without a price."""
    problem: str = ""
    """Why it has no price, one clause; empty: it has one."""
    basis: str = ""
    """Where its figures come from, one clause each."""
    power_source: Source = Source.NONE
    nameplate_w: float | None = None
    """Watts when busy by settings or nameplate, whatever was measured."""

    @property
    def serves(self) -> bool:
        """Whether it earns only while somebody uses it."""
        return self.kind is Kind.INFERENCE

    def net_usd_per_h(self, busy: float) -> float | None:
        """Net at a busy ratio, 0 to 1; none without a price."""
        return _between(self.idle_usd_per_h, self.busy_usd_per_h, busy)

    def power_w(self, busy: float) -> float | None:
        """Watts of the whole group at a busy ratio, 0 to 1; none when nobody knows."""
        return _between(self.idle_w, self.busy_w, busy)


@dataclass(frozen=True, slots=True)
class Demand:
    """How many groups of a site inference keeps busy."""

    groups: float
    """Infinite where the site names no series; 0 without a quote."""
    problem: str = ""
    """Why it is not known."""

    def next_share(self, serving: int) -> float:
        """Busy ratio of one more group when so many serve already."""
        return min(1.0, max(0.0, self.groups - serving))


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The farm at today's prices: prices any group's options."""

    sites: Mapping[str, SiteSettings]
    earnings: Mapping[tuple[str, str | None], EarningSettings]
    rig_classes: Mapping[str, RigClassSettings]
    quotes: Mapping[str, Quote]
    delivered: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    """By class and workload: what part of its income comes in, by the books; absent: all."""

    def demand(self, site: str) -> Demand:
        """Inference demand at a site."""
        settings = self.sites.get(site)
        if settings is None or settings.demand_groups is None:
            return Demand(math.inf)
        groups, problem = self._value(settings.demand_groups)
        return Demand(max(0.0, groups or 0.0), problem)

    def tariff_usd_per_kwh(self, site: str) -> float | None:
        """What power costs at a site, all in; none without a trusted price."""
        return self._power(site)[0]

    def power_cap_w(self, site: str) -> float:
        """What a site may draw; infinite without a cap."""
        settings = self.sites.get(site)
        cap_w = settings.power_cap_w if settings is not None else None
        return math.inf if cap_w is None else cap_w

    def prospects(self, view: GroupView) -> tuple[Prospect, ...]:
        """Standing still, then every workload that the rig offers here, in its order."""
        tariff = self._power(view.site)
        rig_class = self.rig_classes.get(view.rig_class) or RigClassSettings(name=view.rig_class)
        wall = appraisal.wall(view, rig_class)
        set_w = rig_class.gpu_off_w * len(view.offer.gpus)
        still = Draw(0.0, Power(wall.off, wall.off.value, set_w), wall.off.basis)
        return (
            _priced(None, still, *tariff),
            *(self._prospect(view, offer, wall, tariff) for offer in view.offer.workloads),
        )

    def _prospect(
        self, view: GroupView, offer: WorkloadOffer, wall: Wall, tariff: tuple[float | None, str]
    ) -> Prospect:
        earning = self.earnings.get((offer.name, view.rig_class))
        earning = earning or self.earnings.get((offer.name, None))
        power = appraisal.power(view, offer, earning, wall)
        if earning is None:
            problem = f"no earning is configured for {offer.name} on class {view.rig_class}"
            return _priced(offer, Draw(None, power, power.busy.basis), tariff[0], problem)
        made = appraisal.units_per_h(view, offer, earning)
        price, missing = self._value(earning.revenue)
        revenue = None
        if price is not None and made.value is not None:
            share = self.delivered.get((view.rig_class, offer.name), 1.0)
            revenue = price * made.value * earning.scale * (1.0 - earning.fee_ratio) * share
        problem = missing or tariff[1] or self._mismatch(view, offer, earning, power.busy.value)
        if made.value is None:
            problem = problem or f"nobody has measured yet what {offer.name} makes"
        told = (power.busy.basis, made.basis, self._delivery(view, offer))
        basis = "; ".join(clause for clause in told if clause)
        return _priced(offer, Draw(revenue, power, basis), tariff[0], problem)

    def _delivery(self, view: GroupView, offer: WorkloadOffer) -> str:
        share = self.delivered.get((view.rig_class, offer.name))
        return "" if share is None else f"it delivers {share:.0%} of its time, so much counts"

    def _mismatch(
        self, view: GroupView, offer: WorkloadOffer, earning: EarningSettings, busy_w: float | None
    ) -> str:
        if earning.kind is not offer.kind:
            return f"the rig offers it as {offer.kind}, the settings call it {earning.kind}"
        if busy_w is None:
            return f"nobody says how many watts {offer.name} draws"
        return self.demand(view.site).problem if offer.kind is Kind.INFERENCE else ""

    def _power(self, site: str) -> tuple[float | None, str]:
        settings = self.sites.get(site)
        if settings is None:
            return None, f"site {site} is not configured"
        price, problem = self._value(settings.power)
        return (None if price is None else price + settings.power_adder_usd_per_kwh), problem

    def _value(self, series: str) -> tuple[float | None, str]:
        quote = self.quotes.get(series)
        if quote is None:
            return None, f"no quote for {series}"
        if quote.value is None:
            return None, f"no quote for {series}: {quote.reason or quote.state}"
        return quote.value, ""


def market(
    farm: FarmSettings,
    quotes: Mapping[str, Quote],
    delivered: Mapping[tuple[str, str | None], float] | None = None,
) -> Market:
    """The farm at these quotes, and with what workloads have delivered."""
    return Market(
        sites={site.name: site for site in farm.sites},
        earnings={(earning.workload, earning.rig_class): earning for earning in farm.earnings},
        rig_classes={rig_class.name: rig_class for rig_class in farm.rig_classes},
        quotes=quotes,
        delivered=delivered or {},
    )


def _priced(
    offer: WorkloadOffer | None, draw: Draw, tariff: float | None, problem: str
) -> Prospect:
    revenue, power = draw.revenue_usd_per_h, draw.power
    busy_w, idle_w = power.busy.value, power.idle_w
    busy = idle = None
    if not (problem or revenue is None or busy_w is None or idle_w is None or tariff is None):
        busy = revenue - busy_w / WATTS_PER_KW * tariff
        idle = -idle_w / WATTS_PER_KW * tariff
    return Prospect(
        workload=None if offer is None else offer.name,
        kind=None if offer is None else offer.kind,
        revenue_usd_per_h=revenue,
        busy_w=busy_w,
        idle_w=idle_w,
        busy_usd_per_h=busy,
        idle_usd_per_h=idle,
        problem=problem,
        basis=draw.basis,
        power_source=power.busy.source,
        nameplate_w=power.nameplate_w,
    )


def _between(idle: float | None, busy: float | None, ratio: float) -> float | None:
    if idle is None or busy is None or ratio == 1.0:
        return busy
    return idle + ratio * (busy - idle)


def busy_shares(gains: Sequence[float], demand: float) -> list[float]:
    """Busy ratio of each serving group, given what each gains by being busy, $/h.

    Requests go where they earn most; of equals, to the earlier one.
    """
    shares = [0.0] * len(gains)
    order = sorted(range(len(gains)), key=lambda i: -gains[i])
    for rank, i in enumerate(order):
        shares[i] = min(1.0, max(0.0, demand - rank))
    return shares
