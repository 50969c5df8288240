"""The books in SQL: amounts add up where they stand, so what was written before need not be read.

`ON CONFLICT` is worded alike by SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Integer,
    String,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import dialect, insert

from controller.core.books.entries import (
    COLUMNS,
    SECONDS_PER_DAY,
    Account,
    DecisionRecord,
    Entry,
    Sums,
    day_of,
)
from controller.core.model import GroupKey
from controller.records import Pages
from controller.store import sqlite
from controller.store.connected import Connected
from controller.store.limits import first_day_kept
from controller.store.tables import ASSIGNMENTS, METADATA

_TEXT = ("site", "rig", "group", "workload", "desk", "item")
_KEY = tuple(
    Column(name, String if name in _TEXT else Integer, primary_key=True, autoincrement=False)
    for name in Account._fields
)

LEDGER = Table(
    "ledger",
    METADATA,
    *_KEY,
    *(Column(name, BigInteger, nullable=False) for name in COLUMNS),
    sqlite_with_rowid=False,
)
"""Millionths of dollars, hours and kilowatt-hours."""

DECISIONS = Table(
    "ledger_decisions",
    METADATA,
    Column("rig", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False, index=True),
    Column("origin", String),
    Column("workload", String),
    Column("reason", String, nullable=False),
    Column("promised_usd_per_h", Float),
    Column("switch_usd", Float, nullable=False),
    sqlite_with_rowid=False,
)

THROUGH = Table("ledger_through", METADATA, Column("through", Float, nullable=False))
"""One row, or none yet."""

_FRESH = insert(LEDGER)
_ADDING = str(
    _FRESH.on_conflict_do_update(
        index_elements=list(Account._fields),
        set_={name: LEDGER.c[name] + _FRESH.excluded[name] for name in COLUMNS},
    ).compile(dialect=dialect(paramstyle="qmark"))
)
"""Its parameters are the columns in their order; ten thousand rows a minute are worth a text."""

_ORDER = ("rig", "group", "generation")


class SqlLedger(Connected):
    """`controller.ports.Books` in a database."""

    def put_pages(self, pages: Pages) -> None:
        """See `controller.ports.Books`."""
        rows = [(*account, *sums) for account, sums in pages.entries]
        first = first_day_kept(pages.through)
        with self._writing() as db:
            if sqlite.crowded(db):
                oldest = db.execute(select(func.min(LEDGER.c.day))).scalar()
                first = max(first, 1 + (oldest or 0))
            if rows:
                db.exec_driver_sql(_ADDING, rows)
            if pages.records:
                known = [asdict(record) for record in pages.records]
                db.execute(insert(DECISIONS).on_conflict_do_nothing(), known)
            db.execute(delete(LEDGER).where(LEDGER.c.day < first))
            db.execute(delete(DECISIONS).where(DECISIONS.c.at < first * SECONDS_PER_DAY))
            if not db.execute(update(THROUGH).values(through=pages.through)).rowcount:
                db.execute(insert(THROUGH), {"through": pages.through})

    def booked_through(self) -> float | None:
        """See `controller.ports.Books`."""
        with self._reading() as db:
            through: float | None = db.execute(select(THROUGH.c.through)).scalar()
            return through

    def booked(self, first: int, last: int, by: Collection[str]) -> list[Entry]:
        """See `controller.ports.Books`."""
        empty = Account(0, "", "", "", "", "", 0, "")._asdict()
        parts: list[ColumnElement[Any]] = [
            LEDGER.c[name] if name in by else literal(empty[name]).label(name)
            for name in Account._fields
        ]
        kept = [LEDGER.c[name] for name in Account._fields if name in by]
        sums = [func.sum(LEDGER.c[name]) for name in COLUMNS]
        found = select(*parts, *sums).where(LEDGER.c.day.between(first, last)).group_by(*kept)
        width = len(Account._fields)
        with self._reading() as db:
            rows = db.execute(found.order_by(*kept)).all()
        return [Entry(Account(*row[:width]), tuple(row[width:])) for row in rows if any(row)]

    def decisions(self, first: int, last: int) -> list[DecisionRecord]:
        """See `controller.ports.Books`."""
        meant = select(*(LEDGER.c[name] for name in _ORDER)).distinct()
        meant = meant.where(LEDGER.c.day.between(first, last), LEDGER.c.generation > 0)
        of = meant.subquery()
        same = and_(*(of.c[name] == DECISIONS.c[name] for name in _ORDER))
        rows = select(DECISIONS).join(of, same).order_by(*(DECISIONS.c[name] for name in _ORDER))
        with self._reading() as db:
            return [DecisionRecord(**row) for row in db.execute(rows).mappings()]

    def decision_before(self, key: GroupKey, generation: int) -> tuple[DecisionRecord, Sums] | None:
        """See `controller.ports.Books`."""
        of_group = (DECISIONS.c.rig == key.rig) & (DECISIONS.c.group == key.group)
        before = select(DECISIONS).where(of_group & (DECISIONS.c.generation < generation))
        newest = before.order_by(DECISIONS.c.generation.desc()).limit(1)
        with self._reading() as db:
            row = db.execute(newest).mappings().first()
            if row is None:
                return None
            record = DecisionRecord(**row)
            same = and_(*(LEDGER.c[name] == getattr(record, name) for name in _ORDER))
            sums = select(*(func.coalesce(func.sum(LEDGER.c[name]), 0) for name in COLUMNS))
            since = LEDGER.c.day >= day_of(record.at)
            return record, tuple(db.execute(sums.where(same & since)).one())

    def standing_decisions(self) -> list[DecisionRecord]:
        """See `controller.ports.Books`."""
        same = and_(*(ASSIGNMENTS.c[name] == DECISIONS.c[name] for name in _ORDER))
        rows = select(DECISIONS).where(exists().where(same))
        ordered = rows.order_by(*(DECISIONS.c[name] for name in _ORDER))
        with self._reading() as db:
            return [DecisionRecord(**row) for row in db.execute(ordered).mappings()]
