"""From what was allocated to what is said: options, what blocked them, and how far to the flip."""

from __future__ import annotations

import math

from controller.core import reasons
from controller.core.model import Block, Decision, Option
from controller.core.options import appraisal
from controller.core.options.case import Case, switch_s
from controller.core.options.economics import Prospect
from controller.core.planning.verdict import SitePicture, Verdict, binding
from controller.core.policy.settings import Route, switch_usd
from controller.core.timing.forecast import HORIZON_H


def decision(verdict: Verdict) -> Decision:
    """The verdict in full."""
    case = verdict.stake.case
    options = sorted(
        (_option(verdict, prospect) for prospect in case.prospects.values()),
        key=lambda o: math.inf if o.net_usd_per_h is None else -o.net_usd_per_h,
    )
    rival = _rival(verdict, options)
    blocked = Block.NONE if rival is None else rival.blocked
    tied = not case.standing.free
    chosen = case.standing.tied_to if tied else verdict.workload
    prospect = case.prospects.get(chosen)
    return Decision(
        key=case.view.key,
        current=case.view.assigned,
        chosen=chosen,
        kind=None if prospect is None else prospect.kind,
        options=tuple(options),
        reason=_reason(verdict, options, rival) + _premium(verdict),
        blocked=case.standing.block if tied and rival is not None else blocked,
        flip_usd_per_h=None if tied else _flip(verdict, options),
        breaks_lock=case.standing.breaks_lock,
        committed=case.view.committed,
        switch_usd=_switch_usd(verdict, prospect),
    )


def _switch_usd(verdict: Verdict, target: Prospect | None) -> float:
    """What it costs to move, if it moves."""
    case = verdict.stake.case
    origin = case.prospects.get(case.view.assigned)
    if (None if target is None else target.workload) == case.view.assigned:
        return 0.0
    still = case.prospects[None].busy_usd_per_h or 0.0
    forgone = 0.0 if origin is None else (origin.busy_usd_per_h or 0.0) - still
    before, after = (None if one is None else one.kind for one in (origin, target))
    took_s = case.view.switch_s
    if target is not None and case.view.parked == target.workload:
        took_s = switch_s(case.view, case.view.assigned, target.workload)
    return switch_usd(verdict.site.policy, Route(before, after, took_s, forgone))


def _premium(verdict: Verdict) -> str:
    """What rules add to the chosen option."""
    terms = verdict.stake.case.terms
    premium = terms.premiums.get(verdict.workload)
    if premium is None or not verdict.stake.case.standing.free:
        return ""
    return reasons.premium(terms.premium_usd_per_h(verdict.workload), premium.rules)


def _option(verdict: Verdict, prospect: Prospect) -> Option:
    busy = _busy(verdict, prospect)
    revenue = prospect.revenue_usd_per_h
    block, why = _block(verdict, prospect)
    return Option(
        workload=prospect.workload,
        kind=prospect.kind,
        net_usd_per_h=prospect.net_usd_per_h(busy),
        revenue_usd_per_h=None if revenue is None else busy * revenue,
        power_w=prospect.power_w(busy),
        blocked=block,
        why=why,
        basis=_basis(verdict.stake.case, prospect),
        power_source=prospect.power_source,
        busy_w=prospect.busy_w,
        nameplate_w=prospect.nameplate_w,
    )


def _basis(case: Case, prospect: Prospect) -> str:
    """Where its figures come from, and whether it is asleep there already."""
    if prospect.workload is None or case.view.parked != prospect.workload:
        return prospect.basis
    woken_s = appraisal.wake_s(case.view, case.view.assigned, prospect.workload)
    asleep = reasons.asleep(woken_s)
    return f"{prospect.basis}; {asleep}" if prospect.basis else asleep


def _busy(verdict: Verdict, prospect: Prospect) -> float:
    """How busy the group would be with this option, the rest of the plan unchanged."""
    if prospect.workload == verdict.workload:
        return verdict.busy
    if not prospect.serves:
        return 1.0
    if verdict.seated:
        return verdict.busy
    return verdict.site.demand.next_share(verdict.site.serving)


