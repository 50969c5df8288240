"""The page of a statement: one file that needs nothing else, for a screen, a phone and paper.

It computes no figure but sums of hours; whatever it shows from elsewhere is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib import resources
from string import Template

from controller.core.books.statement import By, Figures, Line, Statement

EXTREMES = 10
"""Decisions that the page shows at each end."""

BY = (By.DESK, By.SITE, By.WORKLOAD, By.ITEM, By.DAY, By.DECISION)
MINUS = "\N{MINUS SIGN}"
WIDTH, HEIGHT, HEAD, FOOT, SIDE = 960.0, 240.0, 14.0, 26.0, 112.0
"""Of the plot, in its own units; at its side stand the amounts."""

CENTS_MAX_USD = 100.0
"""From here on the plot's amounts go without cents."""

CENT_USD = 0.01
"""What shows as less than this is neither gain nor loss."""

_MONEY = (
    "Net (est.)",
    "Expected",
    "Realised (est.)",
    "Income (est.)",
    "Contracts",
    "Energy (est.)",
    "Wear (est.)",
    "Penalties",
    "Charges",
)
HOURS = (
    ("earning", "earning_h", "a workload ran, proven, at a trusted price"),
    ("standing still", "still_h", "nothing ran and nothing was under way"),
    ("switching", "switching_h", "from an order until what was ordered ran"),
    ("down", "down_h", "what ran had ended by itself and was started again"),
    ("failed", "failed_h", "in quarantine, waiting for somebody"),
    ("without a price", "unpriced_h", "something ran that has no trusted price"),
    ("unknown", "unknown_h", "the rig was silent"),
    ("unaccounted", "unaccounted_h", "no controller kept books"),
)


def rendered(chapters: Mapping[By, Statement]) -> str:
    """The page, from the same month told apart in every way of `BY`."""
    days, decisions = chapters[By.DAY], chapters[By.DECISION]
    total, extremes = days.total, decisions.lines
    best = [line for line in reversed(extremes) if line.figures.gain_estimate_usd >= CENT_USD / 2][
        :EXTREMES
    ]
    worst = [line for line in extremes if line.figures.gain_estimate_usd <= -CENT_USD / 2][
        :EXTREMES
    ]
    template = resources.files("controller.cli").joinpath("statement.html").read_text("utf-8")
    return Template(template).substitute(
        month=escape(days.month),
        through=escape(_instant(days.booked_through)),
        net=_usd(total.net_estimate_usd),
        expected=_usd(total.expected_usd),
        operating=_usd(total.operating_estimate_usd),
        missing=f"{missing_h(total):,.1f}",
        loss=" loss" if total.net_estimate_usd < 0 else "",
        gap=" loss" if missing_h(total) > 0 else "",
        desks=_money(chapters[By.DESK]),
        sites=_money(chapters[By.SITE]),
        workloads=_money(chapters[By.WORKLOAD]),
        items=_items(chapters[By.ITEM]),
        plot=_plot(days.lines),
        best=_decisions(best, "No decision has gained anything yet."),
        worst=_decisions(worst, "No decision has lost anything."),
        hours=_hours(total),
        notes="".join(f"<li>{escape(note)}</li>" for note in days.notes),
    )


def known_h(figures: Figures) -> float:
    """Group-hours of which it is known what they earned, if only that it was nothing."""
    return (
        figures.earning_h + figures.still_h + figures.switching_h + figures.down_h
        + figures.failed_h
    )  # fmt: skip


def missing_h(figures: Figures) -> float:
    """Group-hours for which nothing, or no income, is booked."""
    return figures.unpriced_h + figures.unknown_h + figures.unaccounted_h


def _money(found: Statement) -> str:
    rows = [(_name(line, found.by), *_amounts(line.figures)) for line in found.lines]
    heads = (found.by.value.capitalize(), *_MONEY)
    return _table(heads, rows, ("Total", *_amounts(found.total)))


def _name(line: Line, by: By) -> str:
    return str(getattr(line, by.value)) or "(none)"


def _amounts(figures: Figures) -> tuple[str, ...]:
    return tuple(
        _usd(value)
        for value in (
            figures.net_estimate_usd,
            figures.expected_usd,
            figures.operating_estimate_usd,
            figures.income_estimate_usd,
            figures.contract_usd,
            -figures.energy_estimate_usd,
            -figures.wear_estimate_usd,
            -figures.penalty_usd,
            -figures.charge_usd,
        )
    )


