"""A scenario file of either kind, made ready to be played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from controller.core.timing.site import Pool
from controller.core.timing.terms import Terms
from controller.replay import course, farm_staging, settings
from controller.replay.settings import Scenario
from controller.replay.stage import Lot, Place, Stage
from wire import configfile
from wire.configfile import ConfigError

FARM_KEYS = frozenset({"sites", "classes", "contracts"})
"""Whoever writes one of these means a farm."""
BASE = "base"
"""Switching costs of a window for which nobody chose any."""


def load(path: Path, cost: str | None) -> Stage:
    """Read a scenario file of either kind, and its series.

    Raises:
        ConfigError: Something cannot be used, or the cost is unknown.
    """
    if not path.exists():
        raise ConfigError(f"{path}: no such file; name a scenario")
    raw: dict[str, Any] = configfile.load(path, dict[str, Any])
    if FARM_KEYS & raw.keys():
        return farm_staging.load(path, cost)
    return _window(path, cost or BASE)


def _window(path: Path, cost: str) -> Stage:
    scenario = settings.load(path)
    if cost not in scenario.costs:
        names = ", ".join(scenario.costs)
        raise ConfigError(f"{path}: switching cost {cost!r} is unknown; known: {names}")
    terms = window_terms(scenario, scenario.costs[cost])
    pool = Pool(terms=terms, moments=course.load(scenario))
    lot = Lot(site=path.stem, name=path.stem, gpus=scenario.groups, pool=pool)
    return Stage(name=path.stem, tick_s=scenario.tick_s, cost=cost, places=(Place(lots=(lot,)),))


def window_terms(scenario: Scenario, costs: settings.SwitchCosts) -> Terms:
    """What the pool of a window may run and what it pays to move."""
    return Terms(
        groups=scenario.groups,
        tick_s=scenario.tick_s,
        watts=scenario.gpu_watts,
        rental_fee_ratio=scenario.rental_fee_ratio,
        switches=costs.switches(),
    )
