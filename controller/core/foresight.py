"""What looking ahead promises each group of a site, by workload.

Requests are filled in an order: who earns most by being busy first, of equals who serves now.
Groups are taken in that order; those before a group that serve, or had better, leave it the rest
of the demand. This promises only: what a group may do, and what limits allow, is decided elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from controller.core.alike import Alike, alike
from controller.core.case import Case, Promises, gain_usd_per_h, reachable
from controller.core.economics import Prospect
from controller.core.policy import PolicySettings
from controller.core.timing.advantage import SiteForesight

POOLS_MAX = 16
"""Kinds of groups at one site that are looked ahead for; groups of rarer kinds go by payback."""


def promises(
    foresight: SiteForesight,
    cases: Sequence[Case],
    tariff_usd_per_kwh: float | None,
    policy: PolicySettings,
) -> list[Promises | None]:
    """For each group of a site; none where no price may move it, or nothing is foreseen for it."""
    if tariff_usd_per_kwh is None:
        return [None] * len(cases)
    kinds = _kinds(cases, tariff_usd_per_kwh, policy)
    found: list[Promises | None] = [None] * len(cases)
    known: dict[tuple[int, str | None, int], Promises] = {}
    serving = 0
    for i in _filling(cases):
        case = cases[i]
        kind, runs = kinds.get(case.kin), case.standing.runs
        if kind is None or not case.standing.free or runs not in kind.workloads:
            serving += case.seated
            continue
        place = case.kin, runs, foresight.block(serving)
        if place not in known:
            origin = kind.workloads.index(runs)
            gains = foresight.gains(kind.pool, origin, place[2])
            known[place] = Promises(
                now_usd=dict(zip(kind.workloads, gains.wait_usd, strict=True)),
                day_usd=dict(zip(kind.workloads, gains.stay_usd, strict=True)),
                tick_s=foresight.told.tick_s,
            )
        found[i] = known[place]
        serving += _had_better_serve(case, known[place])
    return found


def _kinds(
    cases: Sequence[Case], tariff_usd_per_kwh: float, policy: PolicySettings
) -> Mapping[int, Alike | None]:
    """By kin, the most numerous ones."""
    kins: dict[int, list[Case]] = defaultdict(list)
    for case in cases:
        kins[case.kin].append(case)
    numerous = sorted(kins, key=lambda kin: (-len(kins[kin]), kin))[:POOLS_MAX]
    return {kin: alike(kins[kin], tariff_usd_per_kwh, policy) for kin in numerous}


def _filling(cases: Sequence[Case]) -> list[int]:
    """The order in which requests would be filled if everybody served who can."""
    most = {
        kin: max(map(gain_usd_per_h, filter(_waits_for_work, prospects)), default=0.0)
        for kin, prospects in {case.kin: case.prospects.values() for case in cases}.items()
    }
    ranks = (
        (-(gain_usd_per_h(case.now) if case.seated else most[case.kin]), not case.seated, i)
        for i, case in enumerate(cases)
    )
    return [i for _, _, i in sorted(ranks)]


def _waits_for_work(prospect: Prospect) -> bool:
    return prospect.serves and prospect.busy_usd_per_h is not None


def _had_better_serve(case: Case, promised: Promises) -> bool:
    """Whether the group uses up demand once it does what is best for it."""
    elsewhere = reachable(case)
    if case.dwell_left_s > 0.0 or not elsewhere:
        return case.seated
    best = max(elsewhere, key=promised.now_usd.__getitem__)
    return case.prospects[best].serves if promised.now_usd[best] > 0.0 else case.seated
