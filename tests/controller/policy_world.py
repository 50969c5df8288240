"""A policy with contracts, desks and rules for the small farm of `tests.controller.fleet`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controller.core.farm import FarmSettings
from controller.core.model import GroupView, Hold, Plan
from controller.core.planning.obligations import NOTHING_SPECIAL, Circumstances
from controller.core.planning.planner import Situation, plan
from controller.core.policy.contract import ContractSettings
from controller.core.policy.mandate import DeskSettings
from controller.core.policy.settings import PolicySettings
from controller.core.policy.signals import RuleSettings, Then
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view
from wire.model import GroupOffer, Kind

MINING = DeskSettings(name="mining", kinds=(Kind.MINING,), operators=("max",))
AI = DeskSettings(name="ai", kinds=(Kind.INFERENCE,), operators=("ada",))


def at(seconds: float) -> datetime:
    """So many seconds from `NOW`."""
    return datetime.fromtimestamp(NOW + seconds, UTC)


def contract(name: str = "acme", **changes: Any) -> ContractSettings:
    """One that has been in force for a day, for one GPU."""
    made = ContractSettings(
        name=name,
        customer=f"{name} inc",
        workload="llama",
        gpus=1,
        price_usd_per_gpu_h=0.5,
        penalty_usd_per_gpu_h=2.0,
        start=at(-86_400.0),
    )
    return replace(made, **changes)


def rule(name: str = "dear", **then: Any) -> RuleSettings:
    return RuleSettings(name=name, when="quote.etc > 1", then=Then(**then), reason="coin is dear")


def owing(*contracts: ContractSettings, **changes: Any) -> PolicySettings:
    """The usual policy with these contracts."""
    return replace(POLICY, contracts=contracts, **changes)


def planned(
    views: Sequence[GroupView],
    policy: PolicySettings,
    prices: Mapping[str, float | None] = PRICES,
    *,
    holds: Sequence[Hold] = (),
    farm: FarmSettings = FARM,
    now: float = NOW,
    circumstances: Circumstances = NOTHING_SPECIAL,
) -> Plan:
    return plan(
        Situation(
            views=views,
            quotes=quotes(prices),
            holds=holds,
            policy=policy,
            farm=farm,
            now=now,
            circumstances=circumstances,
        )
    )


def bound(plan: Plan) -> list[str]:
    """Rigs whose group a contract stands behind."""
    return [decision.key.rig for decision in plan.decisions if decision.committed]


def large(number: int, gpus: int, assigned: str | None = "etc", **changes: Any) -> GroupView:
    """A group of several GPUs."""
    one = view(number, assigned, **changes)
    offer = GroupOffer("all", tuple(f"GPU-{number}-{n}" for n in range(gpus)), one.offer.workloads)
    return replace(one, offer=offer)
