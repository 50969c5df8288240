"""What must be true of a farm that owes something: contracts go before any price.

Counted from reports and decisions alone; of what the planner says of its contracts only its words
are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.core.model import Decision, GroupKey, GroupView, Hold, Plan
from controller.core.obligation import Coverage
from controller.core.policy.contract import ContractSettings
from tests.sim.checks.controller import switching
from wire.model import Phase


@dataclass(frozen=True, slots=True)
class Left:
    """GPUs that a plan leaves to a contract."""

    bound_gpus: int
    serving_gpus: int
    """Those among them that serve it now."""


def kept(
    decision: Decision, view: GroupView, hold: Hold | None, contract: ContractSettings, left: Left
) -> str:
    """Who serves a contract leaves it only where others serve it in full; who does not yet, only
    where others are bound to it in full."""
    bound = view.committed and view.assigned == contract.workload
    others = left.serving_gpus if runs(contract, view) else left.bound_gpus
    if not bound or _excused(view, hold, contract) or others >= contract.gpus:
        return ""
    if decision.chosen == contract.workload and decision.committed:
        return ""
    what = f"goes to {decision.chosen}" if decision.moves else "is told that nobody owes it"
    return f"{decision.key} {what}, {contract.name} has {others} of {contract.gpus} GPUs without it"


def fetched(
    contract: ContractSettings,
    plan: Plan,
    views: Sequence[GroupView],
    held: Mapping[GroupKey, Hold],
) -> str:
    """While a contract is short, nobody who could serve it does anything else for a price."""
    if left(contract, plan, views).bound_gpus >= contract.gpus:
        return ""
    for decision, view in zip(plan.decisions, views, strict=True):
        if not decision.committed and _able(contract, view, held.get(view.key)):
            return f"{view.key} could serve {contract.name}, which is short, and does not"
    return ""


def told(contract: ContractSettings, plan: Plan, views: Sequence[GroupView]) -> str:
    """What a contract lacks stands in the plan, in figures and in words."""
    lacking = max(0, contract.gpus - left(contract, plan, views).bound_gpus)
    said = next((c.lacking_gpus for c in plan.contracts if c.contract == contract.name), 0)
    words = any(f"contract {contract.name} " in warning for warning in plan.warnings)
    if said == lacking and (words or not lacking):
        return ""
    return f"{contract.name} lacks {lacking} GPUs, told are {said}, words {words}"


def honoured(contract: ContractSettings, serving: int, coverages: Sequence[Coverage]) -> str:
    """Once everything rests, a contract is served in truth, but for what is told to lack."""
    lacking = sum(one.lacking_gpus for one in coverages if one.contract == contract.name)
    if serving + lacking >= contract.gpus:
        return ""
    return f"{contract.name} gets {serving} of {contract.gpus} GPUs, told to lack are {lacking}"


def left(contract: ContractSettings, plan: Plan, views: Sequence[GroupView]) -> Left:
    """What a plan leaves to a contract, on rigs that answer."""
    given = [
        (len(view.offer.gpus), runs(contract, view))
        for decision, view in zip(plan.decisions, views, strict=True)
        if decision.committed and decision.chosen == contract.workload
        if view.online and view.status is not None
    ]
    return Left(sum(n for n, _ in given), sum(n for n, serves in given if serves))


def runs(contract: ContractSettings, view: GroupView) -> bool:
    """Whether a group serves it now, proven."""
    status = view.status
    proven = status is not None and status.phase is Phase.RUNNING and not switching(view)
    return proven and status is not None and status.active == contract.workload


def _excused(view: GroupView, hold: Hold | None, contract: ContractSettings) -> bool:
    """Away, out of order, failed at it, locked, or in an operator's hand."""
    status = view.status
    if hold is not None or not view.online or status is None or status.lock:
        return True
    failed = {one.workload for one in (*view.avoided, *status.rejected)}
    return status.phase is Phase.FAILED or contract.workload in failed


def _able(contract: ContractSettings, view: GroupView, hold: Hold | None) -> bool:
    fits = not contract.rig_classes or view.rig_class in contract.rig_classes
    offered = contract.workload in {offer.name for offer in view.offer.workloads}
    return fits and offered and not _excused(view, hold, contract) and not switching(view)
