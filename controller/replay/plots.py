"""Draws a replay with Matplotlib, as SVG that takes its ink from the page. Only this imports it.

Lines are thinned to what a screen can show; no figure is computed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from io import StringIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from controller.core.timing.ledger import Played
from controller.core.timing.policies import DEFAULT
from controller.core.timing.terms import WATTS_PER_KW
from controller.replay.run import Replay
from controller.replay.stage import SECONDS_PER_DAY, Lot

POINTS_MAX = 700
"""Of a line; a screen shows no more."""
TALL = 5.0
"""What the plot of regret shows, as a multiple of the default's."""
WIDTH_IN = 11.0
PANEL_IN = 2.1
"""Height of one panel."""

INK, FAINT = "#010203", "#040506"
"""Stand for colours of the page."""
PAGE_COLOURS = {INK: "var(--ink)", FAINT: "var(--faint)"}
COLOURS = ("#2f7fd6", "#e07b00", "#1a9e77", "#c44fa8", "#a07a1e", "#7b68c8", "#8a8f98")
"""Of policies in their order; told apart by the colour-blind too, on light and dark."""
WORKLOADS = {
    "mine": "#e0a100",
    "eco": "#a9b83c",
    "infer": "#2f7fd6",
    "off": "#9aa1ab",
    "in a switch": "#d1495b",
}
"""In the order of a ledger's columns."""
SPENT, OWED = "#d1495b", "#c44fa8"

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10.0,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": FAINT,
        "grid.linewidth": 0.5,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        "lines.linewidth": 1.4,
    }
)

Draw = Callable[..., None]
"""Draws a series, by tick, into a panel."""

_ID = re.compile(r' id="([^"]+)"')


def prices(replay: Replay) -> str:
    """What power cost, by site, and what groups could earn, by pool."""
    sites = [place.lots for place in replay.stage.places]
    figure, panels = _panels(sum(1 + 3 * len(lots) for lots in sites))
    left = iter(panels)
    ends, draw = _over(sites[0][0], replay.stage.tick_s)
    for lots in sites:
        power = next(left)
        draw(power, [m.prices.power_usd_per_kwh for m in lots[0].pool.moments], "power", SPENT)
        _name(power, f"{lots[0].site}: price of electricity", "$ / kWh")
        for lot in lots:
            _earnings(lot, draw, (next(left), next(left), next(left)))
    _end(panels, ends)
    return _svg(figure, "prices")


def _earnings(lot: Lot, draw: Draw, panels: tuple[Axes, Axes, Axes]) -> None:
    """What one pool could earn: by inference, by mining, and how much work there was."""
    rented, mined, demand = panels
    terms, told = lot.pool.terms, [moment.prices for moment in lot.pool.moments]
    gpus, watts = lot.gpus / terms.groups, terms.watts

    def net(earned: Sequence[float], drawn_w: float) -> list[float]:
        kw = drawn_w / WATTS_PER_KW
        pairs = zip(earned, told, strict=True)
        return [(usd - kw * p.power_usd_per_kwh) / gpus for usd, p in pairs]

    rent = [p.rental_usd_per_h * (1 - terms.rental_fee_ratio) for p in told]
    draw(rented, net(rent, watts.infer_busy), "inference, busy", WORKLOADS["infer"])
    _name(rented, f"{lot.name}: what a busy GPU nets, fee and electricity paid", "$ / GPU-hour")
    draw(mined, net([p.mine_usd_per_h for p in told], watts.mine), "mine", WORKLOADS["mine"])
    if any(p.eco_usd_per_h for p in told):
        draw(mined, net([p.eco_usd_per_h for p in told], watts.eco), "eco", WORKLOADS["eco"])
    draw(mined, net([0.0] * len(told), watts.off), "off", WORKLOADS["off"])
    _name(mined, f"{lot.name}: what mining nets, electricity paid", "$ / GPU-hour")
    draw(demand, [p.demand_groups for p in told], "market", WORKLOADS["infer"])
    if lot.pool.contracts:
        draw(demand, lot.pool.duties.owed.tolist(), "contracts", OWED)
    _name(demand, f"{lot.name}: groups that inference keeps busy", "groups")


def workloads(replay: Replay, policy: str) -> str:
    """How many groups one policy had run what: a panel for each pool."""
    figure, panels = _panels(len(replay.stage.lots))
    ends, _ = _over(replay.stage.lots[0], replay.stage.tick_s)
    for axes, lot, done in zip(panels, replay.stage.lots, replay.played[policy], strict=True):
        _stack(axes, lot, done, ends[1])
    _end(panels, ends)
    return _svg(figure, "workloads")


def profits(replay: Replay) -> str:
    """Profit since the beginning, of every policy and of perfect foresight."""
    figure, (axes,) = _panels(1, tall=1.8)
    at, draw = _over(replay.stage.lots[0], replay.stage.tick_s)
    best = sum(each.profit_usd for each in replay.best)
    draw(axes, _last(best), _foresight(replay), INK, "--")
    for name, colour in _coloured(replay):
        profit = sum(each.profit_usd for each in replay.played[name])
        draw(axes, _last(profit), _shown(name), colour, "-", 2.4 if name == DEFAULT else 1.2)
    _name(axes, "Profit since the beginning", "$")
    _end([axes], at)
    return _svg(figure, "profits")


