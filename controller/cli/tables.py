"""Answers as tables for people: readable at 80 columns and without colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from controller.answers import Check, Explanation, GroupLine, Move, OrderResult, RigLine, Summary
from controller.core.model import Hold, Option, Plan, Quote
from controller.records import Event
from wire.model import OFF

_COLOURS = {"failed": "red", "offline": "red", "switching": "yellow", "unknown": "yellow"}


def summary(found: Summary) -> Iterator[Text | Table]:
    """`rigshift status`."""
    yield Text(
        f"{found.rigs_online} of {found.rigs} rigs online, {found.groups} GPU groups: "
        f"{_counts(found.by_state)}"
    )
    yield Text(f"running: {_counts(found.by_workload)}")
    watts = ", ".join(f"{site} {_kilowatts(power_w)}" for site, power_w in found.power_w.items())
    yield Text(f"expected: {usd(found.net_usd_per_h)} $/h{f'; power: {watts}' if watts else ''}")
    if found.moving:
        yield _moving(found.moving)
    if found.locked:
        yield _locked(found.locked)
    if found.holds:
        yield holds(found.holds, "Holds")
    if found.trouble:
        yield checks(found.trouble)


def _moving(lines: Sequence[GroupLine]) -> Table:
    table = plain("Under way", "Group", "Phase", "To", "Why")
    for line in lines:
        table.add_row(str(line.key), _state(line), line.assigned or OFF, line.reason)
    return table


def _locked(lines: Sequence[GroupLine]) -> Table:
    table = plain("Locked", "Group", "Runs", "$/h>", "Why")
    for line in lines:
        table.add_row(str(line.key), line.active or OFF, usd(line.net_usd_per_h), line.lock)
    return table


def rigs(lines: Sequence[RigLine]) -> Table:
    """`rigshift rigs`."""
    table = plain("", "Rig/group", "Site", "State", "Runs", "$/h>", "W>", "°C>", "Note")
    for rig in lines:
        table.add_row(
            rig.rig,
            rig.site,
            _coloured("revoked" if rig.revoked else "online" if rig.online else "offline"),
            "",
            "",
            _number(rig.power_w),
            _number(rig.temperature_max_c),
            rig.trouble or (f"{rig.gpus_failing} GPUs unreadable" if rig.gpus_failing else ""),
        )
        for line in rig.groups:
            net = usd(line.net_usd_per_h)
            runs = _road(_runs(line), line.assigned)
            table.add_row(f"  {line.key.group}", "", _state(line), runs, net, "", "", _note(line))
    return table


def explanation(found: Explanation) -> Iterator[Text | Table]:
    """`rigshift explain`."""
    line, decision = found.line, found.decision
    state = line.state if line.online else f"{line.state}, offline"
    yield Text(f"{line.key} ({state}) runs {_runs(line)}, assigned {line.assigned or OFF}")
    if line.hold:
        yield Text(
            f"  held by {line.hold.owner} until {when(line.hold.expires_at)}: {line.hold.reason}"
        )
    if line.lock:
        yield Text(f"  locked, so that no price moves it: {line.lock}")
    for refusal in line.rejected:
        yield Text(f"  {refusal.workload} was turned down: {refusal.reason}")
    if (ended := found.ended) is not None:
        yield Text(
            f"  before, {ended.workload or OFF} since {when(ended.at)}: expected "
            f"{ended.expected_usd:.2f} $, realised {ended.realized_estimate_usd:.2f} $ (estimate), "
            f"{ended.gain_estimate_usd:+.2f} $ against staying on {ended.origin or OFF}"
        )
    if decision is None:
        yield Text("  no plan has looked at it yet")
        return
    yield Text(f"  chosen: {decision.chosen or OFF}, because {decision.reason}")
    if decision.flip_usd_per_h is not None:
        yield Text(f"  moves when the best rival gains {usd(decision.flip_usd_per_h)} $/h")
    table = plain("", "Option", "$/h>", "Revenue>", "W>", "Blocked", "Why")
    for option in decision.options:
        table.add_row(*_option(option, option.workload == decision.chosen))
    yield table
    for option in decision.options:
        if option.basis:
            yield Text(f"  {option.workload or OFF}: {option.basis}")


def _option(option: Option, chosen: bool) -> tuple[str, ...]:
    return (
        f"{'*' if chosen else ' '} {option.workload or OFF}",
        usd(option.net_usd_per_h),
        usd(option.revenue_usd_per_h),
        _number(option.power_w),
        "" if option.blocked == "none" else option.blocked,
        option.why,
    )


def plan(found: Plan) -> Table:
    """`rigshift plan`."""
    caption = f"{when(found.at)}: {usd(found.net_usd_per_h)} $/h expected"
    table = plain("", "Group", "Runs", "$/h>", "Blocked", "Why")
    table.caption = "\n".join([caption, *found.warnings])
    for decision in found.decisions:
        nets = {option.workload: option.net_usd_per_h for option in decision.options}
        table.add_row(
            str(decision.key),
            _road(decision.current, decision.chosen),
            usd(nets.get(decision.chosen)),
            "" if decision.blocked == "none" else decision.blocked,
            decision.reason,
        )
    return table


def quotes(found: Sequence[Quote]) -> Table:
    """`rigshift quotes`."""
    table = plain("", "Series", "Value>", "State", "From", "Why")
    for quote in found:
        value = "" if quote.value is None else f"{quote.value:.4g}"
        since = "" if quote.value is None else when(quote.at)
        table.add_row(quote.series, value, str(quote.state), since, quote.reason)
    return table


def order(result: OrderResult) -> Iterator[Text | Table]:
    """What a switch or a hold does, or would do."""
    table = plain("", "Group", "Alone", "Ordered", "$/h alone>", "$/h>", "Note")
    for move in result.moves:
        table.add_row(
            str(move.key),
            move.without or OFF,
            move.planned or OFF,
            usd(move.without_usd_per_h),
            usd(move.planned_usd_per_h),
            _move_note(move, move.key in result.keys),
        )
    yield table
    until = f"until {when(result.expires_at)}"
    if result.usd_per_h is None or result.usd_total is None:
        yield Text("Gain against leaving it alone: unknown, for a price is missing")
    else:
        gain = f"{result.usd_per_h:+.3f} $/h; {result.usd_total:+.3f} $ {until}, switches included"
        yield Text(f"Gain against leaving it alone: {gain}")
    if result.dry_run:
        yield Text("Dry run: nothing was changed")
    else:
        yield Text(f"Order {result.order} stands {until}")


def _move_note(move: Move, ordered: bool) -> str:
    if not ordered:
        return "moved by the order on others"
    return "" if move.obeyed else f"not obeyed: {move.reason}"


def holds(found: Sequence[Hold], title: str) -> Table:
    """Holds, with who and why."""
    table = plain(title, "Hold", "Group", "Keeps", "Owner", "Until", "Reason")
    for hold in found:
        group, keeps = f"{hold.rig}/{hold.group}", hold.workload or OFF
        until = when(hold.expires_at)
        table.add_row(hold.hold_id, group, keeps, hold.owner, until, hold.reason)
    return table


def events(found: Sequence[Event]) -> Table:
    """The audit."""
    table = plain("", "When", "Who", "Did", "To", "Detail")
    for event in found:
        table.add_row(when(event.at), event.actor, event.verb, event.subject, event.detail)
    return table


def checks(found: Sequence[Check]) -> Table:
    """What was looked at."""
    table = plain("", "Check", "", "Found")
    for check in found:
        mark = Text("ok", "green") if check.ok else Text("TROUBLE", "red")
        table.add_row(check.name, mark, check.detail)
    return table


def plain(title: str, *columns: str) -> Table:
    """A plain table; a column whose name ends with `>` holds figures."""
    table = Table(
        title=title or None, title_justify="left", caption_justify="left", box=None, pad_edge=False
    )
    for column in columns:
        figures = column.endswith(">")
        table.add_column(
            column.removesuffix(">"),
            justify="right" if figures else "left",
            no_wrap=figures,
            overflow="fold",
        )
    return table


def _state(line: GroupLine) -> Text:
    return _coloured(line.phase.value if line.phase and line.state == "switching" else line.state)


def _coloured(word: str) -> Text:
    return Text(word, _COLOURS.get(word, ""))


def _note(line: GroupLine) -> str:
    if line.lock:
        return f"locked: {line.lock}"
    if line.hold:
        return f"held by {line.hold.owner}: {line.hold.reason}"
    if line.rejected:
        return f"{line.rejected[0].workload} turned down: {line.rejected[0].reason}"
    return line.reason


def _runs(line: GroupLine) -> str:
    """Unknown until its rig has reported; that is not standing still."""
    return "unknown" if line.phase is None else line.active or OFF


def _road(current: str | None, wanted: str | None) -> str:
    here, there = current or OFF, wanted or OFF
    return here if here == there else f"{here} → {there}"


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counted.items()) or "none"


def usd(value: float | None) -> str:
    """Money; `?` where nobody knows."""
    return "?" if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _kilowatts(power_w: float) -> str:
    return f"{power_w / 1000:.1f} kW"


def count(number: int, noun: str) -> str:
    """So many of something whose plural ends in s."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def when(at: float) -> str:
    """Local time, for the operator's own clock."""
    return datetime.fromtimestamp(at).astimezone().strftime("%m-%d %H:%M")
