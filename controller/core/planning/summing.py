"""The plan put together: from what was allocated to decisions, sums and warnings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from controller.core import reasons
from controller.core.model import Block, GroupKey, Plan
from controller.core.optimiser.batches import Company, Fate, fates
from controller.core.optimiser.capacity import TOLERANCE_W
from controller.core.optimiser.optimum import Optimum
from controller.core.options.case import Stake
from controller.core.options.economics import Market
from controller.core.options.terms import Counts
from controller.core.planning.decisions import Decisions
from controller.core.planning.verdict import SitePicture, Verdict, verdict
from controller.core.policy.settings import PolicySettings
from controller.core.requirement import Unmet

Crews = Mapping[str, Sequence[Company]]
"""Everybody, by site."""

Ruling = tuple[Verdict, Fate]
"""What groups that are alike shall do, and who they are."""


def up(
    policy: PolicySettings,
    now: float,
    market: Market,
    crews: Crews,
    best: Optimum,
    keys: Sequence[GroupKey],
    unmet: tuple[Unmet, ...],
) -> Plan:
    """The plan in full."""
    rulings = {site: list(_rulings(policy, market, site, crews[site], best)) for site in crews}
    every = [ruling for of_site in rulings.values() for ruling in of_site]
    return Plan(
        at=now,
        decisions=_decisions(every, keys),
        net_usd_per_h=math.fsum(len(f.members) * (v.net_usd_per_h or 0.0) for v, f in every),
        power_w={
            site: math.fsum(len(f.members) * v.power_w for v, f in of_site)
            for site, of_site in rulings.items()
        },
        warnings=(*_warnings(policy, market, best, rulings), *(one.text for one in unmet)),
        unmet=unmet,
        wishes=best.wishes,
        value_usd_per_h=best.value_usd_per_h,
        bound_usd_per_h=best.bound_usd_per_h,
    )


def counted(crews: Crews, best: Optimum) -> Iterator[tuple[Counts, int]]:
    """What each choice that is made counts towards requirements, and how many make it."""
    for site, of_site in crews.items():
        for crew, lots in zip(of_site, best.settled[site].lots, strict=True):
            for lot in lots:
                yield crew.choices[lot.pick].counts, lot.count


def begun(crews: Sequence[Company]) -> int:
    """Groups that are in a switch anyway, or that an operator's hold sends into one."""
    return sum(len(part.members) for crew in crews for part in crew.parts if _begun(part.stake))


def _begun(member: Stake) -> bool:
    case = member.case
    # A locked group is assigned what it runs: it goes nowhere.
    tied = not case.standing.free and case.standing.block is not Block.LOCKED
    held_away = tied and case.standing.tied_to != case.view.assigned
    return case.standing.in_switch or held_away


def _rulings(
    policy: PolicySettings, market: Market, site: str, crews: Sequence[Company], best: Optimum
) -> Iterator[Ruling]:
    settled = best.settled[site]
    picture = SitePicture(
        demand=market.demand(site),
        serving=settled.serving,
        power_cap_w=market.power_cap_w(site),
        power_w=settled.power_w,
        capped=site in best.capped,
        wish=best.wishes.get(site),
        policy=policy,
        binding=best.binding,
    )
    for fate in fates(crews, settled, best.waiting[site]):
        yield verdict(fate.stake, fate.choice, fate.share, picture, waiting=fate.waiting), fate


def _decisions(rulings: Sequence[Ruling], keys: Sequence[GroupKey]) -> Decisions:
    """By key."""
    which = [0] * len(keys)
    for number, (_, fate) in enumerate(rulings):
        for member in fate.members:
            which[member] = number
    return Decisions(keys, tuple(one for one, _ in rulings), which)


def _warnings(
    policy: PolicySettings, market: Market, best: Optimum, rulings: Mapping[str, Sequence[Ruling]]
) -> Iterator[str]:
    if best.trouble:
        gap = None if best.bound_usd_per_h is None else best.bound_usd_per_h - best.value_usd_per_h
        yield reasons.unproven(best.trouble, gap)
    for site, settled in best.settled.items():
        cap_w = market.power_cap_w(site)
        if settled.power_w > cap_w + TOLERANCE_W:
            yield reasons.over_cap(site, cap_w, settled.power_w)
    for site, wish in best.wishes.items():
        if wish.holds:
            yield reasons.peak_kept(site, wish)
    switching = Counter[str]()
    for site, of_site in rulings.items():
        switching[site] = sum(
            len(fate.members) for one, fate in of_site if _begun(fate.stake) or one.moves
        )
    if switching.total() > policy.switches_max:
        yield reasons.over_switches("the fleet", switching.total(), policy.switches_max)
    for site, count in sorted(switching.items()):
        if count > policy.site_switches_max:
            yield reasons.over_switches(f"site {site}", count, policy.site_switches_max)
