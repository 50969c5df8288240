"""`rigshift statement`: what a month came to, as a table, as CSV and as a page."""

from __future__ import annotations

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from rich.table import Table
from rich.text import Text

from controller.cli import statement_csv, statement_page
from controller.cli.client import BAD_INPUT, Client, ClientError
from controller.cli.tables import plain
from controller.cli.terminal import Terminal
from controller.core.books.statement import By, Figures, Line, Statement

OK = 0
STDOUT = "-"
SHOWN_EXTREMES = 20
"""Decisions at each end that a table shows; CSV and JSON have all."""

_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add_parser(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    """Add `statement`."""
    parser = verbs.add_parser(
        "statement", help="what a month came to: forecast against realised profit", parents=[common]
    )
    parser.add_argument("month", nargs="?", help="such as 2026-11 (the present one), by UTC")
    parser.add_argument(
        "--by",
        type=_by,
        default=By.DESK,
        metavar="|".join(By),
        help="what a line stands for (desk)",
    )
    parser.add_argument("--csv", metavar="FILE", help="write all lines there; `-`: standard output")
    parser.add_argument(
        "--page", metavar="FILE.html", type=Path, help="write a page to read, print"
    )
    parser.set_defaults(run=statement)


def statement(args: Namespace, client: Client, terminal: Terminal) -> int:
    """A month of the books."""
    whole = args.csv or args.json or args.by is not By.DECISION
    found = asked(client, args.month, args.by, 0 if whole else SHOWN_EXTREMES)
    if args.page:
        chapters = {
            by: asked(client, found.month, by, statement_page.EXTREMES) for by in statement_page.BY
        }
        _write(args.page, statement_page.rendered(chapters))
        terminal.say(f"page: {args.page}")
    if args.csv == STDOUT:
        sys.stdout.buffer.write(statement_csv.text(found).encode())
        sys.stdout.flush()
        return OK
    if args.csv:
        _write(Path(args.csv), statement_csv.text(found))
        terminal.say(f"{len(found.lines)} lines of CSV: {args.csv}")
    if args.json or not (args.csv or args.page):
        terminal.show(found, *_shown(found))
    return OK


def asked(client: Client, month: str | None, by: By, extremes: int) -> Statement:
    """A month, told apart like this. `extremes`: see `Statements.ask`; 0: all lines."""
    query: dict[str, str | int] = {"by": by.value}
    if month is not None:
        query["month"] = month
    if by is By.DECISION and extremes:
        query["extremes"] = extremes
    return client.get("statement", Statement, **query)


def _by(text: str) -> By:
    try:
        return By(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: choose one of {', '.join(By)}") from error


def _write(path: Path, text: str) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise ClientError(
            f"{path}: cannot be written: {error.strerror}",
            "name a file in a directory that exists and is yours",
            BAD_INPUT,
        ) from error


def _shown(found: Statement) -> Iterator[Text | Table]:
    yield _decisions(found) if found.by is By.DECISION else _lines(found)
    yield from (Text(note, "dim") for note in found.notes)


def _lines(found: Statement) -> Table:
    heads = ("Site", "Rig") if found.by is By.RIG else (found.by.value.capitalize(),)
    table = plain(
        _title(found), *heads, "Net $>", "Expected $>", "Income $>", "Energy $>", "Due $>",
        "Gain $>", "Hours>", "Missing h>",
    )  # fmt: skip
    for line in found.lines:
        table.add_row(*_names(line, found.by), *_cells(line.figures))
    table.add_row("total", *("" for _ in heads[1:]), *_cells(found.total), style="bold")
    return table


def _decisions(found: Statement) -> Table:
    table = plain(
        _title(found),
        "Group",
        "When (UTC)",
        "From",
        "To",
        "Expected $>",
        "Net $>",
        "Gain $>",
        "Why",
    )
    for line in found.lines:
        at = "" if line.decided_at is None else _instant(line.decided_at)
        name = f"{line.rig}/{line.group}" if line.generation else "(none)"
        figures = line.figures
        money = (figures.expected_usd, figures.net_estimate_usd, figures.gain_estimate_usd)
        cells = map(_usd, money)
        table.add_row(name, at, line.origin, line.target, *cells, line.reason)
    if found.left_out:
        text = "in between, or without a move; --csv and --json have all"
        table.add_row(f"{found.left_out:,} more", *("" for _ in range(6)), text, style="dim")
    total = found.total
    money = (total.expected_usd, total.net_estimate_usd, total.gain_estimate_usd)
    cells = map(_usd, money)
    table.add_row("total", "", "", "", *cells, "", style="bold")
    return table


def _title(found: Statement) -> str:
    return f"{found.month} by {found.by}, booked through {_instant(found.booked_through)} UTC"


def _instant(at: float) -> str:
    """By UTC, as the days of the books: elsewhere the table would seem to leave its month."""
    return datetime.fromtimestamp(at, UTC).strftime("%m-%d %H:%M")


def _usd(value: float) -> str:
    return f"{value:z,.2f}"


def _names(line: Line, by: By) -> tuple[str, ...]:
    """What tells a line from others, for people."""
    if by is By.RIG:
        return line.site or "(fleet)", line.rig or "(site)"
    return (str(getattr(line, by.value)) or "(none)",)


def _cells(figures: Figures) -> tuple[str, ...]:
    return (
        _usd(figures.net_estimate_usd),
        _usd(figures.expected_usd),
        _usd(figures.income_estimate_usd + figures.contract_usd),
        _usd(figures.energy_estimate_usd),
        _usd(figures.penalty_usd + figures.charge_usd),
        _usd(figures.gain_estimate_usd),
        f"{statement_page.known_h(figures):,.1f}",
        f"{statement_page.missing_h(figures):,.1f}",
    )
