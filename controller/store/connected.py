"""Connections to the SQL store's database: transactions, and its errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from controller.ports import StoreError
from controller.store import sqlite


class Connected:
    """One database under a name. Nothing but `StoreError` leaves it."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    def close(self) -> None:
        """Let go of the file. Calling it twice is harmless."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translating(), self._engine.connect() as db:
            yield db

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._translating(), self._engine.connect() as db:
            db.execution_options(**sqlite.WRITES)
            with db.begin():
                yield db

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite.Error) as error:
            raise StoreError(f"{self._name}: {sqlite.advice(error)}") from error
