"""How much better something must be before a group moves: bands, dwell, payback, limits.

Everything is absolute, in US dollars per hour of one group. A percentage of the net would turn
round below zero, which is where margins are thin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from controller.core import rollout
from controller.core.policy.contract import ContractSettings
from controller.core.policy.maintenance import MaintenanceSettings
from controller.core.policy.mandate import DeskSettings
from controller.core.policy.signals import RuleSettings
from controller.core.policy.treasury import TreasurySettings
from controller.core.rollout import RolloutSettings
from wire.model import Kind

SECONDS_PER_H = 3600.0

TICK_S_MIN = 60.0
"""Shorter ticks of looking ahead cost time and see no more."""


class Timing(StrEnum):
    """How it is decided when a move is worth its cost."""

    LOOK_AHEAD = "look-ahead"
    """By what the coming day is expected to bring; as long as nothing was seen yet, by payback."""
    PAYBACK = "payback"
    """By present prices: the gain must pay for the switch in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCost:
    """What a switch costs beside the income that it interrupts."""

    cost_usd: float
    """Wear, lost shares, cold caches: US dollars for each switch of a group."""
    duration_s: float
    """Seconds without income; a group's own measured seconds take its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """When a group moves for money."""

    timing: Timing = Timing.LOOK_AHEAD
    """`look-ahead`: by what the coming day is expected to bring; `payback`: by present prices."""
    timing_tick_s: float = 300.0
    """Looking ahead: seconds between two looks at prices, a part of an hour; as in the replays."""
    margin_usd_per_h: float = 0.005
    """Band between two workloads: how much more another must net, per group."""
    off_band_usd_per_h: float = 0.005
    """The same between a workload and standing still, in both directions."""
    dwell_s: float = 900.0
    """Seconds that a group stays where it was put, whatever the prices do."""
    payback_s: float = 7200.0
    """`timing: payback`: seconds within which the gain must have paid for the switch."""
    mining_switch: SwitchCost = SwitchCost(cost_usd=0.001, duration_s=90.0)
    """Between mining workloads, and between mining and standing still."""
    inference_switch: SwitchCost = SwitchCost(cost_usd=0.01, duration_s=600.0)
    """Into and out of inference."""
    switches_max: int = 50
    """Groups of the fleet that may be in a switch at once."""
    site_switches_max: int = 20
    """Groups of one site that may be in a switch at once."""
    rollout: RolloutSettings = field(default_factory=RolloutSettings)
    """How fast the fleet follows a plan within these limits."""
    desks: tuple[DeskSettings, ...] = ()
    """Who answers for which workloads, with how much of the fleet."""
    contracts: tuple[ContractSettings, ...] = ()
    """What is owed to whom."""
    treasury: TreasurySettings = field(default_factory=TreasurySettings)
    """What must be paid whatever the fleet does, and what switching may cost."""
    rules: tuple[RuleSettings, ...] = ()
    """What to choose otherwise when something in the world is so."""
    maintenance: tuple[MaintenanceSettings, ...] = ()
    """When nothing may run, or nothing may switch, somewhere."""


@dataclass(frozen=True, slots=True)
class Route:
    """A switch that is being considered."""

    origin: Kind | None
    """What the group does now; none: it stands still."""
    target: Kind | None
    switch_s: float | None
    """Measured seconds of this group's switches; none: use the settings."""
    forgone_usd_per_h: float
    """What the group earns now above standing still; a switch interrupts it."""


def hurdle_usd_per_h(policy: PolicySettings, route: Route) -> float:
    """How much more than now the target must net: the band, or the payback if that is more."""
    band = band_usd_per_h(policy, route.origin, route.target)
    return max(band, switch_usd(policy, route) / (policy.payback_s / SECONDS_PER_H))


def band_usd_per_h(policy: PolicySettings, origin: Kind | None, target: Kind | None) -> float:
    """How much more the target must net, whatever the switch costs."""
    still = origin is None or target is None
    return policy.off_band_usd_per_h if still else policy.margin_usd_per_h


def switch_cost(policy: PolicySettings, origin: Kind | None, target: Kind | None) -> SwitchCost:
    """What the settings say of such a switch."""
    inference = Kind.INFERENCE in (origin, target)
    return policy.inference_switch if inference else policy.mining_switch


def switch_usd(policy: PolicySettings, route: Route) -> float:
    """What the switch costs, the income that it interrupts included, US dollars."""
    cost = switch_cost(policy, route.origin, route.target)
    duration_s = cost.duration_s if route.switch_s is None else route.switch_s
    return cost.cost_usd + duration_s / SECONDS_PER_H * max(0.0, route.forgone_usd_per_h)


def problems(policy: PolicySettings) -> Iterator[str]:
    """What in these settings cannot be meant; each one sentence."""
    numbers = {
        "margin_usd_per_h": policy.margin_usd_per_h,
        "off_band_usd_per_h": policy.off_band_usd_per_h,
        "dwell_s": policy.dwell_s,
        "mining_switch.cost_usd": policy.mining_switch.cost_usd,
        "mining_switch.duration_s": policy.mining_switch.duration_s,
        "inference_switch.cost_usd": policy.inference_switch.cost_usd,
        "inference_switch.duration_s": policy.inference_switch.duration_s,
    }
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            yield f"{name} must be 0 or more and finite, not {number:g}"
    tick_s = policy.timing_tick_s
    if not TICK_S_MIN <= tick_s <= SECONDS_PER_H or SECONDS_PER_H % tick_s:
        yield f"timing_tick_s must be a whole part of an hour of {TICK_S_MIN:g} s or more, e.g. 300"
    if not 0 < policy.payback_s < math.inf:
        yield f"payback_s must be above 0 and finite, not {policy.payback_s:g}"
    for name, limit in (
        ("switches_max", policy.switches_max),
        ("site_switches_max", policy.site_switches_max),
    ):
        if limit < 1:
            yield f"{name} must be 1 or more, or no group would ever move; use holds to freeze"
    yield from rollout.problems(policy.rollout)
    for name, cost in (("mining", policy.mining_switch), ("inference", policy.inference_switch)):
        if cost.duration_s > policy.payback_s:
            yield f"{name}_switch.duration_s is longer than payback_s: it could hardly pay back"