def _items(found: Statement) -> str:
    lines = [line for line in found.lines if line.item]
    if not lines:
        return '<p class="soft">Nothing was under contract, and nothing was charged.</p>'
    heads = ("Contract or charge", "Paid", "Penalties", "Charges", "Owed, GPU-h", "Missing, GPU-h")
    rows = [
        (
            line.item,
            _usd(line.figures.contract_usd),
            _usd(-line.figures.penalty_usd),
            _usd(-line.figures.charge_usd),
            f"{line.figures.owed_gpu_h:,.1f}",
            f"{line.figures.short_gpu_h:,.1f}",
        )
        for line in lines
    ]
    return _table(heads, rows)


def _decisions(lines: Sequence[Line], nothing: str) -> str:
    if not lines:
        return f'<p class="soft">{escape(nothing)}</p>'
    return "".join(map(_decision, lines))


def _decision(line: Line) -> str:
    figures = line.figures
    gain, where = figures.gain_estimate_usd, escape(f"{line.rig}/{line.group}")
    return (
        f'<article><p class="gain{" loss" if gain < 0 else ""}">{_usd(gain)}</p>'
        f"<div><p><strong>{where}</strong> {escape(line.origin)} → {escape(line.target)}, "
        f"{escape(_instant(line.decided_at))}</p>"
        f'<p class="soft">{escape(line.reason)}</p>'
        f"<p>{_usd(figures.operating_estimate_usd)} realised, {_usd(figures.expected_usd)} "
        f"promised; {figures.switching_h * 60:,.0f} min switching</p></div></article>"
    )


def _hours(total: Figures) -> str:
    rows = [(name, f"{getattr(total, key):,.1f}", told) for name, key, told in HOURS]
    return _table(("Group-hours", "", "Meaning"), rows)


def _plot(lines: Sequence[Line]) -> str:
    """Expected beside realised, a pair of bars for each day."""
    pairs = [(ln.day, ln.figures.expected_usd, ln.figures.operating_estimate_usd) for ln in lines]
    values = [0.0, *(value for _, *both in pairs for value in both)]
    low, high = min(values), max(values)
    scale = (HEIGHT - HEAD - FOOT) / ((high - low) or 1.0)
    step = (WIDTH - SIDE) / max(1, len(pairs))
    width = min(18.0, 0.4 * step)
    zero = HEAD + high * scale
    digits = 0 if max(high, -low) >= CENTS_MAX_USD else 2
    parts = [
        f'<line x1="{SIDE:.0f}" x2="{WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}" class="{kind}"/>'
        f'<text x="{SIDE - 8:.0f}" y="{y + 5:.1f}" class="amount">{_usd(value, digits)}</text>'
        for value, kind in {high: "grid", low: "grid", 0.0: "axis"}.items()
        if value == 0.0 or abs(value) * scale > FOOT
        for y in (zero - value * scale,)
    ]
    for place, (day, expected, realized) in enumerate(pairs):
        middle = SIDE + (place + 0.5) * step
        told = f"{day}: {_usd(realized)} realised, {_usd(expected)} expected"
        bars = "".join(
            f'<rect class="{kind}" x="{x:.1f}" width="{width:.1f}" '
            f'y="{min(zero, zero - value * scale):.1f}" height="{abs(value) * scale:.1f}"/>'
            for kind, x, value in (
                ("expected", middle - width, expected), ("realized", middle, realized)
            )
        )  # fmt: skip
        parts.append(f"<g><title>{escape(told)}</title>{bars}</g>")
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 4:.0f}">{escape(day[-2:])}</text>')
    shape = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img"'
    return f'<svg {shape} aria-label="Expected and realised by day">{"".join(parts)}</svg>'


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], total: Sequence[str] | None = None
) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in rows)
    foot = "" if total is None else f"<tfoot><tr>{_row(total)}</tr></tfoot>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"


def _row(row: Sequence[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in row)


def _usd(value: float, digits: int = 2) -> str:
    shown = round(value, digits)
    return f"{MINUS if shown < 0 else ''}${abs(shown):,.{digits}f}"


def _instant(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
