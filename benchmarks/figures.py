"""What was measured, beside what was aimed at, as a table or as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    """None: nothing is aimed at."""
    more_is_better: bool = False

    @property
    def verdict(self) -> str:
        """Whether it meets its goal."""
        if self.goal is None:
            return ""
        good = self.value >= self.goal if self.more_is_better else self.value <= self.goal
        return "meets it" if good else "falls short"


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """p50 and p95."""
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[94]


def machine() -> str:
    """What these figures were measured on, in so far as it matters."""
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {python}, load {os.getloadavg()[0]:.1f}"


def as_json(command: str, figures: Sequence[Figure]) -> str:
    """For machines."""
    rows = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
    return json.dumps({"command": command, "machine": machine(), "figures": rows}, indent=1)


def as_table(command: str, figures: Sequence[Figure]) -> str:
    """For people; Markdown, so that it can be shown as it is."""
    lines = [
        f"`{command}` on {machine()}",
        "",
        "| Figure | Measured | Aim | |",
        "|---|--:|--:|---|",
    ]
    for figure in figures:
        sign = "≥" if figure.more_is_better else "≤"
        aim = "" if figure.goal is None else f"{sign} {_shown(figure.goal)} {figure.unit}"
        measured = f"{_shown(figure.value)} {figure.unit}"
        lines.append(f"| {figure.name} | {measured} | {aim} | {figure.verdict} |")
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
