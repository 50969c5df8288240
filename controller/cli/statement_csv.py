"""A statement as CSV (RFC 4180): the same columns whatever it is told apart by, units in names."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from controller.core.books.statement import Figures, Line, Statement

PARTS = ("day", "site", "rig", "group", "workload", "desk", "item", "generation")
STORY = ("origin", "target", "reason")
FIGURES = tuple(Figures.__dataclass_fields__)
COLUMNS = ("month", "by", *PARTS, "decided_at", *STORY, *FIGURES)

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for a formula: whoever names a rig must not run one."""


def text(statement: Statement) -> str:
    """One row for each line, and no row for the total: the rows add up to it, digit by digit."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in statement.lines:
        writer.writerow((statement.month, statement.by.value, *_cells(line)))
    return out.getvalue()


def _cells(line: Line) -> list[str]:
    at = line.decided_at
    decided_at = "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    return [
        *(_harmless(str(getattr(line, name) or "")) for name in PARTS),
        decided_at,
        *(_harmless(getattr(line, name)) for name in STORY),
        *(f"{getattr(line.figures, name):.6f}" for name in FIGURES),
    ]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
