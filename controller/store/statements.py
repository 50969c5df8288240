"""Statements that several writes of the SQL store share; none opens or ends a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select

from controller.records import Event
from controller.store import tables
from controller.store.limits import EVENTS_KEPT


def replace_groups(db: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Put these rows in place of all others of their groups."""
    if not rows:
        return
    other = (table.c.rig == bindparam("of_rig")) & (table.c.group == bindparam("of_group"))
    groups = [{"of_rig": row["rig"], "of_group": row["group"]} for row in rows]
    db.execute(delete(table).where(other), groups)
    db.execute(insert(table), list(rows))


def holds_outcome(db: Connection, row: dict[str, Any]) -> bool:
    """Whether an outcome is stored already."""
    column = tables.OUTCOMES.c
    same = (
        (column.rig == row["rig"])
        & (column.group == row["group"])
        & (column.generation == row["generation"])
    )
    return db.execute(select(column.id).where(same)).first() is not None


def append(db: Connection, events: Sequence[Event]) -> None:
    """Add lines to the audit and forget the oldest."""
    if not events:
        return
    db.execute(insert(tables.EVENTS), [tables.event_row(event) for event in events])
    prune(db, tables.EVENTS, "event_id", EVENTS_KEPT)


def prune(db: Connection, table: Table, key: str, kept: int) -> None:
    """Keep so many of the newest rows."""
    newest = db.execute(select(func.max(table.c[key]))).scalar()
    if newest is not None and newest > kept:
        db.execute(delete(table).where(table.c[key] <= newest - kept))
