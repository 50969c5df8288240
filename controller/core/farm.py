"""The farm as its operator describes it: places, rig classes, and what workloads earn and draw.

Settings only; what they come to at today's prices is in `economics`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from controller.core.charges import settings as charges
from controller.core.charges.settings import DemandChargeSettings
from wire.model import Kind


class Per(StrEnum):
    """What a revenue is paid for."""

    GPU = "gpu"
    """US dollars per hour of one busy GPU."""
    MEGAHASH = "mhs"
    """Mining: US dollars per hour of 1 MH/s, times what the group hashes."""
    MILLION_TOKENS = "mtoken"
    """Inference: US dollars per million tokens, times what the group generates while busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikeSettings:
    """A price of electricity above which a site draws less."""

    above_usd_per_kwh: float
    """All-in price above which it begins, adder included."""
    below_usd_per_kwh: float
    """Price at or below which it ends again; lower, so that it does not come and go."""
    cap_w: float = 0.0
    """What the site may still draw, watts."""
    hours: str = ""
    """Hours of the site's day in which it counts, e.g. `16:00-21:00`; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """A place with one electricity price and one supply."""

    name: str
    """As rigs are enrolled with."""
    time_zone: str = "UTC"
    """IANA name: by its hours demand and power have their habits."""
    power: str
    """Series of the electricity price, US dollars per kWh."""
    power_adder_usd_per_kwh: float = 0.0
    """Grid fees and taxes on top of the series, US dollars per kWh."""
    demand_groups: str | None = None
    """Series of how many groups inference demand keeps busy here; none: every group, always."""
    power_cap_w: float | None = None
    """Most that all groups of the site may draw at the wall, watts; none: no cap."""
    strikes: tuple[StrikeSettings, ...] = ()
    """Prices at which it draws less, in any order; the lowest cap in force counts."""
    demand_charges: tuple[DemandChargeSettings, ...] = ()
    """What the utility bills for the month's highest draw, each kind of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RigClassSettings:
    """What rigs of one class have in common."""

    name: str
    """As rigs are enrolled with."""
    gpu_off_w: float = 0.0
    """Watts at the wall of one GPU that stands still, its share of the host included."""
    supply_efficiency_ratio: float = 0.9
    """What of the watts at the wall reaches the GPUs; turns what GPUs measure into watts there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarningSettings:
    """What one workload earns and draws on one class of rigs."""

    workload: str
    """As rigs call it."""
    rig_class: str | None = None
    """Class that this holds for; none: every class without an entry of its own."""
    kind: Kind
    """What it earns by; must be what the rigs say."""
    revenue: str
    """Series of the revenue; what it pays for is `per`."""
    per: Per = Per.GPU
    """`gpu`: dollars per hour of one busy GPU; `mhs`: of 1 MH/s; `mtoken`: per million tokens."""
    scale: float = 1.0
    """Factor on the series, e.g. this class's hashrate in units of the series'."""
    fee_ratio: float = 0.0
    """Part of the revenue that a pool or a marketplace keeps, 0 to below 1."""
    gpu_power_w: float | None = None
    """Watts at the wall of one busy GPU, until measured; none: the rig's own nameplate."""
    gpu_idle_w: float | None = None
    """Inference: watts of one loaded GPU that waits, until measured; none: as when busy."""
    gpu_hashrate_hps: float | None = None
    """For `per: mhs`: hashes per second of one GPU, until the rig has measured its own."""
    gpu_tokens_per_s: float | None = None
    """For `per: mtoken`: tokens per second of one busy GPU, until the rig has measured them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmSettings:
    """Where rigs stand, what they earn and what they draw."""

    sites: tuple[SiteSettings, ...]
    """Every site that has rigs."""
    earnings: tuple[EarningSettings, ...]
    """Every workload that may be chosen for its price."""
    rig_classes: tuple[RigClassSettings, ...] = ()
    """Classes whose GPUs draw something when they stand still."""


def problems(farm: FarmSettings, series: Collection[str]) -> Iterator[str]:
    """What in these settings cannot be meant; `series` are those that have quote rules."""
    for site in farm.sites:
        yield from _site_problems(site, series)
        yield from charges.problems(site.name, site.demand_charges)
    for earning in farm.earnings:
        yield from _earning_problems(earning, series)
    for rig_class in farm.rig_classes:
        if not 0 <= rig_class.gpu_off_w < math.inf:
            yield f"rig class {rig_class.name}: `gpu_off_w` must be 0 or more"
        if not 0 < rig_class.supply_efficiency_ratio <= 1:
            yield f"rig class {rig_class.name}: `supply_efficiency_ratio` must be above 0 to 1"
    yield from _repeats("site", [site.name for site in farm.sites])
    yield from _repeats("rig class", [rig_class.name for rig_class in farm.rig_classes])
    yield from _repeats("earning", [_title(earning) for earning in farm.earnings])


def _site_problems(site: SiteSettings, series: Collection[str]) -> Iterator[str]:
    where = f"site {site.name}"
    yield from _unknown(where, site.power, series)
    if site.demand_groups is not None:
        yield from _unknown(where, site.demand_groups, series)
    if site.power_cap_w is not None and not 0 < site.power_cap_w < math.inf:
        yield f"{where}: `power_cap_w` must be above 0; leave it out for no cap"
    if not math.isfinite(site.power_adder_usd_per_kwh):
        yield f"{where}: `power_adder_usd_per_kwh` must be a finite number"


def _earning_problems(earning: EarningSettings, series: Collection[str]) -> Iterator[str]:
    where = f"earning {_title(earning)}"
    yield from _unknown(where, earning.revenue, series)
    if not 0 < earning.scale < math.inf:
        yield f"{where}: `scale` must be above 0"
    if not 0 <= earning.fee_ratio < 1:
        yield f"{where}: `fee_ratio` must be 0 to below 1, e.g. 0.02 for 2 percent"
    power_w, idle_w = earning.gpu_power_w, earning.gpu_idle_w
    if power_w is not None and not 0 <= power_w < math.inf:
        yield f"{where}: `gpu_power_w` must be 0 or more"
    if idle_w is not None and not 0 <= idle_w <= (math.inf if power_w is None else power_w):
        yield f"{where}: `gpu_idle_w` must be 0 or more and at most `gpu_power_w`"
    if idle_w is not None and earning.kind is not Kind.INFERENCE:
        yield f"{where}: `gpu_idle_w` is for inference only; mining never waits for requests"
    yield from _yield_problems(where, earning)


def _yield_problems(where: str, earning: EarningSettings) -> Iterator[str]:
    kinds = {Per.MEGAHASH: Kind.MINING, Per.MILLION_TOKENS: Kind.INFERENCE}
    if kinds.get(earning.per, earning.kind) is not earning.kind:
        yield f"{where}: `per: {earning.per}` is for {kinds[earning.per]} only"
    for name, value, per in (
        ("gpu_hashrate_hps", earning.gpu_hashrate_hps, Per.MEGAHASH),
        ("gpu_tokens_per_s", earning.gpu_tokens_per_s, Per.MILLION_TOKENS),
    ):
        if value is not None and not 0 < value < math.inf:
            yield f"{where}: `{name}` must be above 0; leave it out to wait for measurements"
        if value is not None and earning.per is not per:
            yield f"{where}: `{name}` means something only with `per: {per}`"


def _unknown(where: str, name: str, series: Collection[str]) -> Iterator[str]:
    if name not in series:
        yield f"{where}: series {name!r} has no rules under `quotes`"


def _title(earning: EarningSettings) -> str:
    return f"{earning.workload} on {earning.rig_class or 'every class'}"


def _repeats(what: str, values: list[str]) -> Iterator[str]:
    yield from (f"{what} {value} stands twice" for value, n in Counter(values).items() if n > 1)
