"""`rigshift policy …`: the policy in force, and what another one would change."""

from __future__ import annotations

import argparse
from argparse import Namespace
from pathlib import Path
from typing import TypeAlias

from controller.answers import PolicyChecked, PolicyPreview, PolicyShown
from controller.cli import policy_tables as tables
from controller.cli.client import BAD_INPUT, Client, ClientError
from controller.cli.terminal import Terminal
from controller.records import StoredPolicy

OK = 0

NAME_CHARS_MAX = 200
"""Of a file's name, what errors call it by."""

_Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add_verbs(verbs: _Verbs, common: argparse.ArgumentParser) -> None:
    """Add `policy` and what it can do."""
    parser = verbs.add_parser("policy", help="the policy in force, and how to change it")
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    text = argparse.ArgumentParser(add_help=False)
    text.add_argument("file", metavar="FILE", type=Path)
    shown = acts.add_parser("show", parents=[common], help="what is in force, and how it stands")
    shown.add_argument("--text", action="store_true", help="the file that is in force, alone")
    shown.set_defaults(run=show)
    told = acts.add_parser("versions", parents=[common], help="what was in force, newest first")
    told.add_argument("--limit", type=int, default=20, help="how many (20)")
    told.set_defaults(run=versions)
    for name, run, about in (
        ("check", check, "whether a file can be put in force; every fault with its line"),
        ("diff", diff, "what differs from the policy in force, in words"),
        ("preview", preview, "which groups would move, and what it is worth; changes nothing"),
    ):
        acts.add_parser(name, parents=[common, text], help=about).set_defaults(run=run)
    order = acts.add_parser("activate", parents=[common, text], help="put a file in force")
    order.add_argument("--reason", required=True, help="why; whoever finds it will ask")
    order.add_argument("--yes", action="store_true", help="do not ask before")
    order.set_defaults(run=activate)


def show(args: Namespace, client: Client, terminal: Terminal) -> int:
    """What is in force, and how it stands."""
    shown = client.get("policy", PolicyShown)
    if args.text and not args.json:
        print(shown.version.text, end="")
    else:
        terminal.show(shown, *tables.shown(shown))
    return OK


def versions(args: Namespace, client: Client, terminal: Terminal) -> int:
    """What was in force."""
    found = client.get("policy/versions", tuple[StoredPolicy, ...], limit=args.limit)
    terminal.show(found, tables.versions(found))
    return OK


def check(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Whether a file can be put in force."""
    found = client.post("policy/check", PolicyChecked, **_given(args))
    terminal.show(found, *tables.checked(str(args.file), found))
    return OK


def diff(args: Namespace, client: Client, terminal: Terminal) -> int:
    """What differs from the policy in force."""
    found = client.post("policy/check", PolicyChecked, **_given(args))
    terminal.show(found, *tables.changes(found.changes))
    return OK


def preview(args: Namespace, client: Client, terminal: Terminal) -> int:
    """What a file would do to the fleet."""
    found = client.post("policy/preview", PolicyPreview, **_given(args))
    terminal.show(found, *tables.preview(found))
    return OK


def activate(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Put a file in force; at a terminal only after a look at what it does."""
    given = _given(args)
    if terminal.interactive and not (args.yes or args.json):
        foreseen = client.post("policy/preview", PolicyPreview, **given)
        terminal.show(foreseen, *tables.preview(foreseen))
        if not terminal.agree(f"Put {args.file} in force?"):
            terminal.say("Nothing was changed.")
            return OK
    stored = client.post("policy/activate", StoredPolicy, **given, reason=args.reason)
    terminal.show(stored, *tables.activated(stored))
    return OK


def _given(args: Namespace) -> dict[str, str]:
    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(
            f"{args.file}: cannot be read: {error}", "name the policy's file", BAD_INPUT
        ) from error
    return {"text": text, "name": str(args.file)[-NAME_CHARS_MAX:]}
