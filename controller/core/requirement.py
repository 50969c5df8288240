"""What the fleet as a whole owes or may not exceed: contracts, mandates, coverage of costs.

A requirement is one linear bound over all groups of the fleet. What a choice adds to it stands in
`site_market.Choice.counts`, so that who decides need not know what is being counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """At least and at most so much of something that choices count towards."""

    name: str
    """Unique in a plan, as `Choice.counts` and people call it, e.g. `contract acme`."""
    unit: str
    """What is counted, e.g. `GPUs` or `$/h`."""
    least: float = 0.0
    """What all chosen options together must count."""
    most: float = math.inf
    """What they may count."""
    weight_usd_per_h: float
    """What one unit too few or too many costs, $/h: what decides when not all can be met."""


class Lever(StrEnum):
    """What would have to give way for a requirement to be met."""

    POWER_CAP = "power_cap"
    SITE_SWITCHES = "site_switches"
    FLEET_SWITCHES = "fleet_switches"
    DWELL = "dwell"
    """Groups that stay where they were put for a while."""
    SWITCHING = "switching"
    """Groups that are on their way somewhere."""
    HOLD = "hold"
    """Groups that operators hold."""
    OFFLINE = "offline"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that would give way, and by how much."""

    lever: Lever
    site: str
    """Empty: the whole fleet."""
    amount: float
    """kW, switches or groups."""
    groups: tuple[str, ...] = ()
    """Groups that would be free, as `rig/group`."""
    why: str = ""
    """What ties the first of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A requirement that the plan does not meet."""

    name: str
    unit: str
    short: float
    """What is missing; 0: nothing."""
    excess: float
    """What is too much; 0: nothing."""
    repairs: tuple[Repair, ...]
    """Together the cheapest way to meet it as far as it can be met."""
    lacking: float
    """What would be missing or too much even then."""
    text: str
    """All that in one sentence."""
