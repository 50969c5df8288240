"""The store in SQL: SQLite, one file. A write that returned survives a power cut.

Statements are such that PostgreSQL can follow. No error of the database leaves this module as
anything but `StoreError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from sqlalchemy import (
    bindparam,
    delete,
    func,
    insert,
    select,
)

from controller.core.charges.account import PeakAccount
from controller.core.curtailment import GridOrder
from controller.core.model import Hold, RigRecord
from controller.ports import StoreError
from controller.records import (
    Event,
    Portrait,
    SeenHour,
    StoredAssignment,
    StoredOutcome,
    StoredPolicy,
)
from controller.store import sqlite, statements, tables, upgrades
from controller.store.ledger import SqlLedger
from controller.store.limits import (
    GRID_ORDERS_S,
    HOURS_KEPT,
    OUTCOMES_KEPT,
    POLICIES_KEPT,
    check_growth,
    check_next,
)


class SqlStore(SqlLedger):
    """`controller.ports.Store` in one SQLite file, used from one thread."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        busy_timeout_s: float = sqlite.BUSY_TIMEOUT_S,
        bytes_max: int = sqlite.FILE_BYTES_MAX,
    ) -> SqlStore:
        """Open the file, or make it. Raises `StoreError`."""
        store = cls(sqlite.engine(path, busy_timeout_s, bytes_max), str(path))
        try:
            store._prepare()
        except StoreError:
            store.close()
            raise
        return store

    def reader(self) -> SqlStore:
        """A connection of one's own to the same file, only to read, for another thread."""
        path = Path(self._name)
        return SqlStore(
            sqlite.engine(path, sqlite.BUSY_TIMEOUT_S, sqlite.FILE_BYTES_MAX), str(path)
        )

    def put_rig(self, record: RigRecord) -> None:
        """Add or replace a rig."""
        with self._writing() as db:
            db.execute(delete(tables.RIGS).where(tables.RIGS.c.rig == record.rig))
            db.execute(insert(tables.RIGS), asdict(record))

    def rigs(self) -> list[RigRecord]:
        """All rigs, by name."""
        with self._reading() as db:
            rows = db.execute(select(tables.RIGS).order_by(tables.RIGS.c.rig))
            return [tables.rig(row) for row in rows.mappings()]

    def put_portraits(self, portraits: Sequence[Portrait]) -> None:
        """See `controller.ports.Store`."""
        rows = [tables.portrait_row(portrait) for portrait in portraits]
        old = delete(tables.PORTRAITS).where(tables.PORTRAITS.c.rig == bindparam("of_rig"))
        with self._writing() as db:
            if rows:
                db.execute(old, [{"of_rig": row["rig"]} for row in rows])
                db.execute(insert(tables.PORTRAITS), rows)

    def portraits(self) -> list[Portrait]:
        """See `controller.ports.Store`."""
        with self._reading() as db:
            rows = db.execute(select(tables.PORTRAITS).order_by(tables.PORTRAITS.c.rig))
            found = [tables.portrait(row) for row in rows.mappings()]
        return [portrait for portrait in found if portrait is not None]

    def put_hours(self, hours: Sequence[SeenHour]) -> None:
        """See `controller.ports.Store`."""
        site, begun_at = tables.HOURS.c.site, tables.HOURS.c.begun_at
        rows = [asdict(hour) for hour in hours]
        same = (site == bindparam("of_site")) & (begun_at == bindparam("of_instant"))
        with self._writing() as db:
            for row in rows:
                spot = {"of_site": row["site"], "of_instant": row["begun_at"]}
                db.execute(delete(tables.HOURS).where(same), spot)
                db.execute(insert(tables.HOURS), row)
            for name in sorted({hour.site for hour in hours}):
                newest = select(begun_at).where(site == name).order_by(begun_at.desc())
                surplus = db.execute(newest.offset(HOURS_KEPT).limit(1)).scalar()
                if surplus is not None:
                    db.execute(delete(tables.HOURS).where((site == name) & (begun_at <= surplus)))

    def hours(self) -> list[SeenHour]:
        """See `controller.ports.Store`."""
        ordered = select(tables.HOURS).order_by(tables.HOURS.c.site, tables.HOURS.c.begun_at)
        with self._reading() as db:
            return [tables.hour(row) for row in db.execute(ordered).mappings()]

    def put_peaks(self, accounts: Sequence[PeakAccount]) -> None:
        """See `controller.ports.Store`."""
        column = tables.PEAKS.c
        with self._writing() as db:
            for one in accounts:
                same = (column.site == one.site) & (column.charge == one.charge)
                db.execute(delete(tables.PEAKS).where(same))
                db.execute(insert(tables.PEAKS), tables.account_row(one))

    def peaks(self) -> list[PeakAccount]:
        """See `controller.ports.Store`."""
        ordered = select(tables.PEAKS).order_by(tables.PEAKS.c.site, tables.PEAKS.c.charge)
        with self._reading() as db:
            found = [tables.account(row) for row in db.execute(ordered).mappings()]
        return [account for account in found if account is not None]

    def put_assignments(
        self, assignments: Sequence[StoredAssignment], events: Sequence[Event] = ()
    ) -> None:
        """See `controller.ports.Store`."""
        rows = [tables.assignment_row(stored) for stored in assignments]
        with self._writing() as db:
            rigs = sorted({stored.key.rig for stored in assignments})
            of_rigs = select(tables.ASSIGNMENTS).where(tables.ASSIGNMENTS.c.rig.in_(rigs))
            held = (tables.assignment(row) for row in db.execute(of_rigs).mappings())
            check_growth({stored.key: stored for stored in held}, assignments)
            statements.replace_groups(db, tables.ASSIGNMENTS, rows)
            statements.append(db, events)

    def assignments(self) -> list[StoredAssignment]:
        """The newest of every group, by key."""
        with self._reading() as db:
            rows = db.execute(select(tables.ASSIGNMENTS)).mappings()
            return sorted((tables.assignment(row) for row in rows), key=lambda stored: stored.key)

    def put_outcomes(
        self, outcomes: Sequence[StoredOutcome], events: Sequence[Event] = ()
    ) -> list[StoredOutcome]:
        """See `controller.ports.Store`."""
        news: list[StoredOutcome] = []
        lines: list[Event] = []
        with self._writing() as db:
            for stored, event in zip_longest(outcomes, events):
                row = tables.outcome_row(stored)
                if not statements.holds_outcome(db, row):
                    db.execute(insert(tables.OUTCOMES), row)
                    news.append(stored)
                    lines += [event] if event else []
            statements.prune(db, tables.OUTCOMES, "id", OUTCOMES_KEPT)
            statements.append(db, lines)
        return news

    def outcomes(self, *, limit: int) -> list[StoredOutcome]:
        """The newest, newest first."""
        newest = select(tables.OUTCOMES).order_by(tables.OUTCOMES.c.id.desc()).limit(limit)
        with self._reading() as db:
            return [tables.outcome(row) for row in db.execute(newest).mappings()]

    def put_hold(self, hold: Hold) -> None:
        """Add or replace a hold."""
        with self._writing() as db:
            db.execute(delete(tables.HOLDS).where(tables.HOLDS.c.hold_id == hold.hold_id))
            db.execute(insert(tables.HOLDS), asdict(hold))

    def remove_hold(self, hold_id: str) -> None:
        """Forget it; harmless when it is gone."""
        with self._writing() as db:
            db.execute(delete(tables.HOLDS).where(tables.HOLDS.c.hold_id == hold_id))

    def put_holds(self, holds: Sequence[Hold], event: Event) -> None:
        """Store an order and its line in the audit, all or none."""
        with self._writing() as db:
            statements.replace_groups(db, tables.HOLDS, [asdict(hold) for hold in holds])
            statements.append(db, [event])

    def remove_holds(self, hold_ids: Sequence[str], event: Event) -> None:
        """Forget them with a line in the audit, all or none."""
        gone = delete(tables.HOLDS).where(tables.HOLDS.c.hold_id == bindparam("gone"))
        with self._writing() as db:
            if hold_ids:
                db.execute(gone, [{"gone": hold_id} for hold_id in hold_ids])
            statements.append(db, [event])

    def holds(self) -> list[Hold]:
        """All, expired ones too, by id."""
        with self._reading() as db:
            rows = db.execute(select(tables.HOLDS).order_by(tables.HOLDS.c.hold_id))
            return [tables.hold(row) for row in rows.mappings()]

    def put_policy(self, policy: StoredPolicy, event: Event) -> None:
        """See `controller.ports.Store`."""
        with self._writing() as db:
            newest = db.execute(select(func.max(tables.POLICIES.c.number))).scalar()
            check_next(newest or 0, policy.number)
            db.execute(insert(tables.POLICIES), asdict(policy))
            statements.prune(db, tables.POLICIES, "number", POLICIES_KEPT)
            statements.append(db, [event])

    def policies(self, *, limit: int) -> list[StoredPolicy]:
        """The newest, newest first."""
        newest = select(tables.POLICIES).order_by(tables.POLICIES.c.number.desc()).limit(limit)
        with self._reading() as db:
            return [StoredPolicy(**row) for row in db.execute(newest).mappings()]

    def put_grid_order(self, order: GridOrder, event: Event) -> None:
        """See `controller.ports.Store`."""
        column = tables.GRID_ORDERS.c
        with self._writing() as db:
            db.execute(delete(tables.GRID_ORDERS).where(column.order_id == order.order_id))
            db.execute(delete(tables.GRID_ORDERS).where(column.ends_at < event.at - GRID_ORDERS_S))
            db.execute(insert(tables.GRID_ORDERS), asdict(order))
            statements.append(db, [event])

    def grid_orders(self) -> list[GridOrder]:
        """See `controller.ports.Store`."""
        column = tables.GRID_ORDERS.c
        rows = select(tables.GRID_ORDERS).order_by(column.starts_at, column.order_id)
        with self._reading() as db:
            return [GridOrder(**row) for row in db.execute(rows).mappings()]

    def add_event(self, event: Event) -> None:
        """Append to the audit."""
        self.add_events([event])

    def add_events(self, events: Sequence[Event]) -> None:
        """Append to the audit, in this order, all or none."""
        with self._writing() as db:
            statements.append(db, events)

    def events(self, *, limit: int) -> list[Event]:
        """The newest, newest first."""
        newest = select(tables.EVENTS).order_by(tables.EVENTS.c.event_id.desc()).limit(limit)
        with self._reading() as db:
            return [tables.event(row) for row in db.execute(newest).mappings()]

    def _prepare(self) -> None:
        """Make the tables that are missing; refuse a database that is not ours or is newer."""
        with self._writing() as db:
            names = sqlite.table_names(db)
            if not names:
                tables.METADATA.create_all(db)
                db.execute(insert(tables.VERSION), {"version": tables.SCHEMA})
            elif tables.VERSION.name not in names:
                raise StoreError(f"{self._name}: a database, but none of rigshift; name another")
            version = upgrades.upgraded(
                db, db.execute(select(tables.VERSION.c.version)).scalar_one()
            )
            if version != tables.SCHEMA:
                raise StoreError(
                    f"{self._name}: schema {version}, and this rigshift knows {tables.SCHEMA}; "
                    "run the rigshift that wrote it, or restore the backup from before it did"
                )
