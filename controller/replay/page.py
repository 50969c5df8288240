"""The page of a replay: one file that needs nothing else, for people. It computes no figure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from importlib import import_module, resources
from pathlib import Path
from string import Template
from types import ModuleType

from controller.core.timing.policies import DEFAULT
from controller.replay.report import EXACT, PolicyResult, Report
from controller.replay.run import Replay
from wire.configfile import ConfigError

SUFFIX = ".html"
EXTRA = "pip install 'rigshift[report]'"
PERCENT = 100.0
MINUS = "\N{MINUS SIGN}"
HEADS = (
    "Policy",
    "Profit",
    "Of perfect foresight",
    "Missed, ¢ / GPU-day",
    "Switches / group-day",
    "Worst week",
    "Demand charges",
    "Violations",
)
MEANINGS = {
    "Profit": "Revenue less electricity, demand charges, switches and penalties, in US dollars, "
    "over all ticks.",
    "Of perfect foresight": "Profit as a share of what hindsight would have made of the same "
    "groups at the same costs. It flatters where one option always wins: see what was missed.",
    "Missed": "What was left of that profit, in US cents for each GPU and day.",
    "Switches": "Switches begun, for each group and day. Each one wears a rig and may fail.",
    "Worst week": "Least share of perfect foresight in any seven days on end; empty: it was less, "
    "or peaks are paid for by the month.",
    "Demand charges": "What the highest draw of each month cost; of a month that was played in "
    "part, that part. Profit has paid it, evenly over the hours that count.",
    "Violations": "Ticks in which a contract was short of groups or a site drew more than its cap.",
}
FORESIGHT = {
    True: "Perfect foresight is exact: the best course of the same groups with every price known.",
    False: "Groups are in each other's way here, by a power cap, contracts or what a month's peak "
    "costs, so that perfect foresight is a bound from linear programming: nobody could have earned "
    "more, and perhaps nobody could have earned as much.",
}


def write(path: Path, replay: Replay) -> Path:
    """Write the page into a file, or into a folder under the scenario's name; where it is.

    Raises:
        ConfigError: It cannot be written, or what draws is not installed.
    """
    report = replay.report
    file = path if path.suffix == SUFFIX else path / f"{report.scenario}-{report.cost}{SUFFIX}"
    text = rendered(replay)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror or error}") from error
    return file


def rendered(replay: Replay) -> str:
    """The page. Raises `ConfigError` if what draws is not installed."""
    plots, report = _plots(), replay.report
    policy = DEFAULT if DEFAULT in replay.played else next(iter(replay.played))
    template = resources.files("controller.replay").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(
        scenario=escape(report.scenario),
        span=escape(_span(replay)),
        lead=_lead(report, policy),
        foresight=escape(FORESIGHT[report.clairvoyant == EXACT]),
        policy=escape(policy),
        results=_table(HEADS, map(_cells, report.policies), DEFAULT),
        pools=_pools(replay),
        profits=plots.profits(replay),
        regrets=plots.regrets(replay),
        workloads=plots.workloads(replay, policy),
        prices=plots.prices(replay),
        meanings="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in MEANINGS.items()),
    )


def _plots() -> ModuleType:
    """What draws; a controller needs none, so it is an extra, and slow to load."""
    try:
        return import_module("controller.replay.plots")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("matplotlib"):
            raise
        raise ConfigError(f"the page needs Matplotlib: {EXTRA}") from error


def _span(replay: Replay) -> str:
    report = replay.report
    return (
        f"{_instant(report.begins)} to {_instant(report.ends)} UTC in ticks of "
        f"{report.tick_s:g} s; {report.groups:,} groups, {report.gpus:,} GPUs; "
        f"switching costs: {report.cost}"
    )


def _instant(text: str) -> str:
    return text.replace("T", " ").removesuffix("Z").removesuffix(":00")


def _lead(report: Report, policy: str) -> str:
    result = next(each for each in report.policies if each.name == policy)
    most = f"the {_usd(report.clairvoyant_usd)} that "
    most += "perfect foresight makes" if report.clairvoyant == EXACT else "nobody could exceed"
    share = _percent(result.share_of_clairvoyant)
    return (
        f"<strong>{escape(policy)}</strong> would have earned "
        f"<strong>{_usd(result.profit_usd)}</strong>, {f'{share} of' if share else 'against'} "
        f"{most}, with {result.switches_per_group_day:.1f} switches for each group and day."
    )


def _cells(result: PolicyResult) -> Sequence[str]:
    return (
        result.name,
        _usd(result.profit_usd),
        _percent(result.share_of_clairvoyant),
        f"{result.regret_cents_per_gpu_day:,.1f}",
        f"{result.switches_per_group_day:.2f}",
        _percent(result.worst_week_share),
        _usd(result.demand_charge_usd),
        f"{result.violations:,}",
    )


def _pools(replay: Replay) -> str:
    heads = (
        "Pool",
        "Groups",
        "GPUs",
        "Groups under contract, at most",
        "Power cap of the site",
        "Demand charges of the site, per kW and month",
    )
    rows = [
        (
            lot.name,
            f"{lot.pool.terms.groups:,}",
            f"{lot.gpus:,}",
            f"{int(lot.pool.duties.owed.max()):,}",
            "none" if math.isinf(place.cap_w) else f"{place.cap_w:,.0f} W",
            ", ".join(f"{c.name}: ${c.usd_per_kw_month:g}" for c in place.charges) or "none",
        )
        for place in replay.stage.places
        for lot in place.lots
    ]
    return _table(heads, rows)


def _table(
    heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]], marked: str = ""
) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f"<tr{' class=default' if row[0] == marked else ''}>{_row(row, marked)}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Sequence[str], marked: str) -> str:
    first = f"{row[0]} (default)" if row[0] == marked else row[0]
    return "".join(f"<td>{escape(text)}</td>" for text in (first, *row[1:]))


def _usd(value: float) -> str:
    return f"{MINUS if value < 0 else ''}${abs(value):,.2f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * PERCENT:.1f} %".replace("-", MINUS)
