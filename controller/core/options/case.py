"""One group's case: its options at today's prices, and what moving to each would have to gain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.core.model import GroupView
from controller.core.options import appraisal
from controller.core.options.choice import FORCED_USD_PER_H, Candidate, Choice
from controller.core.options.economics import Prospect
from controller.core.options.standing import Standing
from controller.core.options.terms import NO_TERMS, Terms
from controller.core.policy.settings import SECONDS_PER_H, PolicySettings, Route, hurdle_usd_per_h

FILLING_RATIO = 1e-9
"""What being busy still counts beside a promise, which holds it: it tells who is filled first."""


@dataclass(frozen=True, slots=True)
class Case:
    """A group, what it could do, and what stands in its way."""

    view: GroupView
    standing: Standing
    prospects: Mapping[str | None, Prospect]
    """By workload; standing still first."""
    kin: int
    """Groups of one number share their prospects."""
    rejected: Mapping[str, str]
    """Workloads that failed here, and why."""
    dwell_left_s: float
    """How long it still stays where it was put."""
    terms: Terms = NO_TERMS
    """What the policy asks of its choice."""

    @property
    def now(self) -> Prospect | None:
        """What it does now; none when its rig does not offer that any more."""
        return self.prospects.get(self.standing.runs)

    @property
    def seated(self) -> bool:
        """Whether what it does now uses up inference demand; a contract is demand of its own."""
        return self.now is not None and self.now.serves and not self.view.committed


@dataclass(frozen=True, slots=True, kw_only=True)
class Promises:
    """What the coming day is expected to bring a group that goes elsewhere now, by workload.

    Switch cost and margin are counted; the present workload promises nothing.
    """

    now_usd: Mapping[str | None, float]
    """Beyond staying for a tick and doing then what is best: above 0, waiting loses money."""
    day_usd: Mapping[str | None, float]
    """Beyond staying all day long; for people."""
    settled_usd: Mapping[str | None, float]
    """The same, if the group then stays there all day long; for people."""
    tick_s: float
    """Length of that tick, seconds."""
    ahead_h: float
    """How far was looked, hours."""
    news: str = ""
    """What is announced of power, for people, one clause."""

    def usd_per_h(self, workload: str | None) -> float:
        """What waiting loses, as a rate."""
        return self.now_usd.get(workload, 0.0) / self.tick_s * SECONDS_PER_H

    def short_usd_per_h(self, workload: str | None) -> float:
        """How much more a workload must net, in every hour, to be worth going there now."""
        if self.now_usd.get(workload, 0.0) > 0.0:
            return -self.usd_per_h(workload)
        lasting_usd = self.settled_usd.get(workload, 0.0)
        return -lasting_usd / self.ahead_h if lasting_usd < 0.0 else -self.usd_per_h(workload)


@dataclass(frozen=True, slots=True)
class Stake:
    """A case with what each option would have to gain over the present one."""

    case: Case
    hurdles: Mapping[str | None, float]
    """$/h by workload, 0 for the present one; options that no price may choose are left out."""
    candidate: Candidate
    promises: Promises | None = None
    """What decides instead of net and hurdle, where somebody has looked ahead."""


Menus = dict[tuple[object, ...], tuple[Choice, ...]]
"""Choices that have been made up already: most groups of a large fleet are alike."""


def stake(
    case: Case,
    share: float,
    policy: PolicySettings,
    menus: Menus,
    promises: Promises | None = None,
) -> Stake:
    """What the group may do, for the allocation; `share` is how busy it is now, 0 to 1."""
    standing = case.standing
    hurdles: dict[str | None, float] = {standing.runs: 0.0}
    if standing.free and promises is None:
        hurdles |= case.terms.weighed(_hurdles(case, share, policy), standing.runs)
    elif promises is not None:
        hurdles |= case.terms.weighed(dict.fromkeys(reachable(case), 0.0), standing.runs)
    dwells = case.dwell_left_s > 0.0
    told = None if promises is None else tuple(promises.now_usd.items())
    shared = (case.kin, standing.free, dwells, case.seated, id(case.terms))
    alike = (*shared, tuple(hurdles.items()), told)
    if alike not in menus:
        menus[alike] = tuple(map(case.terms.counted, _choices(case, hurdles, promises)))
    return Stake(case, hurdles, Candidate(case.view.key, menus[alike]), promises)


def reachable(case: Case) -> list[str | None]:
    """Workloads beside the present one that a price may choose; none while that has no price."""
    if case.now is None or None in (case.now.busy_usd_per_h, case.prospects[None].busy_usd_per_h):
        return []
    return [
        workload
        for workload, prospect in case.prospects.items()
        if workload != case.standing.runs
        and (workload is None or workload not in case.rejected)
        and prospect.busy_usd_per_h is not None
    ]


def gain_usd_per_h(prospect: Prospect | None) -> float:
    """What being busy adds; a server without a price is taken to be busy first."""
    idle = None if prospect is None else prospect.idle_usd_per_h
    busy = None if prospect is None else prospect.busy_usd_per_h
    return FORCED_USD_PER_H if idle is None or busy is None else busy - idle


def _hurdles(case: Case, share: float, policy: PolicySettings) -> dict[str | None, float]:
    """Of every option that a price may choose; none while the present one has no price."""
    now, still = case.now, case.prospects[None]
    present = None if now is None else now.net_usd_per_h(share if case.seated else 1.0)
    nothing = still.busy_usd_per_h
    if now is None or present is None or nothing is None:
        return {}
    forgone = present - nothing
    return {
        workload: hurdle_usd_per_h(
            policy,
            Route(
                now.kind,
                case.prospects[workload].kind,
                switch_s(case.view, now.workload, workload),
                forgone,
            ),
        )
        for workload in reachable(case)
    }


def switch_s(view: GroupView, origin: str | None, target: str | None) -> float | None:
    """Measured seconds: of this very switch, else of what switches here typically take."""
    woken_s = appraisal.wake_s(view, origin, target)
    if woken_s is not None:
        return woken_s
    if not view.figures:
        return view.switch_s
    known = appraisal.switch_s(view.figures, origin, target)
    return view.switch_s if known is None else known


def _choices(
    case: Case, hurdles: Mapping[str | None, float], promises: Promises | None
) -> Iterator[Choice]:
    """To stay, and all that a price or, at a forbidding handicap, only a power cap may choose."""
    runs = case.standing.runs
    yield _choice(case.now, runs, 0.0, promises, seated=case.seated)
    if not case.standing.free:
        return
    dwells, thrifty = case.dwell_left_s > 0.0, bool(case.terms.thrift)
    for workload, hurdle in hurdles.items():
        if workload != runs:
            prospect = case.prospects[workload]
            barred = dwells or (thrifty and workload is not None)
            handicap = hurdle + (FORCED_USD_PER_H if barred else 0.0)
            yield _choice(prospect, workload, handicap, promises, seated=prospect.serves)
    if None not in hurdles:
        yield _choice(case.prospects[None], None, FORCED_USD_PER_H, promises, seated=False)


def _choice(
    prospect: Prospect | None,
    workload: str | None,
    handicap: float,
    promises: Promises | None,
    *,
    seated: bool,
) -> Choice:
    if prospect is None:
        return Choice(workload, -handicap, 0.0)
    busy_w, idle_w = prospect.busy_w or 0.0, prospect.idle_w or 0.0
    busy, idle = prospect.busy_usd_per_h or 0.0, prospect.idle_usd_per_h or 0.0
    gain = gain_usd_per_h(prospect)
    if promises is not None:
        busy = idle = promises.usd_per_h(workload)
        gain *= FILLING_RATIO
    if not seated:
        return Choice(workload, busy - handicap, busy_w)
    return Choice(workload, idle - handicap, idle_w, True, gain, busy_w - idle_w)
