"""What lies under `/api/v1/policy`: each path hands its words to `Policies`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from controller.answers import PolicyChecked, PolicyPreview, PolicyShown
from controller.api.routes import Operator, operator
from controller.orders import REASON_CHARS_MAX
from controller.policies import VERSIONS_SHOWN_MAX, Policies
from controller.policyfile import CHARS_MAX
from controller.records import StoredPolicy

NAME_CHARS_MAX = 200


def _policies(request: Request) -> Policies:
    policies: Policies = request.app.state.policies
    return policies


Asked = Annotated[Policies, Depends(_policies)]


class PolicyText(BaseModel):
    """A policy as its file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = Field(max_length=CHARS_MAX)
    name: str = Field("policy.yaml", min_length=1, max_length=NAME_CHARS_MAX)
    """What errors call it."""


class Activation(PolicyText):
    """Put a policy in force."""

    reason: str = Field(min_length=1, max_length=REASON_CHARS_MAX)


def router() -> APIRouter:
    """Every path about the policy; all of them want a token."""
    made = APIRouter(prefix="/api/v1/policy", dependencies=[Depends(operator)])
    made.get("")(show)
    made.get("/versions")(versions)
    made.post("/check")(check)
    made.post("/preview")(preview)
    made.post("/activate")(activate)
    return made


async def show(asked: Asked) -> PolicyShown:
    """The policy in force, and how its parts stand."""
    return asked.show()


async def versions(
    asked: Asked, limit: Annotated[int, Query(ge=1, le=VERSIONS_SHOWN_MAX)] = 20
) -> list[StoredPolicy]:
    """What was in force, newest first."""
    return asked.versions(limit)


async def check(asked: Asked, given: PolicyText) -> PolicyChecked:
    """Whether a policy can be put in force, and what would differ; changes nothing."""
    return asked.check(given.text, given.name)


async def preview(asked: Asked, given: PolicyText) -> PolicyPreview:
    """What a policy would do to the fleet now; changes nothing."""
    return asked.preview(given.text, given.name)


async def activate(asked: Asked, who: Operator, given: Activation) -> StoredPolicy:
    """Put a policy in force from the next plan on."""
    return asked.activate(given.text, given.name, who, given.reason)
