"""What lies under `/api/v1/statement`: hands a question over and returns a month of the books."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from controller.api.routes import operator
from controller.core.books.statement import By, Statement
from controller.statements import EXTREMES_MAX, Statements


def _statements(request: Request) -> Statements:
    statements: Statements = request.app.state.statements
    return statements


Asked = Annotated[Statements, Depends(_statements)]


def router() -> APIRouter:
    """One path; it wants a token."""
    made = APIRouter(prefix="/api/v1", dependencies=[Depends(operator)])
    made.get("/statement")(statement)
    return made


def statement(
    asked: Asked,
    month: str | None = None,
    by: By = By.DESK,
    extremes: Annotated[int | None, Query(ge=1, le=EXTREMES_MAX)] = None,
) -> Statement:
    """What a month, such as `2026-11`, came to; the present one by default.

    Not a coroutine: it is answered in a thread of its own.
    """
    return asked.ask(month, by, extremes)
