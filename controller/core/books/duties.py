"""What contracts were owed and did not get, per hour, booked to the contract and its desk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.core.books.daybook import Place
from controller.core.books.entries import MICRO, Measure
from controller.core.books.posture import Rates
from controller.core.model import GroupKey, GroupView
from controller.core.obligation import Coverage
from controller.core.policy import mandate
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import PolicySettings
from wire.model import Kind


def by_workload(policy: PolicySettings, now: float) -> Mapping[str, Sequence[ContractSettings]]:
    """Contracts that are owed now, by what their customers use."""
    found: dict[str, list[ContractSettings]] = defaultdict(list)
    for contract in policy.contracts:
        if contract.in_force(now):
            found[contract.workload].append(contract)
    return found


def shortages(
    coverages: Sequence[Coverage], policy: PolicySettings, views: Sequence[GroupView]
) -> Iterator[tuple[GroupKey, Place, Rates]]:
    """What each contract that is in force lacks, whoever's fault it is."""
    contracts = {contract.name: contract for contract in policy.contracts}
    for one in coverages:
        contract = contracts.get(one.contract)
        if not one.in_force or contract is None:
            continue
        short = max(0, one.owed_gpus - one.serving_gpus)
        found = (
            (Measure.OWED_GPU_H, one.owed_gpus),
            (Measure.SHORT_GPU_H, short),
            (Measure.ALLOWED_GPU_H, one.owed_gpus * (1.0 - contract.availability_ratio)),
            (Measure.PENALTY_USD, short * contract.penalty_usd_per_gpu_h),
        )
        rates = tuple((place, amount * MICRO) for place, amount in found if amount)
        desk = contract.desk or _owner(contract, policy, views)
        place = Place("", "", "", contract.workload, desk, 0, contract.name)
        yield GroupKey("", contract.name), place, rates


def _owner(contract: ContractSettings, policy: PolicySettings, views: Sequence[GroupView]) -> str:
    owner = mandate.owner(policy.desks, contract.workload, _kind(contract.workload, views))
    return "" if owner is None else owner.name


def _kind(workload: str, views: Sequence[GroupView]) -> Kind | None:
    offers = (offer for view in views for offer in view.offer.workloads)
    return next((offer.kind for offer in offers if offer.name == workload), None)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays for what a group serves."""

    name: str
    desk: str


def payer(contracts: Sequence[ContractSettings], view: GroupView) -> Payer | None:
    """Who pays for a group that serves one of these, which are all for one workload.

    A plan tells what is paid, but not by which of several that the group may serve.
    """
    contracts = [contract for contract in contracts if _open_to(contract, view)]
    if not contracts:
        return None
    names = " or ".join(sorted(contract.name for contract in contracts))
    desks = {contract.desk for contract in contracts}
    return Payer(names, desks.pop() if len(desks) == 1 else "")


def _open_to(contract: ContractSettings, view: GroupView) -> bool:
    sites, classes = contract.sites, contract.rig_classes
    return (not sites or view.site in sites) and (not classes or view.rig_class in classes)
