"""The policy as tables for people: readable at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from controller.answers import Move, PolicyChecked, PolicyPreview, PolicyShown, RuleLine
from controller.cli.tables import count, plain, usd, when
from controller.core import reasons
from controller.core.obligation import Availability, Coverage, Fulfilment
from controller.records import StoredPolicy
from wire.model import OFF


def shown(found: PolicyShown) -> Iterator[Text | Table]:
    """`rigshift policy show`."""
    version = found.version
    yield Text(
        f"policy {version.number} ({version.digest[:12]}), since {when(version.at)} "
        f"by {version.actor}: {version.reason}"
    )
    spent = f"switches of the last 24 hours: ${found.spent_usd:.2f}"
    if found.budget_usd_per_day is not None:
        spent += f" of ${found.budget_usd_per_day:.2f}"
    yield Text(f"contracts pay {usd(found.contracted_usd_per_h)} $/h; {spent}")
    yield from owed(found.contracts, found.requirements)
    if found.rules:
        yield _rules(found.rules)
    yield from _warned(found.warnings)


def versions(found: Sequence[StoredPolicy]) -> Table:
    """`rigshift policy versions`."""
    table = plain("", "No>", "Digest", "Since", "By", "Why", "Changes")
    for one in found:
        first, *rest = one.changes.splitlines() or [""]
        more = f" and {len(rest)} more" if rest else ""
        row = (one.digest[:12], when(one.at), one.actor, one.reason, first + more)
        table.add_row(str(one.number), *row)
    return table


def checked(name: str, found: PolicyChecked) -> Iterator[Text]:
    """`rigshift policy check`."""
    numbers = (found.contracts, "contract"), (found.desks, "desk"), (found.rules, "rule")
    parts = ", ".join(count(*each) for each in numbers)
    differs = count(len(found.changes), "change") if found.changes else "no change"
    yield Text(f"{name}: good. {parts}; {differs} against the policy in force")


def changes(found: Sequence[str]) -> Iterator[Text]:
    """`rigshift policy diff`."""
    yield from (Text(line) for line in found)
    if not found:
        yield Text("it means the same as the policy in force")


def preview(found: PolicyPreview) -> Iterator[Text | Table]:
    """`rigshift policy preview`."""
    yield from changes(found.changes)
    if found.moves:
        yield moves(found.moves)
    gain = "unknown, for a price is missing"
    if found.usd_per_h is not None:
        gain = f"{found.usd_per_h:+.3f} $/h"
    yield Text(
        f"{count(len(found.moves), 'group')} would do something else; the fleet's net: {gain}"
    )
    yield from owed(found.contracts, found.requirements)
    yield from _warned(found.warnings)
    yield from (Text(f"settled: {text}") for text in found.settled)
    yield Text("Preview: nothing was changed")


def activated(found: StoredPolicy) -> Iterator[Text]:
    """`rigshift policy activate`."""
    yield from (Text(line) for line in found.changes.splitlines())
    yield Text(f"policy {found.number} ({found.digest[:12]}) is in force from the next plan on")


def moves(found: Sequence[Move]) -> Table:
    """Groups that would do something else."""
    table = plain("", "Group", "Now", "Then", "$/h now>", "$/h>", "Why")
    for move in found:
        before, after = move.without or OFF, move.planned or OFF
        nets = usd(move.without_usd_per_h), usd(move.planned_usd_per_h)
        table.add_row(str(move.key), before, after, *nets, move.reason)
    return table


def owed(
    contracts: Sequence[Coverage], requirements: Sequence[Fulfilment]
) -> Iterator[Text | Table]:
    """What contracts get, and how requirements are met."""
    if contracts:
        table = plain(
            "Contracts",
            "Name",
            "Owed>",
            "Bound>",
            "Serving>",
            "Lacking>",
            "Month>",
            "Left>",
            "State",
        )
        for one in contracts:
            figures = one.owed_gpus, one.bound_gpus, one.serving_gpus, one.lacking_gpus
            state = one.why or ("in force" if one.in_force else "being prepared")
            table.add_row(one.contract, *map(str, figures), *_month(one.availability), state)
        yield table
    if requirements:
        table = plain("Requirements", "Name", "Least>", "Most>", "Planned>", "Unit", "")
        for each in requirements:
            most = "" if each.most is None else f"{each.most:.4g}"
            mark = Text("ok", "green") if each.met else Text("NOT MET", "red")
            counted = f"{each.counted:.4g}"
            table.add_row(each.name, f"{each.least:.4g}", most, counted, each.unit, mark)
        yield table


def _month(one: Availability | None) -> tuple[str, str]:
    """What was served of the month so far, and how long the contract may still be down."""
    if one is None or one.ratio is None:
        return "", ""
    left = "none" if one.left_s <= 0 else reasons.span(one.left_s)
    return f"{one.ratio:.3%}", left


def _rules(rules: Sequence[RuleLine]) -> Table:
    table = plain("Rules", "Name", "In effect", "When", "Note")
    for rule in rules:
        table.add_row(rule.name, "yes" if rule.active else "no", rule.when, _rule_note(rule))
    return table


def _rule_note(rule: RuleLine) -> str:
    if rule.trouble:
        return f"cannot be told: {rule.trouble}"
    if rule.against_since is not None:
        return f"about to change: its condition has since {when(rule.against_since)}"
    return rule.reason


def _warned(warnings: Sequence[str]) -> Iterator[Text]:
    yield from (Text(f"! {text}", "yellow") for text in warnings)
