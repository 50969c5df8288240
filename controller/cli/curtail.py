"""`rigshift curtail …`: orders of the grid, to draw less for a while."""

from __future__ import annotations

import argparse
from argparse import Namespace
from datetime import datetime
from typing import TypeAlias

from rich.table import Table
from rich.text import Text

from controller.cli.client import Client
from controller.cli.tables import plain, when
from controller.cli.terminal import Terminal
from controller.core import duration, reasons, supposing
from controller.core.curtailment import GridOrder

OK = 0

_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add_verbs(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    """Add `curtail` and what it can do."""
    parser = verbs.add_parser("curtail", help="orders of the grid: a site draws less for a while")
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    order = acts.add_parser("order", parents=[common], help="limit a site")
    order.add_argument("cap", metavar="SITE=POWER", type=_cap, help="such as oslo=40kW or oslo=0W")
    order.add_argument("--reason", required=True, help="who asks for it, and why")
    order.add_argument(
        "--for", dest="for_s", metavar="TIME", type=_duration, required=True, help="such as 90m"
    )
    order.add_argument(
        "--at", type=_instant, help="when it begins, such as 2026-11-22T17:00+01:00 (now)"
    )
    order.set_defaults(run=enter)
    known = acts.add_parser("list", parents=[common], help="what stands, and what is to come")
    known.set_defaults(run=show)
    over = acts.add_parser("end", parents=[common], help="let a site draw again before the end")
    over.add_argument("order_id", metavar="ID")
    over.set_defaults(run=end)


def enter(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Limit a site."""
    given = {"site": args.cap.site, "cap_w": args.cap.cap_w, "starts_at": args.at}
    entered = client.post("curtailments", GridOrder, **given, for_s=args.for_s, reason=args.reason)
    terminal.show(entered, _table([entered]), Text("`rigshift plan` shows who stops for it"))
    return OK


def show(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """What has not ended."""
    known = client.get("curtailments", tuple[GridOrder, ...])
    terminal.show(known, _table(known) if known else Text("no order of the grid stands"))
    return OK


def end(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Let a site draw again."""
    ended = client.post("curtailments/end", GridOrder, order_id=args.order_id)
    terminal.show(ended, Text(f"{ended.order_id} has ended; site {ended.site} may draw again"))
    return OK


def _table(orders: tuple[GridOrder, ...] | list[GridOrder]) -> Table:
    table = plain("", "Id", "Site", "May draw>", "From", "Until", "By", "Why")
    for one in orders:
        span = when(one.starts_at), when(one.ends_at)
        draw = reasons.kilowatts(one.cap_w)
        table.add_row(one.order_id, one.site, draw, *span, one.owner, one.reason)
    return table


def _cap(text: str) -> supposing.Cap:
    try:
        cap = supposing.cap(text)
    except supposing.SuppositionError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write oslo=40kW, oslo=0W") from error
    if cap.cap_w is None:
        raise argparse.ArgumentTypeError("an order limits; end one with `rigshift curtail end`")
    return cap


def _duration(text: str) -> float:
    try:
        return duration.parse(text)
    except duration.DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _instant(text: str) -> float:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write date, time and zone, such as 2026-11-22T17:00+01:00"
        )
    return instant.timestamp()
