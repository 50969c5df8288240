"""The demo's live screen: fleet, prices, decisions with reasons, and the accounts."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from controller.answers import Explanation
from controller.core.books.accounts import SwitchTicks
from controller.demo import scenario
from controller.demo.observer import Observer
from controller.records import Event
from wire.model import OFF, Phase

COLOURS = {
    scenario.MINE: "yellow",
    scenario.ECO: "yellow",
    scenario.INFER: "cyan",
    OFF: "bright_black",
}

EVENTS_SHOWN = 6
REASONS_SHOWN = 5

SVG_COLUMNS = 132

SHARE_USD_MIN = 0.25
"""A share of less than this says nothing."""


def draw(watch: Observer, deaths: int, ticks: SwitchTicks, hint: str) -> RenderableType:
    """The whole screen."""
    return Group(
        _headline(watch, deaths),
        _prices(watch),
        _fleet(watch.explanations),
        Panel(_reasons(watch.explanations), title="why", title_align="left"),
        Panel(_events(watch.events), title="newest", title_align="left"),
        _money(watch, ticks),
        Text(hint, style="dim"),
    )


def _headline(watch: Observer, deaths: int) -> Text:
    now = dt.datetime.fromtimestamp(watch.price_time(), dt.UTC)
    text = Text("rigshift demo", style="bold")
    text.append(f"  {len(watch.stage.rigs)} agents, {len(watch.groups)} GPU groups; ", "none")
    text.append(
        "GPUs are simulated, workloads mine and infer nothing; prices are recorded", "magenta"
    )
    text.append(f"\nprice time {now:%a %d %b %Y %H:%M} UTC, one second is ")
    text.append(f"{watch.speed / 60:g} price minutes")
    if deaths:
        text.append(f"; {deaths} programs have died and came back", "red")
    if watch.away:
        text.append("; the controller is away, rigs go on by themselves", "bold red")
    return text


def _prices(watch: Observer) -> Table:
    quotes = watch.quotes()
    table = Table(box=None, padding=(0, 2), show_edge=False)
    for head in ("site", "power $/kWh", "inference demand", "rent $/GPU h", "mining $/GPU h"):
        table.add_column(head, justify="left" if head == "site" else "right")
    for site in scenario.SITES:
        power, demand = quotes[site.power].value or 0.0, quotes[site.demand].value or 0.0
        rent = (quotes[scenario.RENTAL].value or 0.0) * site.rig_class.rental_scale
        coin = (quotes[scenario.MINING].value or 0.0) * site.rig_class.mine_scale
        style = "green" if power < 0.05 else "red" if power > 0.15 else ""
        table.add_row(
            f"{site.name} ({site.rig_class.name})",
            Text(f"{power:.3f}", style=style),
            f"{demand:.1f} groups",
            f"{rent:.3f}",
            f"{coin:.3f}",
        )
    return table


def _fleet(explanations: Iterable[Explanation]) -> Table:
    table = Table(box=None, padding=(0, 2), show_edge=False)
    for site in scenario.SITES:
        table.add_column(site.name)
    columns: dict[str, list[Text]] = {site.name: [] for site in scenario.SITES}
    for found in explanations:
        line = found.line
        doing = line.active or OFF
        text = Text(f"{line.key!s:<10}")
        text.append(f" {doing:<8}", COLOURS.get(doing, ""))
        if line.phase is None or not line.online:
            text.append(" away", "red")
        elif not line.phase.stable:
            text.append(f" {line.phase} → {line.assigned or OFF}", "bold green")
        elif line.phase is Phase.FAILED:
            text.append(" FAILED", "bold red")
        elif line.net_usd_per_h is not None:
            text.append(f" {line.net_usd_per_h:+.3f} $/h")
        columns[line.site].append(text)
    for row in range(max((len(column) for column in columns.values()), default=0)):
        table.add_row(*(column[row] if row < len(column) else "" for column in columns.values()))
    return table


def _reasons(explanations: Iterable[Explanation]) -> Text:
    """One group of each kind of reason: equal groups have equal reasons."""
    seen: dict[tuple[str, str | None], Text] = {}
    for found in explanations:
        if found.decision is None:
            continue
        key = (found.line.site, found.decision.chosen)
        if key not in seen:
            seen[key] = Text(f"{found.line.key}  {found.decision.reason}", overflow="ellipsis")
    return Text("\n").join(list(seen.values())[:REASONS_SHOWN])


def _events(events: Iterable[Event]) -> Text:
    rows = [
        Text(f"{event.subject:<10} {event.verb:<12} {event.detail}", overflow="ellipsis")
        for event in list(events)[:EVENTS_SHOWN]
    ]
    for row in rows:
        row.truncate(200)
    return Text("\n").join(rows)


def _money(watch: Observer, ticks: SwitchTicks) -> Table:
    table = Table(box=None, padding=(0, 2), show_edge=False)
    for head in ("profit so far", "always mine", "always infer", "clairvoyant", "of clairvoyant"):
        table.add_column(head, justify="right")
    profit, best = watch.accounts.profit_usd, watch.clairvoyant_usd(ticks)
    share = f"{profit / best:.0%}" if best > SHARE_USD_MIN else "-"
    table.add_row(
        Text(f"${profit:.2f}", style="bold green"),
        f"${watch.always_usd(scenario.MINE, ticks):.2f}",
        f"${watch.always_usd(scenario.INFER, ticks):.2f}",
        f"${best:.2f}",
        share,
    )
    return table


def save(drawn: RenderableType, path: Path) -> None:
    """Write a screen as a picture, SVG."""
    console = Console(record=True, width=SVG_COLUMNS, file=io.StringIO(), highlight=False)
    console.print(drawn)
    console.save_svg(str(path), title="rigshift demo")


def clocks(watch: Observer, switch_s: float | None) -> str:
    """How the accounts treat the two clocks, for the screen and the summary."""
    took = "A switch" if switch_s is None else f"A switch of {switch_s:.1f} s"
    cost = "its price time" if switch_s is None else f"{switch_s * watch.speed / 60:.0f} price min"
    return (
        f"Prices pass {watch.speed:g} times faster than the rigs switch. {took} costs {cost} "
        "without income, for every plan on this screen alike."
    )
