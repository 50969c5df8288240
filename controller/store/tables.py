"""The tables of the SQL store and how values become rows. Nothing here speaks to a database.

Only types and statements that SQLite and PostgreSQL both know.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    RowMapping,
    String,
    Table,
    UniqueConstraint,
)

from controller.core.charges.account import PeakAccount
from controller.core.model import GroupKey, Hold, RigRecord
from controller.records import Event, Portrait, SeenHour, StoredAssignment, StoredOutcome
from wire.model import Assignment, Outcome, Phase, Result
from wire.packing import Packer

SCHEMA = 8
"""Version of everything below; it stands in the file."""

UPGRADES: dict[int, tuple[str, ...]] = {
    1: tuple(
        f"ALTER TABLE {table} ADD COLUMN breaks_lock BOOLEAN NOT NULL DEFAULT false"
        for table in ("assignments", "holds")
    ),
    2: (),
    3: (),
    4: (),
    5: (),
    6: (),
    7: (),
}
"""By version: what makes a store of it one of the next; tables that are missing make themselves.

2 lacked `PORTRAITS`, 3 lacked `HOURS`, 4 lacked `POLICIES`, 5 lacked `GRID_ORDERS`,
6 lacked the tables of `controller.store.ledger`, 7 lacked `PEAKS`.
"""

METADATA = MetaData()

VERSION = Table("rigshift_schema", METADATA, Column("version", Integer, primary_key=True))

RIGS = Table(
    "rigs",
    METADATA,
    Column("rig", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("rig_class", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("public_key", String, nullable=False),
    Column("revoked", Boolean, nullable=False),
)

PORTRAITS = Table(
    "portraits",
    METADATA,
    Column("rig", String, primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)
"""Packed as on the wire: a field that comes last, with a default, needs no new schema."""

HOURS = Table(
    "hours",
    METADATA,
    Column("site", String, primary_key=True),
    Column("begun_at", Float, primary_key=True),
    Column("power_usd_per_kwh", Float, nullable=False),
    Column("demand_groups", Float),
    Column("switches", Integer, nullable=False),
    Column("brake_ratio", Float, nullable=False),
)

PEAKS = Table(
    "peaks",
    METADATA,
    Column("site", String, primary_key=True),
    Column("charge", String, primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)
"""Packed like `PORTRAITS`."""

ASSIGNMENTS = Table(
    "assignments",
    METADATA,
    Column("rig", String, primary_key=True),
    Column("group", String, primary_key=True),
    Column("order_id", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("workload", String),
    Column("committed", Boolean, nullable=False),
    Column("reason", String, nullable=False),
    Column("breaks_lock", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("cause", String, nullable=False),
)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("rig", String, nullable=False),
    Column("group", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("order_id", String, nullable=False),
    Column("result", String, nullable=False),
    Column("origin", String),
    Column("workload", String),
    Column("phase_s", JSON, nullable=False),
    Column("reason", String, nullable=False),
    Column("received_at", Float, nullable=False),
    UniqueConstraint("rig", "group", "generation"),
)

HOLDS = Table(
    "holds",
    METADATA,
    Column("hold_id", String, primary_key=True),
    Column("rig", String, nullable=False),
    Column("group", String, nullable=False),
    Column("workload", String),
    Column("owner", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("breaks_lock", Boolean, nullable=False),
)

POLICIES = Table(
    "policies",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("digest", String, nullable=False),
    Column("text", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("changes", String, nullable=False),
)

GRID_ORDERS = Table(
    "grid_orders",
    METADATA,
    Column("order_id", String, primary_key=True),
    Column("site", String, nullable=False),
    Column("cap_w", Float, nullable=False),
    Column("starts_at", Float, nullable=False),
    Column("ends_at", Float, nullable=False),
    Column("owner", String, nullable=False),
    Column("reason", String, nullable=False),
)

EVENTS = Table(
    "events",
    METADATA,
    Column("event_id", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", String, nullable=False),
)


_PORTRAIT = Packer(Portrait)


def portrait_row(portrait: Portrait) -> dict[str, Any]:
    """Columns of `PORTRAITS`."""
    return {"rig": portrait.rig, "packed": _PORTRAIT.pack(portrait)}


def portrait(row: RowMapping) -> Portrait | None:
    """The value that a row of `PORTRAITS` stands for; none for one that cannot be read."""
    return _PORTRAIT.believed(row["packed"])


_ACCOUNT = Packer(PeakAccount)


def account_row(account: PeakAccount) -> dict[str, Any]:
    """Columns of `PEAKS`."""
    packed = _ACCOUNT.pack(account)
    return {"site": account.site, "charge": account.charge, "packed": packed}


def account(row: RowMapping) -> PeakAccount | None:
    """The value that a row of `PEAKS` stands for; none for one that cannot be read."""
    return _ACCOUNT.believed(row["packed"])


def hour(row: RowMapping) -> SeenHour:
    """The value that a row of `HOURS` stands for."""
    return SeenHour(**row)


def assignment_row(stored: StoredAssignment) -> dict[str, Any]:
    """Columns of `ASSIGNMENTS`."""
    return {
        "rig": stored.key.rig,
        **asdict(stored.assignment),
        "created_at": stored.created_at,
        "cause": stored.cause,
    }


def assignment(row: RowMapping) -> StoredAssignment:
    """The value that a row of `ASSIGNMENTS` stands for."""
    columns = dict(row)
    rig, created_at, cause = (columns.pop(name) for name in ("rig", "created_at", "cause"))
    return StoredAssignment(
        key=GroupKey(rig, columns["group"]),
        assignment=Assignment(**columns),
        created_at=created_at,
        cause=cause,
    )


def outcome_row(stored: StoredOutcome) -> dict[str, Any]:
    """Columns of `OUTCOMES`, its id left to the database."""
    phase_s = [[phase.value, seconds] for phase, seconds in stored.outcome.phase_s]
    return {
        "rig": stored.rig,
        **asdict(stored.outcome),
        "phase_s": phase_s,
        "result": stored.outcome.result.value,
        "received_at": stored.received_at,
    }


def outcome(row: RowMapping) -> StoredOutcome:
    """The value that a row of `OUTCOMES` stands for."""
    columns = dict(row)
    del columns["id"]
    rig, received_at = columns.pop("rig"), columns.pop("received_at")
    columns["result"] = Result(columns["result"])
    columns["phase_s"] = tuple((Phase(name), seconds) for name, seconds in columns["phase_s"])
    return StoredOutcome(rig=rig, outcome=Outcome(**columns), received_at=received_at)


def rig(row: RowMapping) -> RigRecord:
    """The value that a row of `RIGS` stands for."""
    return RigRecord(**row)


def hold(row: RowMapping) -> Hold:
    """The value that a row of `HOLDS` stands for."""
    return Hold(**row)


def event_row(event: Event) -> dict[str, Any]:
    """Columns of `EVENTS`, its id left to the database."""
    columns = asdict(event)
    del columns["event_id"]
    return columns


def event(row: RowMapping) -> Event:
    """The value that a row of `EVENTS` stands for."""
    return Event(**row)
