"""What lies under `/api/v1`: each path hands its words to `Operations` and returns the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from controller.answers import (
    Check,
    Explanation,
    GroupLine,
    OrderResult,
    Released,
    RigLine,
    Summary,
)
from controller.api.auth import Tokens
from controller.core.model import Hold, Plan, Quote
from controller.operations import EVENTS_SHOWN_MAX, Operations
from controller.orders import HOLD_DEFAULT_S, HOLD_MAX_S, HOLD_MIN_S, REASON_CHARS_MAX, Intent
from controller.records import Event

_BEARER = HTTPBearer(auto_error=False, description="an operator's token")


def _operations(request: Request) -> Operations:
    operations: Operations = request.app.state.operations
    return operations


def operator(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> str:
    """The operator that the token belongs to; nobody else gets past."""
    tokens: Tokens = request.app.state.tokens
    found = tokens.operator(credentials.credentials) if credentials else None
    if found is None:
        why = "the token is not known" if credentials else "a bearer token is needed"
        raise HTTPException(401, why, {"WWW-Authenticate": "Bearer"})
    return found


Asked = Annotated[Operations, Depends(_operations)]
Operator = Annotated[str, Depends(operator)]


class HoldOrder(BaseModel):
    """Keep these groups at what each of them runs now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: str
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)
    for_s: float = Field(HOLD_DEFAULT_S, ge=HOLD_MIN_S, le=HOLD_MAX_S, allow_inf_nan=False)
    """Seconds until the order ends by itself."""
    dry_run: bool = False
    replace: bool = False
    """Take the place of other operators' holds too."""

    def intent(self, owner: str) -> Intent:
        """What the operator means by it."""
        return Intent(
            selector=self.selector,
            owner=owner,
            reason=self.reason,
            for_s=self.for_s,
            dry_run=self.dry_run,
            replace=self.replace,
        )


class SwitchOrder(HoldOrder):
    """Move these groups to a workload, or `off`, and keep them there."""

    workload: str
    break_lock: bool = False
    """Leave even what is locked, such as a rented machine."""

    def intent(self, owner: str) -> Intent:
        """What the operator means by it."""
        return replace(super().intent(owner), break_lock=self.break_lock)


class ReleaseOrder(BaseModel):
    """End holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: str
    """Id of a hold, of an order, or a selector."""


def router() -> APIRouter:
    """Every path under `/api/v1`; all of them want a token."""
    made = APIRouter(prefix="/api/v1", dependencies=[Depends(operator)])
    made.get("/status")(status)
    made.get("/rigs")(rigs)
    made.get("/groups")(groups)
    made.get("/explain")(explain)
    made.get("/plan")(plan)
    made.get("/quotes")(quotes)
    made.get("/holds")(holds)
    made.get("/events")(events)
    made.get("/doctor")(doctor)
    made.post("/switch")(switch)
    made.post("/hold")(hold)
    made.post("/release")(release)
    return made


async def status(asked: Asked) -> Summary:
    """The fleet at a glance."""
    return asked.status()


async def rigs(asked: Asked) -> tuple[RigLine, ...]:
    """The whole inventory, with readings."""
    return asked.rigs()


async def groups(asked: Asked, selector: str = "*") -> tuple[GroupLine, ...]:
    """The GPU groups that a selector means."""
    return asked.groups(selector)


async def explain(asked: Asked, target: str) -> tuple[Explanation, ...]:
    """Why each group that `target` means does what it does."""
    return asked.explain(target)


async def plan(asked: Asked) -> Plan:
    """The newest plan."""
    newest = asked.plan()
    return replace(newest, decisions=tuple(newest.decisions))


async def quotes(asked: Asked) -> tuple[Quote, ...]:
    """Every price, and how far it is trusted."""
    return asked.quotes()


async def holds(asked: Asked) -> tuple[Hold, ...]:
    """Holds that stand, the first to end first."""
    return asked.holds()


async def events(
    asked: Asked, limit: Annotated[int, Query(ge=1, le=EVENTS_SHOWN_MAX)] = 50
) -> list[Event]:
    """The audit, newest first."""
    return asked.events(limit)


async def doctor(asked: Asked) -> tuple[Check, ...]:
    """All that is worth a look."""
    return asked.doctor()


async def switch(asked: Asked, operator: Operator, order: SwitchOrder) -> OrderResult:
    """Move groups to a workload and hold them there."""
    return asked.switch(order.intent(operator), order.workload)


async def hold(asked: Asked, operator: Operator, order: HoldOrder) -> OrderResult:
    """Hold groups to what each runs now."""
    return asked.hold(order.intent(operator))


async def release(asked: Asked, operator: Operator, order: ReleaseOrder) -> Released:
    """End holds."""
    return asked.release(order.what, operator)
