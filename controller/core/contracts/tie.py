"""A group that serves a contract: tied to its workload, at the contract's price, with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from controller.core import reasons
from controller.core.contracts.candidates import Party
from controller.core.contracts.cover import Bond, Cover
from controller.core.model import Block
from controller.core.obligation import Coverage
from controller.core.options.case import Case
from controller.core.options.economics import WATTS_PER_KW, Market, Prospect
from controller.core.options.standing import Standing
from controller.core.policy.contract import ContractSettings

Kins = dict[tuple[int, str, int], int]
"""Groups that are alike and serve alike are alike again."""

UNNAMED = "a contract stands behind it; no price ends it"


def engaged(
    parties: Sequence[Party], cover: Cover, market: Market, now: float
) -> Iterator[tuple[Party, Bond | None]]:
    """All groups, those that serve a contract tied to it; parties are split where need be."""
    kins: Kins = {}
    for party in parties:
        by_bond: dict[Bond | None, list[int]] = {}
        for member in party.members:
            by_bond.setdefault(cover.bonds.get(member), []).append(member)
        for bond, members in by_bond.items():
            if bond is None:
                yield Party(_free(party.case), members), None
            else:
                paid = bond.paid_gpus if bond.contract.in_force(now) else 0
                case = _engaged(party.case, bond.contract, paid, market, kins)
                yield Party(case, members), bond


def kept(case: Case) -> Case:
    """A group with a commitment that this plan knows no contract for: no price ends it."""
    assigned = case.view.assigned
    if not case.view.committed or case.standing.block in (Block.HOLD, Block.LOCKED):
        return case
    standing = Standing(assigned, assigned, Block.COMMITTED, UNNAMED, case.standing.in_switch)
    return replace(case, standing=standing)


def _free(case: Case) -> Case:
    return replace(case, view=replace(case.view, committed=False)) if case.view.committed else case


def _engaged(case: Case, contract: ContractSettings, paid: int, market: Market, kins: Kins) -> Case:
    workload = contract.workload
    tariff = market.tariff_usd_per_kwh(case.view.site)
    priced = _priced(case.prospects[workload], contract, paid, tariff)
    kin = kins.setdefault((case.kin, contract.name, paid), -1 - len(kins))
    standing = case.standing
    if standing.free:
        standing = Standing(workload, workload, Block.COMMITTED, why(contract, paid))
    return replace(
        case,
        view=replace(case.view, committed=True),
        standing=standing,
        prospects={**case.prospects, workload: priced},
        kin=kin,
    )


def why(contract: ContractSettings, paid: int) -> str:
    """What stands behind a group with so many paid GPUs, and what it would cost to be short."""
    title = f"contract {contract.name} with {contract.customer}"
    if not paid:
        return f"it stands ready for {title}, which may be short of none of {contract.gpus} GPUs"
    income = reasons.amount(paid * contract.price_usd_per_gpu_h)
    short = reasons.amount(paid * (contract.price_usd_per_gpu_h + contract.penalty_usd_per_gpu_h))
    return f"{title} pays {income}, and to be short of it would cost {short}"


def warnings(
    coverages: Sequence[Coverage], contracts: Mapping[str, ContractSettings]
) -> Iterator[str]:
    """What customers will miss, and what that costs."""
    for one in coverages:
        if one.lacking_gpus:
            contract = contracts[one.contract]
            per_gpu = contract.price_usd_per_gpu_h + contract.penalty_usd_per_gpu_h
            cost = reasons.amount(one.lacking_gpus * per_gpu)
            when = "" if one.in_force else f", which starts {_day(contract.starts_at)},"
            yield (
                f"contract {one.contract} with {contract.customer}{when} lacks "
                f"{one.lacking_gpus} of {one.owed_gpus} GPUs, at {cost}: {one.why}"
            )


def _priced(
    known: Prospect, contract: ContractSettings, paid: int, tariff: float | None
) -> Prospect:
    """The workload at the contract's price; what nobody pays for only draws power."""
    revenue_usd_per_h = paid * contract.price_usd_per_gpu_h
    busy_w = known.busy_w if paid else known.idle_w
    net = None
    if busy_w is not None and tariff is not None:
        net = revenue_usd_per_h - busy_w / WATTS_PER_KW * tariff
    return replace(
        known,
        revenue_usd_per_h=revenue_usd_per_h,
        busy_w=busy_w,
        busy_usd_per_h=net,
        idle_usd_per_h=net,
        problem="" if net is not None else "nobody knows its watts or what power costs",
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
