"""What looking ahead promises each group of a site, by workload.

Requests are filled in an order: who earns most by being busy first, of equals who serves now.
Groups are taken in that order; those before a group that serve, or had better, leave it the rest
of the demand. This promises only: what a group may do, and what limits allow, is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from controller.core import reasons
from controller.core.alike import Alike, alike
from controller.core.options.case import Case, Promises, gain_usd_per_h, reachable
from controller.core.options.economics import Prospect
from controller.core.policy.settings import PolicySettings
from controller.core.timing.advantage import SiteForesight
from controller.core.timing.forecast import Foretold

POOLS_MAX = 16
"""Kinds of groups at one site that are looked ahead for; groups of rarer kinds go by payback."""

_Kind = tuple[int, str]
"""Kin, and the workload that sleeps there; empty: none."""

Part = tuple[int, Promises | None]
"""So many groups are promised this; nothing: no price may move them, or nothing is foreseen."""


def promises(
    foresight: SiteForesight,
    cases: Sequence[tuple[Case, int]],
    tariff_usd_per_kwh: float | None,
    policy: PolicySettings,
) -> list[list[Part]]:
    """For each case of a site, how its groups fare, the first ones first.

    Args:
        foresight: The coming day at the site.
        cases: With the number of groups that each stands for, in a fixed order.
        tariff_usd_per_kwh: What the cases' prospects reckon with; none: they have no price.
        policy: What switches cost and must gain.
    """
    if tariff_usd_per_kwh is None:
        return [[(count, None)] for _, count in cases]
    kinds = _kinds(cases, tariff_usd_per_kwh, policy)
    known: dict[tuple[_Kind, str | None, int], Promises] = {}
    parts: list[list[Part]] = [[] for _ in cases]
    serving = 0
    for i in _filling([case for case, _ in cases]):
        case, left = cases[i]
        kind, runs = kinds.get(_kind(case)), case.standing.runs
        if kind is None or not case.standing.free or runs not in kind.workloads:
            parts[i].append((left, None))
            serving += left * case.seated
            continue
        while left:
            block = foresight.block(serving)
            place = _kind(case), runs, block
            if place not in known:
                known[place] = _promised(foresight, kind, runs, block)
            serves = _had_better_serve(case, known[place])
            here = min(left, foresight.end(block) - serving) if serves else left
            parts[i].append((here, known[place]))
            serving += here * serves
            left -= here
    return parts


def _kinds(
    cases: Sequence[tuple[Case, int]], tariff_usd_per_kwh: float, policy: PolicySettings
) -> Mapping[_Kind, Alike | None]:
    """The most numerous ones."""
    counts: Counter[_Kind] = Counter()
    first: dict[_Kind, Case] = {}
    for case, count in cases:
        kind = _kind(case)
        counts[kind] += count
        first.setdefault(kind, case)
    numerous = sorted(counts, key=lambda kin: (-counts[kin], kin))[:POOLS_MAX]
    return {kin: alike(first[kin], tariff_usd_per_kwh, policy) for kin in numerous}


def _kind(case: Case) -> _Kind:
    """Who comes back sooner to what sleeps there is of a kind of its own."""
    return case.kin, case.view.parked or ""


def _filling(cases: Sequence[Case]) -> Iterator[int]:
    """The order in which requests would be filled if everybody served who can."""
    most = {
        kin: max(map(gain_usd_per_h, filter(_waits_for_work, prospects)), default=0.0)
        for kin, prospects in {case.kin: case.prospects.values() for case in cases}.items()
    }
    ranks = (
        (-(gain_usd_per_h(case.now) if case.seated else most[case.kin]), not case.seated, i)
        for i, case in enumerate(cases)
    )
    return (i for _, _, i in sorted(ranks))


def _waits_for_work(prospect: Prospect) -> bool:
    return prospect.serves and prospect.busy_usd_per_h is not None


def _promised(foresight: SiteForesight, kind: Alike, runs: str | None, block: int) -> Promises:
    gains = foresight.gains(kind.pool, kind.workloads.index(runs), block)
    return Promises(
        now_usd=dict(zip(kind.workloads, gains.wait_usd, strict=True)),
        day_usd=dict(zip(kind.workloads, gains.stay_usd, strict=True)),
        settled_usd=dict(zip(kind.workloads, gains.settle_usd, strict=True)),
        tick_s=foresight.told.tick_s,
        ahead_h=foresight.told.ahead_h,
        news=_news(foresight.told),
    )


def _news(told: Foretold) -> str:
    if told.turn is None:
        return ""
    hours, usd_per_kwh = told.turn
    return reasons.turn(hours, usd_per_kwh, float(told.power_usd_per_kwh[0]))


def _had_better_serve(case: Case, promised: Promises) -> bool:
    """Whether the group uses up demand once it does what is best for it."""
    elsewhere = reachable(case)
    if case.dwell_left_s > 0.0 or not elsewhere:
        return case.seated
    best = max(elsewhere, key=promised.now_usd.__getitem__)
    return case.prospects[best].serves if promised.now_usd[best] > 0.0 else case.seated
