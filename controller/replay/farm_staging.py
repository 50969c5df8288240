"""A farm's file, made ready to be played. It knows what its files say and nothing of policies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from controller.core.timing.duty import Contract
from controller.core.timing.site import Pool, owed_w
from controller.core.timing.terms import Moment, Terms, Watts
from controller.replay import course, farm
from controller.replay.course import Cast
from controller.replay.farm import ContractSettings, Farm, RigClass
from controller.replay.library import Library
from controller.replay.parts import Problem, refuse
from controller.replay.settings import COSTS
from controller.replay.stage import Lot, Place, Stage
from wire.configfile import ConfigError

OWN = "own"
"""Switching costs for which nobody chose others: those of the file."""


def load(path: Path, cost: str | None) -> Stage:
    """Read a farm and its series.

    Raises:
        ConfigError: Something cannot be used, or the cost is unknown.
    """
    told = farm.load(path)
    if cost is not None and cost not in (OWN, *COSTS):
        costs = ", ".join((OWN, *COSTS))
        raise ConfigError(f"{path}: switching cost {cost!r} is unknown; known: {costs}")
    library = Library.load(told.recordings)
    refuse(path, _series_problems(told, library))
    casts = {
        (site, name): _cast(told, site, name)
        for site, place in told.sites.items()
        for name in place.pools
    }
    at_s = course.ticks(library, list(casts.values()), told)
    lots = {
        key: _lot(told, key, cost, course.moments(library, cast, told.sites[key[0]], at_s, told))
        for key, cast in casts.items()
    }
    refuse(path, _promise_problems(told, lots))
    return Stage(
        name=path.stem,
        tick_s=told.tick_s,
        cost=cost or OWN,
        places=tuple(
            Place(
                lots=tuple(lots[site, name] for name in each.pools),
                cap_w=_cap_w(each),
                zone=each.time_zone,
                charges=each.demand_charges,
            )
            for site, each in told.sites.items()
            if each.pools
        ),
    )


def _cap_w(site: farm.Site) -> float:
    return math.inf if site.power_cap_w is None else site.power_cap_w


def _cast(told: Farm, site: str, name: str) -> Cast:
    place, rig_class = told.sites[site], told.classes[name]
    return Cast(
        power=place.power,
        mine=rig_class.mine,
        rental=rig_class.rental,
        demand=place.pools[name].demand,
        eco=rig_class.eco,
        day_ahead=place.day_ahead,
        gpus=rig_class.gpus_per_group,
    )


def _series_problems(told: Farm, library: Library) -> Iterator[Problem]:
    """Series that are named but not recorded, or in another unit."""
    for keys, series in _uses(told):
        unit = course.COLUMNS[keys[-1]][1]
        if series is not None and (fault := library.fault(series, unit)):
            yield keys, fault


def _uses(told: Farm) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Every key that names a series, and what it names."""
    for name, rig_class in told.classes.items():
        for part in ("mine", "eco", "rental"):
            yield ("classes", name, part), getattr(rig_class, part)
    for name, site in told.sites.items():
        for part in ("power", "day_ahead"):
            yield ("sites", name, part), getattr(site, part)
        for pool, each in site.pools.items():
            yield ("sites", name, "pools", pool, "demand"), each.demand


def _lot(told: Farm, key: tuple[str, str], cost: str | None, moments: tuple[Moment, ...]) -> Lot:
    rig_class, groups = told.classes[key[1]], told.sites[key[0]].pools[key[1]].groups
    terms = Terms(
        groups=groups,
        tick_s=told.tick_s,
        watts=_group_watts(rig_class),
        rental_fee_ratio=rig_class.rental_fee_ratio,
        switches=(
            rig_class.switching.switches(told.tick_s)
            if cost in (None, OWN)
            else COSTS[cost].switches()
        ),
    )
    contracts = tuple(
        _contract(each, rig_class, moments, told.tick_s)
        for each in told.contracts.values()
        if (each.site, each.rig_class) == key
    )
    pool = Pool(terms=terms, moments=moments, contracts=contracts)
    return Lot(site=key[0], name="/".join(key), gpus=groups * rig_class.gpus_per_group, pool=pool)


def _group_watts(rig_class: RigClass) -> Watts:
    each = {f.name: getattr(rig_class.gpu_watts, f.name) for f in fields(Watts)}
    return Watts(**{name: watts * rig_class.gpus_per_group for name, watts in each.items()})


def _contract(
    told: ContractSettings, rig_class: RigClass, moments: Sequence[Moment], tick_s: float
) -> Contract:
    """A tick belongs to a contract if any part of it does."""
    begins_s, gpus = moments[0].at_s, rig_class.gpus_per_group
    return Contract(
        groups=told.groups,
        first_tick=math.floor((told.start.timestamp() - begins_s) / tick_s),
        end_tick=math.ceil((told.end.timestamp() - begins_s) / tick_s),
        price_usd_per_h=told.price_usd_per_gpu_h * gpus,
        penalty_usd_per_h=told.penalty_usd_per_gpu_h * gpus,
    )


def _promise_problems(told: Farm, lots: Mapping[tuple[str, str], Lot]) -> Iterator[Problem]:
    """More promised than there is, or than a cap allows."""
    for name, site in told.sites.items():
        pools = [lots[name, each].pool for each in site.pools]
        for each, pool in zip(site.pools, pools, strict=True):
            most = int(pool.duties.owed.max())
            if most > pool.terms.groups:
                text = f"contracts owe up to {most} groups, more than the {pool.terms.groups}"
                yield ("sites", name, "pools", each, "groups"), text
        least_w = owed_w(pools) if pools else 0.0
        if least_w > _cap_w(site):
            text = f"contracts and standing still draw up to {least_w:.0f} W already"
            yield ("sites", name, "power_cap_w"), text
