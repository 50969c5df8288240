"""The application: the operators' API, and what Prometheus and probes may ask without a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from controller.api import (
    curtail_routes,
    policy_routes,
    problems,
    routes,
    sd,
    statement_routes,
    whatif_routes,
)
from controller.api.auth import Tokens
from controller.api.bodies import LimitedBodies
from controller.curtailments import Curtailments
from controller.operations import Operations
from controller.policies import Policies
from controller.statements import Statements
from controller.suppositions import Suppositions

Exposition = Callable[[str], tuple[bytes, str]]
"""From an `Accept` header to the metrics and their content type."""


def create_app(
    operations: Operations,
    *,
    tokens: Tokens,
    metrics: Exposition,
    policies: Policies | None = None,
    suppositions: Suppositions | None = None,
    curtailments: Curtailments | None = None,
    statements: Statements | None = None,
) -> FastAPI:
    """Everything that the controller answers over HTTP; what is not handed over has no path."""
    app = FastAPI(
        title="rigshift",
        version="1",
        description="Moves GPU rigs between mining, AI inference and standing still.",
        docs_url=None,  # Their pages load scripts from elsewhere.
        redoc_url=None,
    )
    app.state.operations = operations
    app.state.tokens = tokens
    app.state.metrics = metrics
    app.add_middleware(LimitedBodies)
    problems.install(app)
    app.include_router(routes.router())
    if policies is not None:
        app.state.policies = policies
        app.include_router(policy_routes.router())
    if suppositions is not None:
        app.state.suppositions = suppositions
        app.include_router(whatif_routes.router())
    if curtailments is not None:
        app.state.curtailments = curtailments
        app.include_router(curtail_routes.router())
    if statements is not None:
        app.state.statements = statements
        app.include_router(statement_routes.router())
    for path, endpoint in (("healthz", healthz), ("readyz", readyz), ("metrics", exposition)):
        app.get(f"/{path}", include_in_schema=False)(endpoint)
    app.get("/sd", include_in_schema=False)(service_discovery)
    return app


async def healthz() -> dict[str, str]:
    """Alive: the event loop answers."""
    return {"status": "alive"}


async def readyz(request: Request) -> Response:
    """503 with the reason until store and link are up and a plan exists."""
    lacking = [check for check in _operations(request).readiness() if not check.ok]
    if lacking:
        error = "; ".join(f"{check.name}: {check.detail}" for check in lacking)
        return problems.problem(503, f"not ready: {error}", "`rigshift doctor` tells more")
    return JSONResponse({"status": "ready"})


async def exposition(request: Request) -> Response:
    """The controller's own metrics."""
    body, content_type = request.app.state.metrics(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


async def service_discovery(request: Request) -> Response:
    """Where the agents' metrics are.

    A controller that has just started does not know the rigs yet. Prometheus keeps its targets
    when it gets an error, and would drop all of them for an empty list.
    """
    operations = _operations(request)
    if not all(check.ok for check in operations.readiness()):
        return await readyz(request)
    return JSONResponse([asdict(group) for group in sd.target_groups(operations.scraped())])


def _operations(request: Request) -> Operations:
    operations: Operations = request.app.state.operations
    return operations
