"""Replays policies over one scenario, and writes down what was ordered."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.core.timing import bound, hindsight
from controller.core.timing.hindsight import Best
from controller.core.timing.ledger import Played
from controller.core.timing.linear import SolverError
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.site import Site
from controller.core.timing.terms import OPTIONS
from controller.replay import contest, report, staging
from controller.replay.library import shown
from controller.replay.report import ImpossibleError, Report, Sums
from controller.replay.stage import Stage
from wire.configfile import ConfigError


@dataclass(frozen=True, slots=True)
class Replay:
    """One scenario played under one choice of costs."""

    report: Report
    stage: Stage
    best: tuple[Best, ...]
    """What perfect foresight or its bound makes, by pool."""
    played: dict[str, tuple[Played, ...]]
    """By policy, then by pool."""


def replay(
    path: Path, *, cost: str | None = None, policies: Sequence[str] = tuple(POLICIES)
) -> Replay:
    """Play the policies over the scenario, and the clairvoyant.

    Raises:
        ConfigError: The scenario or a series cannot be used, or a name is unknown.
        ImpossibleError: A policy earned more than perfect foresight, or that was not found.
    """
    for name in policies:
        if name not in POLICIES:
            raise ConfigError(f"policy {name!r} is unknown; known: {', '.join(POLICIES)}")
    stage = staging.load(path, cost)
    sites = tuple(place.played for place in stage.places)
    best = tuple(each for place in sites for each in _best(place))
    played = contest.play(sites, policies)
    sums = Sums.of(best)
    results = tuple(
        report.judge(name, Sums.of(done), sums, stage.span, default=name == DEFAULT)
        for name, done in played.items()
    )
    found = report.of(stage, sums, results, exact=not any(place.coupled for place in sites))
    return Replay(found, stage, best, played)


def _best(place: Site) -> Iterator[Best]:
    """What could have been earned at most, by pool."""
    if not place.coupled:
        yield from (hindsight.best(pool.moments, pool.terms) for pool in place.pools)
        return
    try:
        yield from bound.bound(place)
    except SolverError as error:
        raise ImpossibleError(f"no bound was found: {error}") from error


def write_decisions(path: Path, stage: Stage, played: Sequence[Played]) -> None:
    """One row for each group whenever its order changes, the first tick included.

    Several pools are told apart by a column more.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            single = len(played) == 1
            rows.writerow(("ts_utc", "group", "option") + (() if single else ("pool",)))
            for tick, lot, group, option in _orders(stage, played):
                at = shown(stage.moments[tick].at_s)
                rows.writerow((at, group, OPTIONS[option]) + (() if single else (lot,)))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error


def _orders(stage: Stage, played: Sequence[Played]) -> list[tuple[int, str, int, int]]:
    """Every change of an order by tick and pool."""
    told = [
        (order.tick, number, order.group, order.option)
        for number, done in enumerate(played)
        for order in done.orders
    ]
    names = [lot.name for lot in stage.lots]
    return [(tick, names[number], group, option) for tick, number, group, option in sorted(told)]
