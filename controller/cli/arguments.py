"""Verbs, options and their help."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from controller.cli import commands, curtail, demo, policy, replay, statement, whatif
from controller.core import duration
from controller.orders import HOLD_DEFAULT_S

URL_DEFAULT = "http://127.0.0.1:9700"

_SELECTORS = """selectors:
  rig-01           all GPU groups of a rig        rig-01/g0     one GPU group
  rig-0*           by pattern                     rig-01|rig-02 either
  site=oslo,class=rtx4090,state=mining            all of these together
  state!=failed    kind=inference  phase=probing  workload=etc  online=false
  site in (oslo,lagos)   any label of the inventory works as a key;  * means everything
"""


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the command line; usage errors leave with exit code 2."""
    args = _parser(environ).parse_args(argv)
    args.local = getattr(args, "local", False)
    return args


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rigshift",
        description="See and overrule what a fleet of GPU rigs does.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_SELECTORS + "\nexit codes: 0 fine, 1 failed or trouble found, 2 bad input",
    )
    version = importlib.metadata.version("rigshift")
    parser.add_argument("--version", action="version", version=f"rigshift {version}")
    common = _common(environ)
    parser.set_defaults(**vars(common.parse_args([])))
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _questions(verbs, common)
    _orders(verbs, common)
    policy.add_verbs(verbs, common)
    whatif.add_parser(verbs, common)
    statement.add_parser(verbs, common)
    curtail.add_verbs(verbs, common)
    demo.add_parser(verbs)
    replay.add_parser(verbs)
    return parser


def _common(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    group = common.add_argument_group("controller")
    group.add_argument(
        "--url",
        default=environ.get("RIGSHIFT_URL", URL_DEFAULT),
        help=f"its address (RIGSHIFT_URL, {URL_DEFAULT})",
    )
    group.add_argument(
        "--token-file",
        type=Path,
        default=_path(environ.get("RIGSHIFT_TOKEN_FILE")),
        help="file with your token (RIGSHIFT_TOKEN_FILE)",
    )
    group.add_argument(
        "--ca-file",
        type=Path,
        default=_path(environ.get("RIGSHIFT_CA_FILE")),
        help="PEM certificates to trust instead of the system's (RIGSHIFT_CA_FILE)",
    )
    group.add_argument("--json", action="store_true", help="answer in JSON, for programs")
    return common


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


# argparse has no public name for what `add_subparsers` returns.
_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def _questions(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    for name, run, text in (
        ("status", commands.status, "the fleet at a glance"),
        ("rigs", commands.rigs, "every rig and GPU group"),
        ("quotes", commands.quotes, "every price and how far it is trusted"),
        ("plan", commands.plan, "what the plan chose for every group"),
        ("doctor", commands.doctor, "what is worth a look; exit code 1 if anything is"),
    ):
        verbs.add_parser(name, help=text, parents=[common]).set_defaults(run=run)
    explain = verbs.add_parser("explain", help="why groups do what they do", parents=[common])
    explain.add_argument("target", metavar="RIG[/GROUP]", help="or any selector")
    explain.set_defaults(run=commands.explain)
    events = verbs.add_parser("events", help="who did what, when and why", parents=[common])
    events.add_argument("--limit", type=int, default=30, help="how many, newest first (30)")
    events.set_defaults(run=commands.events)


def _orders(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    switch = verbs.add_parser("switch", help="move groups to a workload", parents=[common])
    switch.add_argument("selector", metavar="SELECTOR")
    switch.add_argument("workload", metavar="WORKLOAD", help="a name that the rigs offer, or `off`")
    _order(switch)
    switch.add_argument(
        "--break-lock", action="store_true", help="leave even what is locked, such as a rental"
    )
    switch.add_argument("--yes", action="store_true", help="do not ask before switching")
    switch.add_argument("--no-wait", action="store_true", help="do not wait until they arrive")
    switch.add_argument(
        "--timeout", type=_duration, default=1_800.0, help="how long to wait for them (30m)"
    )
    switch.set_defaults(run=commands.switch)
    hold = verbs.add_parser("hold", help="keep groups at what they run now", parents=[common])
    hold.add_argument("selector", metavar="SELECTOR")
    _order(hold)
    hold.set_defaults(run=commands.hold)
    release = verbs.add_parser("release", help="end holds", parents=[common])
    release.add_argument("what", metavar="ID|SELECTOR")
    release.set_defaults(run=commands.release)


def _order(verb: argparse.ArgumentParser) -> None:
    default = duration.show(HOLD_DEFAULT_S)
    verb.add_argument("--reason", required=True, help="why; whoever finds it will ask")
    verb.add_argument(
        "--for",
        dest="for_s",
        metavar="TIME",
        type=_duration,
        default=HOLD_DEFAULT_S,
        help=f"how long it stands, such as 90s, 30m, 2h, 3d ({default})",
    )
    verb.add_argument("--dry-run", action="store_true", help="say what would happen, do nothing")
    verb.add_argument("--replace", action="store_true", help="replace others' holds too")


def _duration(text: str) -> float:
    try:
        return duration.parse(text)
    except duration.DurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
