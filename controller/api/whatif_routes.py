"""What lies under `/api/v1/whatif`: hands a supposition over and returns what would be."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from controller.answers import Supposed
from controller.api.routes import operator
from controller.suppositions import Suppositions

ITEMS_MAX = 100
TEXT_CHARS_MAX = 200

_Text = Annotated[str, Field(max_length=TEXT_CHARS_MAX)]
_Texts = Annotated[list[_Text], Field(max_length=ITEMS_MAX)]


def _suppositions(request: Request) -> Suppositions:
    suppositions: Suppositions = request.app.state.suppositions
    return suppositions


Asked = Annotated[Suppositions, Depends(_suppositions)]


class Question(BaseModel):
    """What is supposed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prices: _Texts = Field(default_factory=list)
    """Such as `power.oslo=0.30`, `mining.etc*=1.5`, `power.oslo+=0.05`."""
    caps: _Texts = Field(default_factory=list)
    """Such as `oslo=40kW` or `oslo=none`."""
    without: _Texts = Field(default_factory=list)
    """Names of contracts that are taken away."""


def router() -> APIRouter:
    """One path; it wants a token."""
    made = APIRouter(prefix="/api/v1", dependencies=[Depends(operator)])
    made.post("/whatif")(whatif)
    return made


async def whatif(asked: Asked, question: Question) -> Supposed:
    """Which groups would move, and what it would be worth; changes nothing."""
    return asked.ask(question.prices, question.caps, question.without)
