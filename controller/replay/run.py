"""Replays policies over one scenario, and writes down what was ordered."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from controller.core.timing import hindsight, ledger
from controller.core.timing.ledger import Played
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.terms import OPTIONS, Moment, Terms
from controller.replay import course, report, settings
from controller.replay.report import Report, Span
from wire.configfile import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Replay:
    """One scenario played under one choice of costs."""

    report: Report
    moments: tuple[Moment, ...]
    played: dict[str, Played]
    """By policy."""


def replay(path: Path, *, cost: str, policies: Sequence[str] = tuple(POLICIES)) -> Replay:
    """Play the policies over the scenario, and the clairvoyant.

    Raises:
        ConfigError: The scenario or a series cannot be used, or a name is unknown.
        ImpossibleError: A policy earned more than perfect foresight.
    """
    scenario = settings.load(path)
    terms = _terms(scenario, path, cost)
    makers = {name: _known(name, POLICIES, "policy") for name in policies}
    moments = course.load(scenario)
    best = hindsight.best(moments, terms)
    played = {name: ledger.play(moments, terms, make(terms)) for name, make in makers.items()}
    span = Span(scenario.groups, len(moments), scenario.tick_s)
    results = [
        report.judge(name, done, best, span, default=name == DEFAULT)
        for name, done in played.items()
    ]
    found = Report(
        scenario=path.stem,
        begins=instant(moments[0].at_s),
        ends=instant(moments[-1].at_s + scenario.tick_s),
        tick_s=scenario.tick_s,
        cost=cost,
        groups=scenario.groups,
        clairvoyant_usd=round(float(best.profit_usd.sum()), 6),
        clairvoyant_switches_per_group_day=round(best.switches / span.group_days, 4),
        policies=tuple(results),
    )
    return Replay(found, moments, played)


def write_decisions(path: Path, moments: Sequence[Moment], played: Played) -> None:
    """One row for each group whenever its order changes, the first tick included.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("ts_utc", "group", "option"))
            for order in played.orders:
                at = instant(moments[order.tick].at_s)
                rows.writerow((at, order.group, OPTIONS[order.option]))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error


def instant(at_s: float) -> str:
    """ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _terms(scenario: settings.Scenario, path: Path, cost: str) -> Terms:
    return Terms(
        groups=scenario.groups,
        tick_s=scenario.tick_s,
        watts=scenario.gpu_watts,
        rental_fee_ratio=scenario.rental_fee_ratio,
        switches=_known(cost, scenario.costs, f"{path}: switching cost").switches(),
    )


def _known(name: str, choices: Mapping[str, T], what: str) -> T:
    if name not in choices:
        raise ConfigError(f"{what} {name!r} is unknown; known: {', '.join(choices)}")
    return choices[name]
