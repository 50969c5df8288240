"""Signals: rules that hold for a time and move a premium, a share or a band while they do.

Whether a condition is true is found elsewhere (`controller.conditions`). Here: when a rule takes
effect, when it ends, and what it changes. A condition that cannot be told counts as false.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.core.fault import Fault, repeated
from controller.core.policy.mandate import DeskSettings, Share, bounds, owner
from wire.model import Kind

RULES_MAX = 64
"""Rules of one policy; each is judged at every plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """What a rule changes while it is in effect."""

    workload_premium_usd_per_gpu_h: dict[str, float] = field(default_factory=dict)
    """By workload: what it counts for more (or less) when choosing, never in what is reported."""
    desk_premium_usd_per_gpu_h: dict[str, float] = field(default_factory=dict)
    """By desk: the same for all its workloads."""
    shares: dict[str, Share] = field(default_factory=dict)
    """By desk: its share of the fleet instead of its own."""
    margin_usd_per_h: float | None = None
    """Band between two workloads instead of the policy's; none: as it is."""
    off_band_usd_per_h: float | None = None
    """Band between a workload and standing still instead of the policy's; none: as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """When something in the world is so, choose otherwise."""

    name: str
    """Unique."""
    when: str
    """Condition in CEL."""
    for_s: float = 0.0
    """Seconds that the condition must have held before the rule takes effect, or ends."""
    then: Then
    """What it changes meanwhile."""
    reason: str
    """Why the owner wants this; stands in the reasons of groups that it moves."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a condition said at one instant."""

    true: bool
    trouble: str = ""
    """Why it cannot be told; it counts as false then."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """Where a rule stands."""

    when: str
    """Condition that this was found with: another one begins anew."""
    active: bool
    against_since: float | None
    """Since when the condition has said the opposite of `active`; none: it agrees."""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Premium:
    """What an option counts for beside its net when it is chosen."""

    usd_per_gpu_h: float
    rules: tuple[str, ...]
    """Whose doing it is: name and reason of each rule."""


States = Mapping[str, RuleState]
"""By rule."""


def advanced(
    states: States, rules: Sequence[RuleSettings], readings: Mapping[str, Reading], now: float
) -> dict[str, RuleState]:
    """Where all rules stand after one more look at their conditions."""
    return {
        rule.name: _advanced(states.get(rule.name), rule, readings[rule.name], now)
        for rule in rules
    }


def _advanced(old: RuleState | None, rule: RuleSettings, reading: Reading, now: float) -> RuleState:
    active = old is not None and old.when == rule.when and old.active
    since = old.against_since if old is not None and old.when == rule.when else None
    if reading.true == active:
        return RuleState(rule.when, active, None, reading.trouble)
    if since is None or since > now:
        since = now
    if now - since >= rule.for_s:
        return RuleState(rule.when, not active, None, reading.trouble)
    return RuleState(rule.when, active, since, reading.trouble)


def in_effect(rules: Sequence[RuleSettings], states: States) -> tuple[RuleSettings, ...]:
    """The rules that count now, in the policy's order: of two, the later one has the last word."""
    return tuple(rule for rule in rules if rule.name in states and states[rule.name].active)


def premium(
    rules: Sequence[RuleSettings],
    desks: Sequence[DeskSettings],
    workload: str | None,
    kind: Kind | None,
) -> Premium | None:
    """What these rules add to a workload; premiums of several rules add up."""
    if workload is None:
        return None
    desk = owner(desks, workload, kind)
    total, names = 0.0, []
    for rule in rules:
        added = rule.then.workload_premium_usd_per_gpu_h.get(workload, 0.0)
        if desk is not None:
            added += rule.then.desk_premium_usd_per_gpu_h.get(desk.name, 0.0)
        if added:
            total += added
            names.append(f"{rule.name} ({rule.reason})")
    return Premium(total, tuple(names)) if names else None


def problems(rules: Sequence[RuleSettings], desks: Sequence[DeskSettings]) -> Iterator[Fault]:
    """What in these rules cannot be meant, conditions apart."""
    if len(rules) > RULES_MAX:
        yield Fault((), f"{len(rules)} rules are too many; write at most {RULES_MAX}")
    for index, rule in enumerate(rules):
        yield from (fault.under(index) for fault in _problems(rule, desks))
    yield from repeated([rule.name for rule in rules])


def _problems(rule: RuleSettings, desks: Sequence[DeskSettings]) -> Iterator[Fault]:
    for key in ("name", "reason"):
        if not getattr(rule, key).strip():
            yield Fault((key,), "must not be empty")
    if not 0 <= rule.for_s < math.inf:
        yield Fault(("for_s",), "must be 0 or more and finite")
    then = rule.then
    known = {desk.name: desk for desk in desks}
    for key, by_desk in (
        ("desk_premium_usd_per_gpu_h", then.desk_premium_usd_per_gpu_h),
        ("shares", then.shares),
    ):
        for name in by_desk:
            if name not in known:
                yield Fault(("then", key, name), f"no desk {name!r} stands under `desks`")
    for name, share in then.shares.items():
        if name in known:
            least = _or(share.min_share_ratio, known[name].min_share_ratio)
            most = _or(share.max_share_ratio, known[name].max_share_ratio)
            yield from bounds(least, most, "then", "shares", name)
    yield from _numbers(then)


def _numbers(then: Then) -> Iterator[Fault]:
    for key in ("workload_premium_usd_per_gpu_h", "desk_premium_usd_per_gpu_h"):
        for name, value in getattr(then, key).items():
            if not math.isfinite(value):
                yield Fault(("then", key, name), "must be finite")
    for key in ("margin_usd_per_h", "off_band_usd_per_h"):
        value = getattr(then, key)
        if value is not None and not 0 <= value < math.inf:
            yield Fault(("then", key), "must be 0 or more and finite")
    if then == Then():
        yield Fault(("then",), "changes nothing; name a premium, a share or a band")


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
