"""Which groups could serve a contract, in what order they are taken, and what stops the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.core.model import Block, GroupView
from controller.core.options import appraisal
from controller.core.options.case import Case
from controller.core.options.economics import Prospect
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import PolicySettings, Route, hurdle_usd_per_h

LEAD_FACTOR = 2.0
"""A switch is begun this many of its usual durations before it must be over."""

WAVES_MAX = 1_000
"""Waves that a start is prepared for; more switches than that are a limit set by mistake."""

_NAMED = {
    Block.HOLD: "held elsewhere",
    Block.LOCKED: "locked",
    Block.OFFLINE: "offline",
    Block.QUARANTINED: "quarantined",
    Block.SWITCHING: "in a switch",
}


@dataclass(frozen=True, slots=True)
class Party:
    """Groups that are alike, with one case for all."""

    case: Case
    members: Sequence[int]
    """Places of the groups in the order of all keys, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidacy:
    """Groups of one party, which could serve a contract."""

    members: Sequence[int]
    gpus: int
    """Of each."""
    sound: bool
    """Their rigs answer, so that they can be relied on."""
    serves: bool
    """They run the workload now and are on no way elsewhere."""
    tied: bool
    """An operator, a tenant or silence keeps them at the workload anyway."""
    stays: bool
    """They serve this workload under a contract, or must, and can be relied on."""
    moves: bool
    """They would have to set out."""
    lead_s: float
    """Seconds before they are needed at which they must set out."""
    rank: tuple[float, ...]
    """Who serves it comes first, then who runs it, then who forgoes least, $/GPU-h."""


def ranked(
    contract: ContractSettings, parties: Sequence[Party], policy: PolicySettings
) -> list[Candidacy]:
    """Every group that could serve it, the best first, of equals the earlier key."""
    found = [
        _candidacy(contract, party, policy)
        for party in parties
        if fits(contract, party.case) and _able(contract, party.case)
    ]
    return sorted(found, key=lambda one: (one.rank, one.members[0]))


def due(
    contract: ContractSettings, ranked: Sequence[Candidacy], policy: PolicySettings, now: float
) -> bool:
    """Whether its groups must be bound now: it is owed, or so soon that they must set out."""
    if now >= contract.starts_at:
        return now < contract.ends_at
    lead_s = max((one.lead_s for one in ranked), default=contract.prepare_s)
    groups = float(contract.gpus + contract.warm_spare_gpus)
    if ranked:
        groups /= min(one.gpus for one in ranked)
    waves = min(WAVES_MAX, max(1, math.ceil(groups / policy.switches_max)))
    return now >= contract.starts_at - lead_s * waves


def high_time(contract: ContractSettings, ranked: Sequence[Candidacy], now: float) -> bool:
    """Whether all that it needs must be on the way now, whatever else switches."""
    return now >= contract.starts_at - max((one.lead_s for one in ranked), default=0.0)


def obstacles(
    contract: ContractSettings, parties: Sequence[Party], claims: Mapping[int, str]
) -> str:
    """Why there are not more groups for it, counted."""
    fitting = [party for party in parties if fits(contract, party.case)]
    if not fitting:
        return f"no group of its sites and classes offers {contract.workload}"
    why: Counter[str] = Counter()
    for party in fitting:
        own = _obstacle(contract, party.case)
        for member in party.members:
            holder = claims.get(member, "")
            if holder != contract.name or not party.case.view.online:
                why[f"serving {holder}" if holder not in ("", contract.name) else own] += 1
    counted = ", ".join(f"{n} {name}" for name, n in sorted(why.items()) if name)
    start = f"of {sum(len(party.members) for party in fitting)} groups that may serve it"
    return f"{start} {counted}" if counted else f"{start} none is left"


def _obstacle(contract: ContractSettings, case: Case) -> str:
    if contract.workload in case.rejected:
        return f"on which {contract.workload} failed"
    return _NAMED.get(case.standing.block, "")


def fits(contract: ContractSettings, case: Case) -> bool:
    """Whether the contract may be served there at all."""
    view = case.view
    return (
        (not contract.sites or view.site in contract.sites)
        and (not contract.rig_classes or view.rig_class in contract.rig_classes)
        and contract.workload in case.prospects
    )


def _able(contract: ContractSettings, case: Case) -> bool:
    """Whether the group can serve it now, or does."""
    standing = case.standing
    if contract.workload in case.rejected:
        return False
    match standing.block:
        case Block.NONE:
            return True
        case Block.HOLD | Block.LOCKED:
            return standing.tied_to == contract.workload
        case Block.SWITCHING:
            return case.view.assigned == contract.workload
        case Block.OFFLINE:
            return case.view.committed and case.view.assigned == contract.workload
        case _:
            return False


def _candidacy(contract: ContractSettings, party: Party, policy: PolicySettings) -> Candidacy:
    case, view, standing = party.case, party.case.view, party.case.standing
    there = view.assigned == contract.workload
    incumbent, elsewhere = view.committed and there, view.committed and not there
    runs, kept = standing.runs == contract.workload, not standing.free
    sound = standing.block is not Block.OFFLINE and view.online and view.status is not None
    # What an operator's hold wants is not yet what runs.
    active = None if view.status is None else view.status.active
    serves = sound and active == contract.workload and not standing.in_switch
    gpus = max(1, len(view.offer.gpus))
    known_s = _switch_s(view, contract)
    switch_s = policy.inference_switch.duration_s if known_s is None else known_s
    return Candidacy(
        members=party.members,
        gpus=gpus,
        sound=sound,
        serves=serves,
        tied=kept,
        stays=(incumbent or kept) and sound,
        moves=not there and not runs,
        lead_s=max(contract.prepare_s, LEAD_FACTOR * switch_s),
        rank=(
            # Who is silent is kept where there is room; who serves another contract comes last.
            0 if (incumbent or kept) and sound else 1 if incumbent else 3 if elsewhere else 2,
            0 if serves else 1 if there or runs else 2,
            _forgone(contract, case, policy) / gpus,
        ),
    )


def _forgone(contract: ContractSettings, case: Case, policy: PolicySettings) -> float:
    """What the group could earn otherwise, and what getting there costs, $/h."""
    nets = [
        prospect.busy_usd_per_h
        for workload, prospect in case.prospects.items()
        if workload != contract.workload
        and workload not in case.rejected
        and prospect.busy_usd_per_h is not None
        and (not prospect.serves or workload == case.standing.runs)
    ]
    best = max(nets, default=0.0)
    now = case.now
    if now is None or now.workload == contract.workload:
        return best
    return best + _hurdle(now, contract, case, policy)


def _hurdle(now: Prospect, contract: ContractSettings, case: Case, policy: PolicySettings) -> float:
    target = case.prospects[contract.workload]
    still = case.prospects[None].busy_usd_per_h or 0.0
    forgone = (now.busy_usd_per_h or 0.0) - still
    route = Route(now.kind, target.kind, _switch_s(case.view, contract), forgone)
    return hurdle_usd_per_h(policy, route)


def _switch_s(view: GroupView, contract: ContractSettings) -> float | None:
    """What getting there takes, seconds; who sleeps there is back sooner."""
    woken_s = appraisal.wake_s(view, view.assigned, contract.workload)
    return view.switch_s if woken_s is None else woken_s
