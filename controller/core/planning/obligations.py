"""From a policy to what a plan has to meet: the one place where the planner asks for it.

In this order: maintenance windows stop groups, contracts bind groups, a power cap takes from
contracts that yield to it; what is then free is left to the allocation, with terms on its choices
and requirements on their sum.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controller.core.contracts import availability as contract_availability
from controller.core.contracts import cover as contract_cover
from controller.core.contracts import interruption
from controller.core.contracts import surrender as contract_yield
from controller.core.contracts import tie as contract_terms
from controller.core.contracts.candidates import Party, fits
from controller.core.contracts.surrender import Bonded
from controller.core.model import Block, GroupKey
from controller.core.obligation import Availability, Coverage, Fulfilment
from controller.core.options.case import Case
from controller.core.options.economics import Market
from controller.core.options.standing import Standing
from controller.core.options.terms import Counts, Terms
from controller.core.policy import maintenance, mandate, signals, treasury
from controller.core.policy.contract import ContractSettings
from controller.core.policy.maintenance import MaintenanceSettings
from controller.core.policy.settings import PolicySettings
from controller.core.policy.signals import Premium, RuleSettings
from controller.core.requirement import Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What has come to pass that a policy answers to."""

    rules: tuple[RuleSettings, ...] = ()
    """Those in effect."""
    spent_usd: float = 0.0
    """What switches have cost in the last 24 hours."""
    notes: tuple[str, ...] = ()
    """What people should know of the rules, such as that one cannot be told."""
    availability: Mapping[str, Availability] = field(default_factory=dict)
    """How contracts stand this month, by name."""

    @property
    def guarded(self) -> frozenset[str]:
        """Contracts that can bear hardly any more downtime."""
        return frozenset(name for name, one in self.availability.items() if one.guarded)


