"""What each verb asks and how it ends."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from controller.answers import (
    Check,
    Explanation,
    GroupLine,
    OrderResult,
    Released,
    RigLine,
    Summary,
)
from controller.cli import tables, waiting
from controller.cli.client import FAILED, Client
from controller.cli.terminal import Terminal
from controller.core import duration
from controller.core.model import GroupKey, Plan, Quote
from controller.records import Event
from wire.model import OFF

OK = 0


def status(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """The fleet at a glance."""
    summary = client.get("status", Summary)
    terminal.show(summary, *tables.summary(summary))
    return OK


def rigs(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """Every rig and GPU group."""
    lines = client.get("rigs", tuple[RigLine, ...])
    terminal.show(lines, tables.rigs(lines))
    return OK


def explain(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Why groups do what they do."""
    explanations = client.get("explain", tuple[Explanation, ...], target=args.target)
    terminal.show(explanations, *(t for found in explanations for t in tables.explanation(found)))
    return OK


def quotes(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """Every price."""
    known = client.get("quotes", tuple[Quote, ...])
    terminal.show(known, tables.quotes(known))
    return OK


def plan(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """What the plan chose."""
    newest = client.get("plan", Plan)
    terminal.show(newest, tables.plan(newest))
    return OK


def events(args: Namespace, client: Client, terminal: Terminal) -> int:
    """The audit."""
    lines = client.get("events", tuple[Event, ...], limit=args.limit)
    terminal.show(lines, tables.events(lines))
    return OK


def doctor(_args: Namespace, client: Client, terminal: Terminal) -> int:
    """What is worth a look."""
    checks = client.get("doctor", tuple[Check, ...])
    terminal.show(checks, tables.checks(checks))
    return OK if all(check.ok for check in checks) else FAILED


def hold(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Keep groups at what they run now."""
    result = client.post("hold", OrderResult, **_order(args, dry_run=args.dry_run))
    terminal.show(result, *tables.order(result))
    return OK


def release(args: Namespace, client: Client, terminal: Terminal) -> int:
    """End holds."""
    released = client.post("release", Released, what=args.what)
    terminal.show(released, tables.holds(released.holds, "Released"))
    return OK


def switch(args: Namespace, client: Client, terminal: Terminal) -> int:
    """Move groups to a workload, and see them arrive."""
    order = {
        "workload": args.workload,
        "break_lock": args.break_lock,
        **_order(args, dry_run=True),
    }
    ask = terminal.interactive and not (args.yes or args.json)
    if args.dry_run or ask:
        foreseen = client.post("switch", OrderResult, **order)
        terminal.show(foreseen, *tables.order(foreseen))
        if args.dry_run:
            return OK
        if not terminal.agree(f"Switch {len(foreseen.keys)} GPU groups to {args.workload}?"):
            terminal.say("Nothing was changed.")
            return OK
    result = client.post("switch", OrderResult, **order | {"dry_run": False})
    terminal.show(result, *([] if ask else tables.order(result)))
    return OK if args.no_wait else _see_arrive(args, client, terminal, result)


def _order(args: Namespace, *, dry_run: bool) -> dict[str, Any]:
    return {
        "selector": args.selector,
        "reason": args.reason,
        "for_s": args.for_s,
        "dry_run": dry_run,
        "replace": args.replace,
    }


def _see_arrive(args: Namespace, client: Client, terminal: Terminal, result: OrderResult) -> int:
    wanted = None if args.workload == OFF else args.workload
    undo = f"undo it with `rigshift release {result.order}`"
    stands = f"the order stands for {duration.show(args.for_s)}; {undo}"

    def look() -> dict[GroupKey, GroupLine]:
        return {line.key: line for line in client.get("groups", tuple[GroupLine, ...])}

    watch = waiting.Watch(look, dict.fromkeys(result.keys, wanted), terminal)
    try:
        missing = watch.until_settled(args.timeout)
    except KeyboardInterrupt:
        terminal.complain("interrupted while waiting", stands)
        return FAILED
    if missing:
        terminal.complain(f"not there: {'; '.join(missing)}", stands)
        return FAILED
    count = len(result.keys)
    terminal.say(f"{count} of {count} GPU groups are there; {stands}.")
    return OK
