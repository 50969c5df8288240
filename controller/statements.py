"""Answers what a month came to, from the books."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from controller.core.books import statement as reading
from controller.core.books.entries import day_of
from controller.core.books.statement import KEPT, By, Statement, StatementError
from controller.orders import BadRequestError, NothingFoundError
from controller.ports import Books

EXTREMES_MAX = 1_000


class Statements:
    """Reads the books by month. Raises `OperationError`, `StoreError`; nothing is changed.

    Every question opens the books for itself, so that it may be asked from any thread: a month of
    a large fleet takes seconds, and nobody's plan shall wait for it.
    """

    def __init__(
        self, books: Callable[[], AbstractContextManager[Books]], now: Callable[[], float]
    ) -> None:
        """`books`: opened for one question; `now`: epoch seconds that prices count by."""
        self._open = books
        self._now = now

    def ask(self, month: str | None, by: By, extremes: int | None = None) -> Statement:
        """A month, the present one unless another is named, told apart as asked.

        `extremes`: of decisions only so many that gained least, and most.
        """
        month = reading.month_of(self._now()) if month is None else month
        try:
            first, last = reading.days(month)
        except StatementError as error:
            raise BadRequestError(str(error), "write year and month, such as 2026-11") from error
        with self._open() as books:
            entries = books.booked(first, last, {*KEPT[by], "item"})
            through = books.booked_through()
            if not entries or through is None:
                raise NothingFoundError(f"the books hold nothing of {month}", self._known(books))
            records = books.decisions(first, last) if by is By.DECISION else []
        return reading.statement(month, by, entries, records, through, extremes=extremes)

    def _known(self, books: Books) -> str:
        days = [e.account.day for e in books.booked(0, day_of(self._now()) + 1, ("day",))]
        if not days:
            return "they are opened by the first plan and written once a minute; ask again later"
        first, last = reading.month_of(min(days) * 86_400.0), reading.month_of(max(days) * 86_400.0)
        return f"they hold {first} to {last}" if first != last else f"they hold {first} only"