def _block(verdict: Verdict, prospect: Prospect) -> tuple[Block, str]:
    """What keeps the group from an option, if that would pay more."""
    case, workload = verdict.stake.case, prospect.workload
    if workload == verdict.workload:
        return Block.NONE, ""
    if workload is not None and workload in case.rejected:
        return Block.REJECTED, reasons.rejected(case.rejected[workload])
    if prospect.problem:
        return Block.NO_QUOTE, prospect.problem
    chosen, full = verdict.net_usd_per_h, prospect.busy_usd_per_h
    if not case.standing.free and (chosen is None or full is None or full > chosen):
        return case.standing.block, case.standing.why
    if chosen is None:
        unpriced = verdict.prospect.problem if verdict.prospect is not None else ""
        return Block.NO_QUOTE, unpriced or "what the group does now has no price"
    if full is None or full <= chosen:
        return Block.NONE, ""
    return _limit(verdict, prospect)


def _waits(case: Case, prospect: Prospect) -> tuple[Block, str] | None:
    """What keeps a group where it is, whatever an option pays; none: nothing does."""
    if case.dwell_left_s > 0:
        return Block.DWELL, reasons.dwell(case.dwell_left_s)
    if case.terms.thrift and prospect.workload is not None:
        return Block.BUDGET, case.terms.thrift
    return None


def _limit(verdict: Verdict, prospect: Prospect) -> tuple[Block, str]:
    """Of an option that pays more at least when busy."""
    case, site = verdict.stake.case, verdict.site
    if _too_little(verdict, prospect):
        return Block.MARGIN, _margin(verdict, prospect)
    if _short(verdict, prospect, _busy(verdict, prospect)) >= 0:
        return Block.NO_DEMAND, reasons.demand(site.demand.groups, site.serving)
    waits = None if verdict.moves else _waits(case, prospect)
    if waits is not None:
        return waits
    if verdict.waiting:
        limits = site.policy.site_switches_max, site.policy.switches_max
        return Block.CONCURRENCY, reasons.concurrency(*limits)
    names = verdict.owed or _counted(verdict, prospect)
    if names:
        return Block.REQUIREMENT, reasons.required(names)
    scarce = _scarce(site)
    if scarce is not None:
        return scarce
    if prospect.serves:
        return Block.NO_DEMAND, reasons.demand(site.demand.groups, site.serving)
    return Block.MARGIN, _margin(verdict, prospect)


def _scarce(site: SitePicture) -> tuple[Block, str] | None:
    """What keeps a site from drawing more; none: nothing."""
    if site.capped:
        return Block.POWER_CAP, reasons.power_cap(site.power_cap_w, site.power_w)
    if site.wish is not None and site.wish.holds:
        return Block.DEMAND_CHARGE, reasons.peak(site.wish)
    return None


def _too_little(verdict: Verdict, prospect: Prospect) -> bool:
    """Whether an option would not win even if somebody used it all the time."""
    if verdict.stake.promises is None or not prospect.serves:
        return _short(verdict, prospect, 1.0) >= 0
    # What is promised counts the demand that is expected: today's may still be what is missing.
    chosen, net = verdict.net_usd_per_h, prospect.net_usd_per_h(_busy(verdict, prospect))
    demanded = chosen is not None and net is not None and net > chosen
    return demanded and _short(verdict, prospect, 1.0) >= 0


def _margin(verdict: Verdict, prospect: Prospect) -> str:
    """What a move would have to gain, or what it is expected to."""
    stake = verdict.stake
    if stake.promises is None:
        return reasons.margin(stake.hurdles.get(prospect.workload, 0.0))
    promises = stake.promises
    less = reasons.expected_less(
        promises.settled_usd.get(prospect.workload, 0.0),
        promises.now_usd.get(prospect.workload, 0.0),
        HORIZON_H,
    )
    return less + promises.news


def _counted(verdict: Verdict, prospect: Prospect) -> tuple[str, ...]:
    """The binding requirements that an option would count towards."""
    choices = verdict.stake.candidate.choices
    found = (binding(c, verdict.site) for c in choices if c.workload == prospect.workload)
    return next(found, ())


