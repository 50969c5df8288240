"""The `replay` verb of the operator's command line; it needs no controller.

Nothing of replays is loaded until one runs.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `rigshift replay`."""
    parser = verbs.add_parser(
        "replay",
        help="what timing policies would have earned on recorded prices",
        description="Plays policies over recorded prices, tick by tick, so that none sees ahead, "
        "and compares each with perfect foresight. docs/replay.md describes the file.",
    )
    parser.add_argument("scenario", type=Path, metavar="SCENARIO.yaml")
    parser.add_argument(
        "--policy",
        action="append",
        metavar="NAME",
        help="play this one, and whatever else is named (all of them)",
    )
    parser.add_argument(
        "--cost",
        help="switching costs: fast, base, slow, or one of the file's own (base; of a farm: own)",
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON, for programs")
    parser.add_argument(
        "--decisions",
        type=Path,
        metavar="FILE",
        help="write every order as CSV there: of the only policy named, else of the default one",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR-OR-FILE.html",
        help="write a page with plots there, for people; needs the extra `report`",
    )
    parser.set_defaults(run=_run, local=True)


def _run(args: argparse.Namespace) -> int:
    played = importlib.import_module("controller.cli.replayed")
    return int(played.run(args))
