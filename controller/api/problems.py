"""Errors as JSON: `{"error": what is wrong, "hint": what to do}`, one status for each cause."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from controller.orders import (
    BadRequestError,
    ConflictError,
    NothingFoundError,
    NotYetError,
    OperationError,
)
from controller.ports import StoreError

_STATUS = {
    BadRequestError: 400,
    NothingFoundError: 404,
    ConflictError: 409,
    NotYetError: 503,
}

_HINTS = {
    401: "name the file with your token: --token-file, or RIGSHIFT_TOKEN_FILE",
    404: "see /openapi.json for what there is",
    405: "see /openapi.json for the methods of this path",
}


def problem(
    status: int, error: str, hint: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The one shape of every error."""
    return JSONResponse({"error": error, "hint": hint}, status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Answer every error in that shape."""

    @app.exception_handler(OperationError)
    async def operation(_request: Request, error: OperationError) -> JSONResponse:
        return problem(_STATUS[type(error)], str(error), error.hint)

    @app.exception_handler(StoreError)
    async def store(_request: Request, error: StoreError) -> JSONResponse:
        return problem(503, str(error), "nothing has changed; mend the store, then try again")

    @app.exception_handler(RequestValidationError)
    async def validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        return problem(400, f"{where}: {first['msg']}", "see /openapi.json for what is expected")

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        hint = _HINTS.get(error.status_code, "see /openapi.json")
        return problem(error.status_code, str(error.detail), hint, error.headers)

    @app.exception_handler(Exception)
    async def defect(_request: Request, error: Exception) -> JSONResponse:
        return problem(
            500,
            f"the controller made a mistake ({type(error).__name__})",
            "its log has the details; please report them",
        )