def regrets(replay: Replay) -> str:
    """What every policy has missed of perfect foresight since the beginning."""
    figure, (axes,) = _panels(1, tall=1.8)
    at, draw = _over(replay.stage.lots[0], replay.stage.tick_s)
    best, gpus = sum(each.profit_usd for each in replay.best), replay.stage.span.gpus
    for name, colour in _coloured(replay):
        profit = sum(each.profit_usd for each in replay.played[name])
        missed = _last((best - profit) / gpus)
        draw(axes, missed, _shown(name), colour, "-", 2.4 if name == DEFAULT else 1.2)
        if name == DEFAULT and missed[-1] > 0:
            # Who misses nearly everything would press all others onto the axis.
            axes.set_ylim(0, min(axes.dataLim.ymax, TALL * missed[-1]))
    _name(axes, "Missed of perfect foresight since the beginning", "$ / GPU")
    _end([axes], at)
    return _svg(figure, "regrets")


def _over(lot: Lot, tick_s: float) -> tuple[list[float], Draw]:
    """The ends of the axis of time in days since 1970, and how to draw a series over it."""
    moments = lot.pool.moments
    step = max(1, -(-len(moments) // POINTS_MAX))
    at = [moment.at_s / SECONDS_PER_DAY for moment in moments[::step]]
    end = (moments[-1].at_s + tick_s) / SECONDS_PER_DAY

    def draw(
        axes: Axes, values: Sequence[float], label: str, colour: str, style: str = "-",
        width: float = 1.4,
    ) -> None:  # fmt: skip
        means = [_mean(values[begin : begin + step]) for begin in range(0, len(values), step)]
        held = "steps-post" if width == 1.4 and style == "-" else "default"
        axes.plot(
            [*at, end], [*means, means[-1]], style, color=colour, label=label, linewidth=width,
            drawstyle=held,
        )  # fmt: skip

    return [at[0], end], draw


def _stack(axes: Axes, lot: Lot, done: Played, end: float) -> None:
    """Areas that add up to all groups of a pool."""
    step = max(1, -(-len(done.running) // POINTS_MAX))
    begins = range(0, len(done.running), step)
    moments = lot.pool.moments
    at = [moments[begin].at_s / SECONDS_PER_DAY for begin in begins]
    means = [done.running[begin : begin + step].mean(axis=0) for begin in begins]
    columns = [list(column) for column in zip(*[*means, means[-1]], strict=True)]
    order = (2, 4, 0, 1, 3)
    names = list(WORKLOADS)
    axes.stackplot(
        [*at, end], [columns[each] for each in order], labels=[names[each] for each in order],
        colors=[WORKLOADS[names[each]] for each in order], step="post", linewidth=0,
    )  # fmt: skip
    axes.set_ylim(0, lot.pool.terms.groups)
    _name(axes, f"{lot.name}: what its {lot.pool.terms.groups} groups ran", "groups")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _panels(count: int, tall: float = 1.0) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH_IN, PANEL_IN * tall * count), layout="constrained")
    figure.patch.set_alpha(0.0)
    panels = [figure.add_subplot(count, 1, number + 1) for number in range(count)]
    for axes in panels:
        axes.patch.set_alpha(0.0)
        axes.set_axisbelow(True)
    return figure, panels


def _name(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _end(panels: Sequence[Axes], ends: Sequence[float]) -> None:
    """The axis of time, alike for all and written under the last."""
    for axes in panels:
        locator = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        dates = ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(dates)
        axes.set_xlim(ends[0], ends[1])
        axes.tick_params(labelbottom=axes is panels[-1])
    panels[-1].set_xlabel("UTC")


def _coloured(replay: Replay) -> Iterator[tuple[str, str]]:
    """Policies with their colours, the default last so that it lies on top."""
    pairs = list(zip(replay.played, _cycle(len(replay.played)), strict=True))
    yield from sorted(pairs, key=lambda pair: pair[0] == DEFAULT)


def _cycle(count: int) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(count)]


def _shown(name: str) -> str:
    return f"{name} (default)" if name == DEFAULT else name


def _foresight(replay: Replay) -> str:
    return "perfect foresight" if replay.report.clairvoyant == "exact" else "bound on foresight"


def _last(usd: Any) -> list[float]:
    """Sums since the beginning."""
    sums: list[float] = usd.cumsum().tolist()
    return sums


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _svg(figure: Figure, name: str) -> str:
    """The drawing alone, without what a document of its own would need."""
    out = StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, colour in PAGE_COLOURS.items():
        text = text.replace(stand_in, colour)
    return _ID.sub(lambda found: found[0] if f"#{found[1]}" in text else "", text)
