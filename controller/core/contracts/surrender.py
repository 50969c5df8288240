"""A power cap that comes before contracts, as the policy says: what it takes, and from whom.

Only where nothing else is left to save; a contract that goes before the cap is never touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from controller.core.contracts.candidates import Party
from controller.core.contracts.cover import Bond
from controller.core.model import Block
from controller.core.obligation import Coverage
from controller.core.options.case import Case
from controller.core.options.economics import Market
from controller.core.options.standing import Standing
from controller.core.policy.contract import ContractSettings, Curtailed

Bonded = tuple[Party, Bond | None]


def curtailed(
    bonded: Sequence[Bonded], market: Market, guarded: Set[str] = frozenset()
) -> tuple[Bonded, ...]:
    """Groups of contracts that yield stand still, the cheapest first, `guarded` ones last."""
    excess = {site: watts for site, watts in _excess_w(bonded, market) if watts > 0.0}
    if not excess:
        return tuple(bonded)
    taken: dict[int, int] = {}
    order = sorted(
        (i for i, one in enumerate(bonded) if _yields(one) and one[0].case.view.site in excess),
        key=lambda i: (*_penalty(bonded[i][1], guarded), bonded[i][0].members[0]),
    )
    for i in order:
        party, bond = bonded[i]
        assert bond is not None
        saved_w = _least_w(party.case) - _least_w(_given_up(party.case, bond.contract))
        for _ in party.members:
            if excess[party.case.view.site] > 0.0 and saved_w > 0.0:
                excess[party.case.view.site] -= saved_w
                taken[i] = taken.get(i, 0) + 1
    return tuple(part for i, one in enumerate(bonded) for part in _split(one, taken.get(i, 0)))


def left(coverages: Sequence[Coverage], bonded: Sequence[Bonded]) -> Iterator[Coverage]:
    """What contracts still have after a cap has taken from them."""
    lost: dict[str, int] = {}
    for party, bond in bonded:
        if bond is not None and not party.case.view.committed:
            gpus = len(party.case.view.offer.gpus) * len(party.members)
            lost[bond.contract.name] = lost.get(bond.contract.name, 0) + gpus
    for one in coverages:
        gpus = lost.get(one.contract, 0)
        bound = one.bound_gpus - gpus
        why = f"its site's power cap takes {gpus} GPUs from it, as the policy says"
        lacking = max(one.lacking_gpus, one.owed_gpus - bound)
        yield replace(one, bound_gpus=bound, lacking_gpus=lacking, why=why) if gpus else one


def _split(one: Bonded, taken: int) -> Iterator[Bonded]:
    party, bond = one
    if not taken or bond is None:
        yield one
        return
    keep = len(party.members) - taken
    if keep:
        yield Party(party.case, party.members[:keep]), bond
    yield Party(_given_up(party.case, bond.contract), party.members[keep:]), bond


def _penalty(bond: Bond | None, guarded: Set[str]) -> tuple[bool, float]:
    if bond is None:
        return False, 0.0
    return bond.contract.name in guarded, bond.contract.penalty_usd_per_gpu_h


def _yields(one: Bonded) -> bool:
    party, bond = one
    return (
        bond is not None
        and bond.contract.curtailed is Curtailed.YIELD
        and party.case.standing.block is Block.COMMITTED
    )


def _given_up(case: Case, contract: ContractSettings) -> Case:
    text = f"the site's power cap comes before contract {contract.name}, as the policy says"
    return replace(
        case,
        view=replace(case.view, committed=False),
        standing=Standing(None, None, Block.POWER_CAP, text),
    )


def _excess_w(bonded: Sequence[Bonded], market: Market) -> Iterator[tuple[str, float]]:
    """What each site draws above its cap even when all that may stand still does."""
    least: dict[str, float] = {}
    for party, _ in bonded:
        watts = _least_w(party.case) * len(party.members)
        least[party.case.view.site] = least.get(party.case.view.site, 0.0) + watts
    for site, watts in least.items():
        yield site, watts - market.power_cap_w(site)


def _least_w(case: Case) -> float:
    """Least watts that a group can come to in this plan; 0 where nobody knows them."""
    if case.standing.free:
        known = [p.idle_w for p in case.prospects.values() if p.idle_w is not None]
        return min(known, default=0.0)
    tied = case.prospects.get(case.standing.runs)
    return 0.0 if tied is None or tied.busy_w is None else tied.busy_w
