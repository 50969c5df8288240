"""Makes a store of an older schema one of this. It never goes back."""

from __future__ import annotations

from sqlalchemy import Connection, text, update

from controller.store import tables


def upgraded(db: Connection, version: int) -> int:
    """The version that a store has after all upgrades that are known, within one transaction."""
    while version in tables.UPGRADES:
        for statement in tables.UPGRADES[version]:
            db.execute(text(statement))
        version += 1
        tables.METADATA.create_all(db)
        db.execute(update(tables.VERSION), {"version": version})
    return version
