"""An integer program as plain lists: what a solver is given, and what it gives back.

It knows nothing of groups or money.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

Terms = tuple[tuple[int, float], ...]
"""Columns and their coefficients."""


@dataclass(frozen=True, slots=True)
class Row:
    """A linear bound."""

    least: float
    most: float
    terms: Terms


@dataclass(slots=True)
class Program:
    """Make the sum of costs greatest, columns between 0 and their upper bounds, rows kept."""

    costs: list[float] = field(default_factory=list)
    uppers: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    """Columns that take whole numbers only."""
    rows: list[Row] = field(default_factory=list)

    def column(self, cost: float, upper: float, *, whole: bool = True) -> int:
        """A new column; its number."""
        self.costs.append(cost)
        self.uppers.append(upper)
        self.whole.append(whole)
        return len(self.costs) - 1

    def bound(self, terms: Iterable[tuple[int, float]], *, least: float, most: float) -> None:
        """A new row; one that bounds nothing is left out."""
        kept = tuple(term for term in terms if term[1] != 0.0)
        if math.isfinite(least) or math.isfinite(most):
            self.rows.append(Row(least, most, kept))

    def worth(self, values: Iterable[float]) -> float:
        """The sum that is to be greatest."""
        return math.fsum(cost * x for cost, x in zip(self.costs, values, strict=True))


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a solver may try."""

    nodes_max: int = 500
    """Branches: the same on every machine."""
    time_max_s: float = 2.0
    """Only against a solver that hangs in one branch: then the plan depends on the machine."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solver found."""

    values: tuple[float, ...] | None
    """By column, whole numbers exactly; none: it found nothing that keeps all rows."""
    bound: float
    """Nothing is worth more."""
    infeasible: bool = False
    """Nothing can keep all rows."""


class SolverError(Exception):
    """The solver refused the program or broke; what it said."""
