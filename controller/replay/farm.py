"""A farm: a scenario file of several sites, rig classes and contracts. Unknown keys are errors.

It describes; it reads no series and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path

from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.settings import problems as charge_problems
from controller.core.timing.clairvoyant import Switch
from controller.core.timing.terms import OPTIONS
from controller.feeds.settings import RecordedFile
from controller.replay.parts import (
    GROUPS_MAX,
    TICKS_PER_SWITCH_MAX,
    Clock,
    Gear,
    Problem,
    Timeline,
    amount,
    refuse,
    under,
    zone_problems,
)
from wire import configfile

SECONDS_PER_MIN = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What one switch of a group costs."""

    takes_s: float
    """Seconds without income."""
    usd: float
    """Dollars besides, each time: wear, failed starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switching:
    """What switches cost by direction. The defaults are those of `--cost base`."""

    into_infer: Toll = Toll(takes_s=600.0, usd=0.01)
    """Until inference serves; in whole ticks, the nearest number, at least one."""
    out_of_infer: Toll = Toll(takes_s=360.0, usd=0.01)
    """From inference to anything; whole ticks, and of the next one the part that is left."""
    start: Toll = Toll(takes_s=90.0, usd=0.001)
    """From standing still to mining."""
    stop: Toll = Toll(takes_s=0.0, usd=0.0005)
    """From mining to standing still."""
    tune: Toll = Toll(takes_s=15.0, usd=0.0002)
    """Between `mine` and `eco`."""

    def switches(self, tick_s: float) -> dict[tuple[str, str], Switch]:
        """The cost of every pair of options, in ticks."""
        pairs = [(a, b) for a in OPTIONS for b in OPTIONS if a != b]
        return {pair: self._switch(*pair, tick_s) for pair in pairs}

    def _switch(self, origin: str, target: str, tick_s: float) -> Switch:
        toll = self._toll(origin, target)
        if target == "infer":
            nearest = math.floor(toll.takes_s / tick_s + 0.5)
            return Switch(max(1, nearest) if toll.takes_s else 0, toll.usd)
        whole, rest_s = divmod(toll.takes_s, tick_s)
        return Switch(int(whole), toll.usd, rest_s / SECONDS_PER_MIN)

    def _toll(self, origin: str, target: str) -> Toll:
        if target == "infer":
            return self.into_infer
        if origin == "infer":
            return self.out_of_infer
        if target == "off":
            return self.stop
        return self.start if origin == "off" else self.tune

    def problems(self, tick_s: float) -> Iterator[Problem]:
        """What cannot be so."""
        for each in fields(self):
            toll: Toll = getattr(self, each.name)
            if not (amount(toll.takes_s) and toll.takes_s <= TICKS_PER_SWITCH_MAX * tick_s):
                yield (each.name, "takes_s"), f"0 to {TICKS_PER_SWITCH_MAX} ticks"
            if not amount(toll.usd):
                yield (each.name, "usd"), "dollars from 0 up"


@dataclass(frozen=True, kw_only=True)
class RigClass(Gear):
    """Equal groups, wherever they stand, and the series that they earn by."""

    gpus_per_group: int = 1
    """GPUs that are switched together."""
    mine: str
    """Series of what one GPU earns by mining."""
    eco: str | None = None
    """Series of the same at a lower power limit; none: it earns nothing."""
    rental: str
    """Series of the rent of one busy GPU, before the fee."""
    switching: Switching = Switching()
    """What its switches cost."""

    def problems(self, tick_s: float) -> Iterator[Problem]:
        """What cannot be so."""
        yield from self.gear_problems()
        if self.gpus_per_group < 1:
            yield ("gpus_per_group",), "1 or more"
        yield from under(self.switching.problems(tick_s), "switching")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """The groups of one class at one site; serving ones are filled by rising index."""

    groups: int
    """How many."""
    demand: str
    """Series of how many of them inference keeps busy, contracts left out."""


@dataclass(frozen=True, kw_only=True)
class Site(Clock):
    """One place with one meter."""

    power: str
    """Series of the all-in price of electricity."""
    day_ahead: str | None = None
    """Series of the same hour's price, known the day before; none: there is no such market."""
    power_cap_w: float | None = None
    """Watts that all its groups together may draw; none: as many as they like."""
    demand_charges: tuple[DemandChargeSettings, ...] = ()
    """What a month's highest draw costs, as in the controller's settings."""
    pools: dict[str, PoolSettings]
    """Groups by class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSettings:
    """Groups that must serve one customer. They are served before the market is."""

    site: str
    """Where."""
    rig_class: str
    """By groups of which class."""
    groups: int
    """How many."""
    start: datetime
    """Owed from then on."""
    end: datetime
    """Owed until then, itself left out."""
    price_usd_per_gpu_h: float
    """What the customer pays for each GPU that serves, busy or not; no fee is taken."""
    penalty_usd_per_gpu_h: float
    """What each missing GPU costs besides."""


@dataclass(frozen=True, kw_only=True)
class Farm(Timeline):
    """What `rigshift replay` plays for a whole farm; [replay.md](replay.md) explains it."""

    recordings: tuple[RecordedFile, ...]
    """CSV files; their series may have any names."""
    classes: dict[str, RigClass]
    """Sorts of groups, by name."""
    sites: dict[str, Site]
    """Places, by name."""
    contracts: dict[str, ContractSettings] = field(default_factory=dict)
    """Commitments, by name."""


def load(path: Path) -> Farm:
    """Read and check one farm. Raises `ConfigError` naming file, line and what to do."""
    farm = configfile.load(path, Farm)
    refuse(path, _problems(farm))
    return farm


def _problems(farm: Farm) -> Iterator[Problem]:
    """What cannot be so; each with what to do."""
    yield from farm.timeline_problems()
    for name, rig_class in farm.classes.items():
        yield from under(rig_class.problems(farm.tick_s), "classes", name)
    if not any(site.pools for site in farm.sites.values()):
        yield ("sites",), "name at least one site with groups"
    for name, site in farm.sites.items():
        yield from under(_site_problems(farm, site), "sites", name)
        for text in charge_problems(name, site.demand_charges):
            yield ("sites", name, "demand_charges"), text.removeprefix(f"site {name}: ")
    for name, contract in farm.contracts.items():
        yield from under(_contract_problems(farm, contract), "contracts", name)


def _site_problems(farm: Farm, site: Site) -> Iterator[Problem]:
    yield from site.clock_problems()
    for name, pool in site.pools.items():
        if name not in farm.classes:
            yield ("pools", name), f"no such class; known: {', '.join(farm.classes)}"
        if not 1 <= pool.groups <= GROUPS_MAX:
            yield ("pools", name, "groups"), f"1 to {GROUPS_MAX}"
    if site.power_cap_w is not None and not site.power_cap_w > 0:
        yield ("power_cap_w",), "watts above 0, or leave it out"


def _contract_problems(farm: Farm, contract: ContractSettings) -> Iterator[Problem]:
    site = farm.sites.get(contract.site)
    if site is None:
        yield ("site",), f"no such site; known: {', '.join(farm.sites)}"
    elif contract.rig_class not in site.pools:
        yield ("rig_class",), f"{contract.site} has none; it has {', '.join(site.pools) or 'none'}"
    if contract.groups < 1:
        yield ("groups",), "1 or more"
    yield from zone_problems("start", contract.start)
    yield from zone_problems("end", contract.end)
    if None not in (contract.start.tzinfo, contract.end.tzinfo) and contract.end <= contract.start:
        yield ("end",), "after its start"
    for key in ("price_usd_per_gpu_h", "penalty_usd_per_gpu_h"):
        if not amount(getattr(contract, key)):
            yield (key,), "dollars from 0 up"
