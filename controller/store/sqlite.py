"""What is particular to SQLite: how it is opened, what its errors mean, what to do about them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

Error = sqlite3.Error
"""What the driver raises where SQLAlchemy does not wrap it: while a connection is set up."""

BUSY_TIMEOUT_S = 2.0
"""How long a backup may hold the file before a write fails; the controller waits meanwhile."""

FILE_BYTES_MAX = 8 * 1024**3
"""The store stops growing here rather than fill the disk."""

PAGE_BYTES = 4096

WRITES: Final[dict[str, Any]] = {"rigshift_writes": True}
"""Execution option of a connection whose transaction will write."""

_ADVICE = (
    (sqlite3.SQLITE_FULL, "no room left; free disk space, then try again"),
    (sqlite3.SQLITE_READONLY, "read-only; give the controller's user write access to it"),
    (
        sqlite3.SQLITE_CANTOPEN,
        "cannot be opened; make its directory and give the controller's user access to it",
    ),
    (
        sqlite3.SQLITE_BUSY,
        "locked by another process; stop the other controller or wait for the backup to end",
    ),
    (sqlite3.SQLITE_NOTADB, "not a database of SQLite; name another, or restore a backup"),
    (
        sqlite3.SQLITE_CORRUPT,
        "damaged; stop the controller, restore a backup, and look at the disk's health",
    ),
    (sqlite3.SQLITE_IOERR, "the disk failed to read or write; look at the system's log"),
)


def engine(path: Path, busy_timeout_s: float, bytes_max: int) -> Engine:
    """An engine with one connection, which opens at first use."""
    made = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"timeout": busy_timeout_s, "isolation_level": None},
    )

    @event.listens_for(made, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        """Durable at return, and no more than the file may hold."""
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"max_page_count = {bytes_max // PAGE_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        """Take the write lock at once: one that is taken late can only fail."""
        writes = connection.get_execution_options().get("rigshift_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return made


def crowded(db: Connection) -> bool:
    """Whether more than half of what the file may hold is in use."""
    used, free, most = (
        db.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        for name in ("page_count", "freelist_count", "max_page_count")
    )
    return bool(used - free > most / 2)


def table_names(db: Connection) -> set[str]:
    """Tables that the database has."""
    return set(inspect(db).get_table_names())


def advice(error: SQLAlchemyError | Error) -> str:
    """What went wrong and what to do about it."""
    cause = getattr(error, "orig", None) or error
    primary_code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return dict(_ADVICE).get(primary_code) or f"the database refused: {cause}"