def _short(verdict: Verdict, prospect: Prospect, busy: float) -> float:
    """How much an option's net must rise to beat the chosen one, hurdles counted, $/h.

    Where somebody has looked ahead: in every hour looked at.
    """
    chosen, net = verdict.net_usd_per_h, prospect.net_usd_per_h(busy)
    if chosen is None or net is None:
        return math.inf
    stake, hurdles = verdict.stake, verdict.stake.hurdles
    if stake.promises is not None:
        if prospect.workload not in hurdles:
            return math.inf
        short = stake.promises.short_usd_per_h
        return short(prospect.workload) - short(verdict.workload)
    present = hurdles.get(verdict.workload, 0.0)
    return (chosen - present) - (net - hurdles.get(prospect.workload, 0.0))


def _rival(verdict: Verdict, options: list[Option]) -> Option | None:
    """The best-paying option that something keeps the group from; none: it has the best."""
    blocked = [
        option
        for option in options
        if option.blocked is not Block.NONE and _lead(verdict, option) > 0.0
    ]
    return max(blocked, key=lambda option: _lead(verdict, option), default=None)


def _lead(verdict: Verdict, option: Option) -> float:
    """What an option nets more than the chosen one, at least if somebody used it all the time."""
    chosen = verdict.net_usd_per_h
    if chosen is None:
        return math.inf
    full = verdict.stake.case.prospects[option.workload].busy_usd_per_h
    if option.net_usd_per_h is None or full is None:
        return -math.inf
    return (option.net_usd_per_h if option.net_usd_per_h > chosen else full) - chosen


def _flip(verdict: Verdict, options: list[Option]) -> float | None:
    """The least rise of a rival's net that moves the group; of rivals that a price can help."""
    prospects = verdict.stake.case.prospects
    shorts = [
        _short(verdict, prospects[option.workload], _busy(verdict, prospects[option.workload]))
        for option in options
        if option.workload != verdict.workload and option.blocked in (Block.NONE, Block.MARGIN)
    ]
    return max(0.0, min(shorts)) if shorts and math.isfinite(min(shorts)) else None


def _reason(verdict: Verdict, options: list[Option], rival: Option | None) -> str:
    case, net = verdict.stake.case, verdict.net_usd_per_h
    what = _act(verdict.prospect, verdict.workload)
    if not case.standing.free:
        return reasons.tied(what, net, case.standing.why)
    if verdict.moves:
        return _moved(verdict, what)
    if net is None:
        problem = verdict.prospect.problem if verdict.prospect is not None else ""
        return reasons.unpriced(what, problem or "its rig does not offer it any more")
    failed = case.view.assigned
    if failed != case.standing.runs and failed is not None:
        why = reasons.rejected(case.rejected[failed]) if failed in case.rejected else ""
        return reasons.fallen_back(what, net, failed, why or "its rig does not offer it")
    if rival is not None:
        return reasons.kept_from(what, net, rival, _lead(verdict, rival))
    others = [o for o in options if o.workload != verdict.workload and o.net_usd_per_h is not None]
    promises = verdict.stake.promises
    news = "" if promises is None else promises.news
    return reasons.kept(what, net, others[0] if others else None) + news


def _moved(verdict: Verdict, what: str) -> str:
    now, site, net = verdict.stake.case.now, verdict.site, verdict.net_usd_per_h
    before = _act(now, verdict.stake.case.standing.runs)
    stay = None if now is None else now.net_usd_per_h(_busy(verdict, now))
    if verdict.owed and (net is None or stay is None or net <= stay):
        return reasons.owed(what, before, verdict.owed)
    promises = verdict.stake.promises
    if promises is not None and promises.now_usd.get(verdict.workload, 0.0) > 0.0:
        more_usd = promises.day_usd[verdict.workload]
        return reasons.foreseen(what, before, net, more_usd, HORIZON_H) + promises.news
    scarce = _scarce(site)
    if scarce is not None and (net is None or stay is None or net <= stay):
        return reasons.shed(what, before, scarce[1])
    return reasons.moved(what, before, net, stay)


def _act(prospect: Prospect | None, workload: str | None) -> str:
    return reasons.act(workload, None if prospect is None else prospect.kind)
