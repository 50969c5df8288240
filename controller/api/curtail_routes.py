"""What lies under `/api/v1/curtailments`: each path hands its words to `Curtailments`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from controller.api.routes import Operator, operator
from controller.core.curtailment import GridOrder
from controller.curtailments import LENGTH_MAX_S, Curtailment, Curtailments
from controller.orders import REASON_CHARS_MAX


def _curtailments(request: Request) -> Curtailments:
    curtailments: Curtailments = request.app.state.curtailments
    return curtailments


Asked = Annotated[Curtailments, Depends(_curtailments)]


class Order(BaseModel):
    """A site shall draw less for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    site: str
    cap_w: float = Field(ge=0, allow_inf_nan=False)
    """Watts at the wall that it may still draw."""
    starts_at: float | None = Field(None, allow_inf_nan=False)
    """Seconds since 1970; none: now."""
    for_s: float = Field(gt=0, le=LENGTH_MAX_S, allow_inf_nan=False)
    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)


class End(BaseModel):
    """It may draw again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str


def router() -> APIRouter:
    """Every path about orders of the grid; all of them want a token."""
    made = APIRouter(prefix="/api/v1/curtailments", dependencies=[Depends(operator)])
    made.get("")(known)
    made.post("")(enter)
    made.post("/end")(end)
    return made


async def known(asked: Asked) -> list[GridOrder]:
    """Those that have not ended."""
    return asked.known()


async def enter(asked: Asked, who: Operator, order: Order) -> GridOrder:
    """Limit a site for a while."""
    return asked.enter(Curtailment(**order.model_dump()), who)


async def end(asked: Asked, who: Operator, ended: End) -> GridOrder:
    """End an order before its time."""
    return asked.end(ended.order_id, who)
