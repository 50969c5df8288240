"""How fast a fleet follows its plan: canaries, waves, a budget of failures, a ramp of watts.

It holds back moves that a price asks for, and adds none. What an operator's hold, a contract, a
power cap or a failure asks for goes through, and so does whatever saves watts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from controller.core import reasons
from controller.core.model import Block, Decision, GroupKey, GroupView, Plan
from wire.model import Phase

RAMP_S = 60.0
"""A ramp counts watts in any minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """What keeps a mistake small. Everything is off but the budget of failures."""

    canary_groups: int = 0
    """Groups of a class that try a workload first, where none has proven it; 0: all at once."""
    canary_s: float = 600.0
    """How long one must have run it before others follow."""
    wave_ratio: float = 1.0
    """Part of a class that may be on its way to one workload at once, above 0 to 1."""
    failures_max: int = 5
    """Failed switches of a class to one workload, and at least half of all, that end the rest."""
    failures_window_s: float = 3600.0
    """How long a failed switch counts."""
    ramp_w_per_min: float | None = None
    """Most that the groups of one site may add in a minute; none: no ramp."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A switch that has ended."""

    key: GroupKey
    workload: str
    at: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Watts that a group has begun to add."""

    site: str
    at: float
    watts: float


@dataclass(frozen=True, slots=True)
class History:
    """What a rollout remembers."""

    attempts: tuple[Attempt, ...] = ()
    steps: tuple[Step, ...] = ()

    def since(self, settings: RolloutSettings, now: float) -> History:
        """Without what no longer counts."""
        return History(
            tuple(a for a in self.attempts if now - a.at < settings.failures_window_s),
            tuple(s for s in self.steps if now - s.at < _span_s(s, settings)),
        )


@dataclass(slots=True)
class _Lane:
    """All groups of one class on their way to one workload."""

    size: int = 0
    """Groups of the class that offer it."""
    moving: int = 0
    young: int = 0
    """Groups that run it, but not for long enough to prove anything."""
    proven: bool = False
    failed: int = 0
    ended: int = 0
    canaries: list[GroupKey] = field(default_factory=list)
    """Who is on the way there, or there."""


Lanes = dict[tuple[str, str], _Lane]
"""By class and workload."""


def admitted(
    plan: Plan,
    views: Sequence[GroupView],
    ordered: Set[GroupKey],
    history: History,
    settings: RolloutSettings,
) -> tuple[Plan, tuple[Step, ...]]:
    """The plan with the moves held back that must wait, and the steps of those that need not.

    Args:
        plan: As decided; its instant is now.
        views: Every group that it decides for.
        ordered: Groups that an operator's hold stands on.
        history: What has happened lately.
        settings: How fast it may go.
    """
    moving = sorted((d for d in plan.decisions if d.moves), key=_urgency)
    if not moving:
        return plan, ()
    now, known = plan.at, {view.key: view for view in views}
    lately = history.since(settings, now)
    lanes = _lanes(views, lately, settings, now)
    steps = list(lately.steps)
    held: dict[GroupKey, str] = {}
    for decision in moving:
        view = known[decision.key]
        step = Step(view.site, now, _added_w(decision))
        why = ""
        if decision.key not in ordered and _for_money(decision, view):
            why = _ramp_why(step, steps, settings) or _lane_why(decision, view, lanes, settings)
        if why:
            held[decision.key] = why
        elif step.watts > 0:
            steps.append(step)
    return _held_back(plan, known, held), tuple(steps[len(lately.steps) :])


def _held_back(
    plan: Plan, views: Mapping[GroupKey, GroupView], held: Mapping[GroupKey, str]
) -> Plan:
    """The plan with these groups left where they are."""
    if not held:
        return plan
    waiting = [decision for decision in plan.decisions if decision.key in held]
    power_w = dict(plan.power_w)
    for decision in waiting:
        power_w[views[decision.key].site] -= _added_w(decision)
    return replace(
        plan,
        decisions=tuple(_kept(d, held.get(d.key)) for d in plan.decisions),
        net_usd_per_h=plan.net_usd_per_h - math.fsum(map(_gain_usd_per_h, waiting)),
        power_w=power_w,
    )


def _for_money(decision: Decision, view: GroupView) -> bool:
    """Whether a price alone moves it."""
    active = view.status.active if view.status is not None else None
    return not decision.committed and decision.chosen != active and _gain_usd_per_h(decision) > 0.0


def _urgency(decision: Decision) -> tuple[float, GroupKey]:
    """Who gains most goes first; without a price, last."""
    return -_gain_usd_per_h(decision), decision.key


def _gain_usd_per_h(decision: Decision) -> float:
    nets = {option.workload: option.net_usd_per_h for option in decision.options}
    present, target = nets.get(decision.current), nets.get(decision.chosen)
    return -math.inf if present is None or target is None else target - present


def _added_w(decision: Decision) -> float:
    watts = {option.workload: option.power_w or 0.0 for option in decision.options}
    return watts.get(decision.chosen, 0.0) - watts.get(decision.current, 0.0)


def _lanes(
    views: Iterable[GroupView], history: History, settings: RolloutSettings, now: float
) -> Lanes:
    lanes: Lanes = defaultdict(_Lane)
    classes = {}
    for view in views:
        classes[view.key] = view.rig_class
        for offer in view.offer.workloads:
            lanes[view.rig_class, offer.name].size += 1
        if view.assigned is not None:
            _count(lanes[view.rig_class, view.assigned], view, settings, now)
    for attempt in history.attempts:
        if attempt.key in classes:
            lane = lanes[classes[attempt.key], attempt.workload]
            lane.ended += 1
            lane.failed += attempt.failed
    return lanes


def _count(lane: _Lane, view: GroupView, settings: RolloutSettings, now: float) -> None:
    status = view.status
    if status is None or not view.online:
        return
    if not status.phase.stable or status.generation < view.generation:
        lane.moving += 1
    elif status.phase is not Phase.RUNNING or status.active != view.assigned:
        return
    elif now - view.assigned_at >= settings.canary_s:
        lane.proven = True
    else:
        lane.young += 1
    lane.canaries.append(view.key)


def _lane_why(decision: Decision, view: GroupView, lanes: Lanes, settings: RolloutSettings) -> str:
    """Why a move to its workload must wait; empty: it need not."""
    if decision.chosen is None:
        return ""
    lane = lanes[view.rig_class, decision.chosen]
    budget = settings.failures_max
    if budget and lane.failed >= budget and 2 * lane.failed >= lane.ended:
        return reasons.stopped(lane.failed, lane.ended, settings.failures_window_s)
    if settings.canary_groups and not lane.proven:
        if lane.moving + lane.young >= settings.canary_groups:
            names = ", ".join(map(str, lane.canaries[: settings.canary_groups]))
            return reasons.canary(names, settings.canary_s)
        lane.canaries.append(view.key)
    elif lane.moving >= max(1, math.floor(settings.wave_ratio * lane.size)):
        return reasons.wave(lane.moving, lane.size)
    lane.moving += 1
    return ""


def _ramp_why(step: Step, steps: Sequence[Step], settings: RolloutSettings) -> str:
    """Why its watts must wait; empty: they need not."""
    ramp, recent = settings.ramp_w_per_min, [s for s in steps if s.site == step.site]
    begun_w = sum(each.watts for each in recent)
    # A group that is larger than the whole ramp goes alone, and the next waits for its minutes.
    if ramp is None or step.watts <= 0 or not recent or begun_w + step.watts <= ramp:
        return ""
    return reasons.ramp(step.site, begun_w, ramp)


def _span_s(step: Step, settings: RolloutSettings) -> float:
    """How long a step takes up the ramp."""
    ramp = settings.ramp_w_per_min
    return RAMP_S if ramp is None else RAMP_S * max(1.0, step.watts / ramp)


def _kept(decision: Decision, why: str | None) -> Decision:
    """Where it is, if it must wait."""
    if why is None:
        return decision
    kinds = {option.workload: option.kind for option in decision.options}
    stays = reasons.act(decision.current, kinds.get(decision.current))
    return replace(
        decision,
        chosen=decision.current,
        kind=kinds.get(decision.current),
        reason=reasons.held_back(stays, reasons.spelt(decision.chosen), why),
        blocked=Block.ROLLOUT,
    )


def problems(settings: RolloutSettings) -> Iterator[str]:
    """What in these settings cannot be meant; each one sentence."""
    counts: Mapping[str, int] = {
        "canary_groups": settings.canary_groups,
        "failures_max": settings.failures_max,
    }
    for name, count in counts.items():
        if count < 0:
            yield f"rollout.{name} must be 0 (off) or more, not {count}"
    if not 0 < settings.wave_ratio <= 1:
        yield f"rollout.wave_ratio must be above 0 to 1 (no waves), not {settings.wave_ratio:g}"
    for name, seconds in (
        ("canary_s", settings.canary_s),
        ("failures_window_s", settings.failures_window_s),
    ):
        if not 0 < seconds < math.inf:
            yield f"rollout.{name} must be above 0 and finite, not {seconds:g}"
    ramp = settings.ramp_w_per_min
    if ramp is not None and not 0 < ramp < math.inf:
        yield "rollout.ramp_w_per_min must be above 0; leave it out for no ramp"
