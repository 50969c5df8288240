"""Runs `rigshift replay` and shows what came of it. It reads no series and decides nothing."""

from __future__ import annotations

import sys
from argparse import Namespace

from rich import box
from rich.table import Table

from controller.cli.terminal import Terminal
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.replay import page as pages
from controller.replay import run as replays
from controller.replay.report import BOUND, EXACT, ImpossibleError, PolicyResult, Report
from wire.configfile import ConfigError

OK = 0
FAILED = 1
BAD_INPUT = 2
PERCENT = 100.0

_EARNS = {EXACT: "earns", BOUND: "cannot earn more than (a bound)"}
_HEADS = (
    "of perfect foresight",
    "profit",
    "missed ¢/GPU-day",
    "switches/group-day",
    "worst week",
    "violations",
)
_CHARGE = "demand charge"
"""A column that only some farms need."""


def run(args: Namespace) -> int:
    """Replay, show the figures, and write the orders down if asked to."""
    terminal = Terminal(json=args.json)
    names = tuple(dict.fromkeys(args.policy or POLICIES))
    try:
        recorded = names[0] if len(names) == 1 else DEFAULT
        if args.decisions and recorded not in names:
            raise ConfigError(f"--decisions: play {DEFAULT} too, or one policy only")
        done = replays.replay(args.scenario, cost=args.cost, policies=names)
        if args.decisions:
            replays.write_decisions(args.decisions, done.stage, done.played[recorded])
        page = pages.write(args.report, done) if args.report else None
    except ConfigError as error:
        terminal.complain(str(error), "docs/replay.md describes the file, its columns and names")
        return BAD_INPUT
    except ImpossibleError as error:
        terminal.complain(str(error), "the accounts cannot be right; please report it")
        return FAILED
    terminal.show(done.report, _table(done.report))
    if page is not None:
        print(f"rigshift: wrote {page}", file=sys.stderr)
    return OK


def _table(report: Report) -> Table:
    title = (
        f"{report.scenario}, {report.begins} to {report.ends}, {report.groups} groups, "
        f"{report.cost} switches: perfect foresight {_EARNS[report.clairvoyant]} "
        f"${report.clairvoyant_usd:,.2f} with "
        f"{report.clairvoyant_switches_per_group_day:.1f} switches per group and day"
    )
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("policy")
    charged = any(result.demand_charge_usd for result in report.policies)
    for head in (*_HEADS, *([_CHARGE] if charged else [])):
        table.add_column(head, justify="right")
    for result in report.policies:
        paid = [f"${result.demand_charge_usd:,.2f}"] if charged else []
        name = result.name + (" (default)" if result.default else "")
        table.add_row(name, *_cells(result), *paid)
    return table


def _cells(result: PolicyResult) -> tuple[str, ...]:
    return (
        _percent(result.share_of_clairvoyant),
        f"${result.profit_usd:,.2f}",
        f"{result.regret_cents_per_gpu_day:.2f}",
        f"{result.switches_per_group_day:.2f}",
        _percent(result.worst_week_share),
        str(result.violations),
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * PERCENT:.2f} %"
