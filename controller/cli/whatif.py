"""`rigshift whatif`: who would move under other prices, caps or contracts, and what it is worth."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator
from typing import TypeAlias

from rich.table import Table
from rich.text import Text

from controller.answers import Supposed
from controller.cli import policy_tables
from controller.cli.client import Client
from controller.cli.tables import count
from controller.cli.terminal import Terminal

OK = 0

_EXAMPLES = """suppositions, any number of each:
  --price power.oslo=0.30      another price        --price 'mining.etc*=1.5'   one and a half of it
  --price power.oslo+=0.05     so much more         --cap oslo=40kW             another power cap
  --cap oslo=none              no power cap         --without acme              a contract less
"""

_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add_parser(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    """Add `whatif`."""
    parser = verbs.add_parser(
        "whatif",
        help="which groups would move under other prices, caps or contracts, and its worth",
        parents=[common],
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, name, metavar, text in (
        ("--price", "prices", "SERIES=PRICE", "suppose another price"),
        ("--cap", "caps", "SITE=POWER", "suppose another power cap of a site"),
        ("--without", "without", "CONTRACT", "suppose a contract away"),
    ):
        parser.add_argument(
            option, dest=name, metavar=metavar, action="append", default=[], help=text
        )
    parser.set_defaults(run=whatif)


def whatif(args: Namespace, client: Client, terminal: Terminal) -> int:
    """What would be; nothing is changed."""
    found = client.post(
        "whatif", Supposed, prices=args.prices, caps=args.caps, without=args.without
    )
    terminal.show(found, *_shown(found))
    return OK


def _shown(found: Supposed) -> Iterator[Text | Table]:
    yield Text(f"If {'; '.join(found.changes)}:")
    if found.moves:
        yield policy_tables.moves(found.moves)
    gain = found.then_usd_per_h - found.stay_usd_per_h
    yield Text(
        f"{count(len(found.moves), 'group')} would do something else. The fleet nets "
        f"{found.now_usd_per_h:.3f} $/h now, {found.stay_usd_per_h:.3f} then if all stayed, "
        f"{found.then_usd_per_h:.3f} with these moves: they are worth {gain:+.3f} $/h"
    )
    if found.lasting:
        yield Text(f"site {', '.join(found.lasting)}: the supposed price is taken to last")
    yield from policy_tables.owed(found.contracts, found.requirements)
    yield from (Text(f"! {text}", "yellow") for text in found.warnings)
    yield Text("Nothing was changed")