NOTHING_SPECIAL = Circumstances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """The groups as the policy leaves them, and what all of them together have to meet."""

    parties: tuple[Party, ...]
    requirements: tuple[Requirement, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    notes: tuple[str, ...] = ()
    """What people should hear of while they can still change it."""


def obligations(
    parties: Sequence[Party],
    keys: Sequence[GroupKey],
    market: Market,
    policy: PolicySettings,
    now: float,
    circumstances: Circumstances,
) -> Obligations:
    """What the policy makes of these groups; of those that are alike, some may be told apart.

    `keys` are those of all groups, in the order that members are places of.
    """
    known_so_far = circumstances.availability
    notes: tuple[str, ...] = ()
    if policy.maintenance:
        notes = tuple(interruption.warnings(parties, keys, policy, known_so_far, now))
        parties = [part for party in parties for part in _maintained(party, keys, policy, now)]
    bonded: Sequence[Bonded] = [(p, None) for p in parties]
    coverages: tuple[Coverage, ...] = ()
    known = {contract.workload for contract in policy.contracts}
    if known:
        guarded = circumstances.guarded
        cover = contract_cover.cover(parties, policy, now, guarded)
        bonded = tuple(contract_terms.engaged(parties, cover, market, now))
        bonded = contract_yield.curtailed(bonded, market, guarded)
        left = contract_yield.left(cover.coverages, bonded)
        coverages = tuple(contract_availability.with_availability(left, known_so_far))
    gpus = sum(len(p.case.view.offer.gpus) * len(p.members) for p in parties)
    required = tuple(_requirements(policy, gpus, coverages, now))
    thrift = treasury.exhausted(policy.treasury, circumstances.spent_usd)
    if required or circumstances.rules or thrift:
        short = {one.contract for one in coverages if one.lacking_gpus}
        lacking = [contract for contract in policy.contracts if contract.name in short]
        bonded = tuple(_agreed(bonded, policy, circumstances.rules, thrift, lacking))
    return Obligations(
        parties=tuple(
            p if known else Party(contract_terms.kept(p.case), p.members) for p, _ in bonded
        ),
        requirements=required,
        coverages=coverages,
        notes=notes,
    )


def fulfilments(
    requirements: Sequence[Requirement], chosen: Iterable[tuple[Counts, int]]
) -> tuple[Fulfilment, ...]:
    """How far what was chosen, each so many times, meets what was required."""
    totals: dict[str, list[float]] = {one.name: [] for one in requirements}
    if totals:
        for counts, count in chosen:
            for name, amount in counts:
                if name in totals:
                    totals[name].append(amount * count)
    return tuple(
        Fulfilment(
            name=one.name,
            unit=one.unit,
            least=one.least,
            most=None if math.isinf(one.most) else one.most,
            counted=math.fsum(totals[one.name]),
        )
        for one in requirements
    )


def warnings(
    policy: PolicySettings,
    asked: Obligations,
    net_usd_per_h: float,
    now: float,
    availability: Mapping[str, Availability],
) -> Iterator[str]:
    """What the plan could not meet, and what the owner should know of the money."""
    contracts = {contract.name: contract for contract in policy.contracts}
    yield from contract_terms.warnings(asked.coverages, contracts)
    yield from contract_availability.warnings(availability, contracts)
    yield from asked.notes
    yield from treasury.warnings(policy.treasury, policy.contracts, now, net_usd_per_h)


def _maintained(
    party: Party, keys: Sequence[GroupKey], policy: PolicySettings, now: float
) -> Iterator[Party]:
    """A window beats contract and price; what is held, locked or unreachable stays as it is."""
    case = party.case
    if not case.standing.free:
        yield party
        return
    inside: dict[MaintenanceSettings | None, list[int]] = {}
    for member in party.members:
        rig = keys[member].rig
        window = maintenance.window(policy.maintenance, case.view.site, rig, now)
        inside.setdefault(window, []).append(member)
    for window, members in inside.items():
        yield Party(case if window is None else _stopped(case, window), members)


def _stopped(case: Case, window: MaintenanceSettings) -> Case:
    stays = case.standing.runs if window.act is maintenance.Act.FREEZE else None
    text = maintenance.why(window)
    return replace(case, standing=Standing(stays, stays, Block.MAINTENANCE, text))


def _requirements(
    policy: PolicySettings, gpus: int, coverages: Sequence[Coverage], now: float
) -> Iterator[Requirement]:
    contracts = {contract.name: contract for contract in policy.contracts}
    for one in coverages:
        contract = contracts[one.contract]
        if one.in_force:
            yield Requirement(
                name=_contract_title(one.contract),
                unit="GPUs",
                least=contract.gpus,
                weight_usd_per_h=contract.price_usd_per_gpu_h + contract.penalty_usd_per_gpu_h,
            )
    yield from mandate.requirements(policy.desks, gpus)
    yield from treasury.requirements(policy.treasury, policy.contracts, now)


def _agreed(
    bonded: Sequence[Bonded],
    policy: PolicySettings,
    rules: Sequence[RuleSettings],
    thrift: str,
    lacking: Sequence[ContractSettings],
) -> Iterator[Bonded]:
    """Every case with its terms; those that are alike share them."""
    known: dict[tuple[Hashable, ...], Terms] = {}
    for party, bond in bonded:
        case = party.case
        gpus, lost = len(case.view.offer.gpus), case.standing.block is Block.QUARANTINED
        contract = bond.contract if bond is not None and case.view.committed else None
        serves: tuple[ContractSettings, ...] = ()
        if contract is None:
            serves = tuple(c for c in lacking if _would_help(c, case))
        elif case.standing.block is not Block.OFFLINE:
            serves = (contract,)  # A rig that is silent is kept in hope; it is not relied on.
        alike = (case.kin, gpus, lost, tuple(one.name for one in serves))
        if alike not in known:
            known[alike] = Terms(
                gpus=gpus,
                premiums=_premiums(case, policy, rules),
                counts=_counts(case, serves, policy, lost=lost),
                thrift=thrift,
            )
        yield Party(replace(case, terms=known[alike]), party.members), bond


def _would_help(contract: ContractSettings, case: Case) -> bool:
    """Whether a group that is tied elsewhere could serve, were it free: a repair asks."""
    standing = case.standing
    return not standing.free and standing.runs != contract.workload and fits(contract, case)


def _premiums(
    case: Case, policy: PolicySettings, rules: Sequence[RuleSettings]
) -> dict[str | None, Premium]:
    found = {
        workload: signals.premium(rules, policy.desks, workload, prospect.kind)
        for workload, prospect in case.prospects.items()
    }
    return {workload: premium for workload, premium in found.items() if premium is not None}


def _counts(
    case: Case, serves: Sequence[ContractSettings], policy: PolicySettings, *, lost: bool
) -> dict[str | None, Counts]:
    """What each option adds to desks' shares and, where a contract stands, to that.

    What a quarantined group is said to run counts for nothing.
    """
    gpus = float(len(case.view.offer.gpus))
    counts: dict[str | None, Counts] = {}
    for workload, prospect in case.prospects.items():
        desk = mandate.owner(policy.desks, workload, prospect.kind)
        name = None if desk is None else desk.name
        found: list[tuple[str, float]] = []
        for contract in serves:
            if workload == contract.workload:
                name = contract.desk or name
                found.append((_contract_title(contract.name), gpus))
                if case.view.committed:
                    found.append((treasury.COVERAGE, prospect.revenue_usd_per_h or 0.0))
        if name is not None:
            found.append((mandate.title(name), gpus))
        if found and not (lost and workload == case.standing.runs):
            counts[workload] = tuple(found)
    return counts


def _contract_title(contract: str) -> str:
    return f"contract {contract}"
