"""The plan: what every GPU group of the fleet shall do now, and why. Pure and deterministic.

In this order: an operator's hold, a lock such as a rental, a contract, what cannot be moved
(offline, quarantined, in a switch), the site's power cap, the limit on switches, and within all
that the most money.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.core import capacity, economics, foresight, reasons, standing
from controller.core.allocation import SiteAllocation, SiteProblem, allocate
from controller.core.case import Case, Menus, Promises, Stake, gain_usd_per_h, stake
from controller.core.economics import Market, Prospect
from controller.core.explanation import SitePicture, Verdict, decision, verdict
from controller.core.farm import FarmSettings
from controller.core.model import Block, GroupView, Hold, Plan, Quote
from controller.core.policy import PolicySettings, Timing
from controller.core.site_market import Limits
from controller.core.timing.advantage import SiteForesight
from wire.model import WorkloadOffer

Kin = tuple[str, str, int, tuple[WorkloadOffer, ...], int]
"""Site, class, GPUs, offers and figures: groups that are alike in these share their prospects.

Figures are told apart by identity: comparing them would cost more than pricing them anew.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan depends on."""

    views: Sequence[GroupView]
    """Every group of the fleet, once, in any order."""
    quotes: Mapping[str, Quote]
    """By series."""
    holds: Sequence[Hold]
    """Expired ones may be among them."""
    policy: PolicySettings
    farm: FarmSettings
    now: float
    """Instant that prices, dwell and payback count by."""
    wall: float | None = None
    """Instant that holds count by; none: `now`. They differ only in a replay."""
    foresight: Mapping[str, SiteForesight] = field(default_factory=dict)
    """What the coming day holds, by site; where there is none, groups go by payback."""


def plan(situation: Situation) -> Plan:
    """Decide for the whole fleet at once."""
    market = economics.market(situation.farm, situation.quotes)
    by_site: dict[str, list[Case]] = defaultdict(list)
    for case in _cases(situation, market):
        by_site[case.view.site].append(case)
    menus: Menus = {}
    stakes = {
        site: _stakes(situation, market, cases, menus) for site, cases in sorted(by_site.items())
    }
    allocations = _allocate(situation, market, stakes)
    verdicts = [
        one
        for site, allocation in allocations.items()
        for one in _verdicts(situation, market, stakes[site], allocation)
    ]
    verdicts.sort(key=lambda v: (v.stake.case.view.key.rig, v.stake.case.view.key.group))
    power_w: dict[str, list[float]] = {site: [] for site in stakes}
    for one in verdicts:
        power_w[one.stake.case.view.site].append(one.power_w)
    return Plan(
        at=situation.now,
        decisions=tuple(decision(one) for one in verdicts),
        net_usd_per_h=math.fsum(one.net_usd_per_h or 0.0 for one in verdicts),
        power_w={site: math.fsum(watts) for site, watts in power_w.items()},
        warnings=tuple(_warnings(situation, market, allocations, verdicts)),
    )


def _cases(situation: Situation, market: Market) -> Iterator[Case]:
    """By key, so that the order of the views decides nothing."""
    wall = situation.now if situation.wall is None else situation.wall
    holds = standing.holds_in_force(situation.holds, wall)
    known: dict[Kin, tuple[int, dict[str | None, Prospect]]] = {}
    for view in sorted(situation.views, key=lambda view: (view.key.rig, view.key.group)):
        offer, figures = view.offer, view.figures
        alike = (view.site, view.rig_class, len(offer.gpus), offer.workloads, id(figures or None))
        if alike not in known:
            known[alike] = len(known), {p.workload: p for p in market.prospects(view)}
        kin, prospects = known[alike]
        end = view.assigned_at + situation.policy.dwell_s
        yield Case(
            view=view,
            standing=standing.standing(view, holds.get(view.key)),
            prospects=prospects,
            kin=kin,
            rejected=standing.rejections(view),
            dwell_left_s=max(0.0, end - situation.now) if view.generation else 0.0,
        )


def _stakes(
    situation: Situation, market: Market, cases: Sequence[Case], menus: Menus
) -> list[Stake]:
    """What each group of a site may do, given how busy the servers among them are now."""
    site, policy = cases[0].view.site, situation.policy
    ahead = situation.foresight.get(site) if policy.timing is Timing.LOOK_AHEAD else None
    promises: list[Promises | None] = [None] * len(cases)
    if ahead is not None:
        alone = [(case, 1) for case in cases]
        parts = foresight.promises(ahead, alone, market.tariff_usd_per_kwh(site), policy)
        promises = [promised for ((_, promised),) in parts]
    seated = [i for i, case in enumerate(cases) if case.seated]
    shares = dict(
        zip(
            seated,
            economics.busy_shares(
                [gain_usd_per_h(cases[i].now) for i in seated], market.demand(site).groups
            ),
            strict=True,
        )
    )
    return [
        stake(case, shares.get(i, 0.0), policy, menus, promises[i]) for i, case in enumerate(cases)
    ]


def _allocate(
    situation: Situation, market: Market, stakes: Mapping[str, Sequence[Stake]]
) -> dict[str, SiteAllocation]:
    policy = situation.policy
    begun = {site: sum(map(_begun, members)) for site, members in stakes.items()}
    problems = {
        site: SiteProblem(
            tuple(member.candidate for member in members),
            Limits(
                market.demand(site).groups,
                market.power_cap_w(site),
                max(0, policy.site_switches_max - begun[site]),
            ),
        )
        for site, members in stakes.items()
    }
    return allocate(problems, max(0, policy.switches_max - sum(begun.values())))


def _begun(member: Stake) -> bool:
    """Whether the group is in a switch anyway, or an operator's hold sends it into one."""
    case = member.case
    # A locked group is assigned what it runs: it goes nowhere.
    tied = not case.standing.free and case.standing.block is not Block.LOCKED
    held_away = tied and case.standing.tied_to != case.view.assigned
    return case.standing.in_switch or held_away


def _verdicts(
    situation: Situation, market: Market, members: Sequence[Stake], allocation: SiteAllocation
) -> Iterator[Verdict]:
    site = members[0].case.view.site
    outcome = allocation.outcome
    chosen = [
        member.candidate.choices[pick] for member, pick in zip(members, outcome.picks, strict=True)
    ]
    picture = SitePicture(
        demand=market.demand(site),
        serving=sum(choice.serves for choice in chosen),
        power_cap_w=market.power_cap_w(site),
        power_w=outcome.power_w,
        capped=allocation.watt_price > 0.0,
        policy=situation.policy,
    )
    for i, (member, choice) in enumerate(zip(members, chosen, strict=True)):
        waiting = i in allocation.waiting
        yield verdict(member, choice, outcome.shares[i], picture, waiting=waiting)


def _warnings(
    situation: Situation,
    market: Market,
    allocations: Mapping[str, SiteAllocation],
    verdicts: Sequence[Verdict],
) -> Iterator[str]:
    for site, allocation in allocations.items():
        cap_w = market.power_cap_w(site)
        if allocation.outcome.power_w > cap_w + capacity.TOLERANCE_W:
            yield reasons.over_cap(site, cap_w, allocation.outcome.power_w)
    switching = Counter(
        one.stake.case.view.site for one in verdicts if _begun(one.stake) or one.moves
    )
    policy = situation.policy
    if switching.total() > policy.switches_max:
        yield reasons.over_switches("the fleet", switching.total(), policy.switches_max)
    for site, count in sorted(switching.items()):
        if count > policy.site_switches_max:
            yield reasons.over_switches(f"site {site}", count, policy.site_switches_max)
