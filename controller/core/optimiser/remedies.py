"""What the fleet owes and does not give, and what would have to give way, in words.

Texts only: nothing is decided here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from controller.core.requirement import Lever, Repair, Requirement

NAMED_MAX = 3
"""Groups that are named in one sentence; the rest are counted."""

_RELEASED = {
    Lever.DWELL: "move {groups} before the dwell is over ({why})",
    Lever.SWITCHING: "wait for {groups} ({why})",
    Lever.HOLD: "release {groups} ({why})",
    Lever.OFFLINE: "bring back {groups} ({why})",
    Lever.QUARANTINED: "mend {groups} ({why})",
}


def unmet(
    requirement: Requirement,
    short: float,
    excess: float,
    repairs: Sequence[Repair],
    lacking: float,
) -> str:
    """What is owed and not met, and what would have to give way for it."""
    start = _owing(requirement, short, excess)
    if not repairs:
        return f"{start}; nothing that an operator can change helps"
    ways = "; ".join(map(_repair, repairs))
    rest = f"; even then {lacking:.4g} {requirement.unit} are" if lacking else ""
    missing = " missing" if short else " too many"
    return f"{start}. Cheapest repair: {ways}{rest + missing if rest else ''}"


def unrepaired(requirement: Requirement, short: float, excess: float, why: str) -> str:
    """What is owed and not met, and nobody knows what would help."""
    return f"{_owing(requirement, short, excess)}; no repair is known: {why}"


def _owing(requirement: Requirement, short: float, excess: float) -> str:
    name, unit = requirement.name, requirement.unit
    if short:
        return f"{name}: {short:.4g} of {requirement.least:.4g} {unit} are missing"
    return f"{name}: {excess:.4g} {unit} more than the {requirement.most:.4g} allowed"


def _repair(repair: Repair) -> str:
    if repair.lever is Lever.POWER_CAP:
        return f"raise the cap of site {repair.site} by {math.ceil(repair.amount * 100) / 100:g} kW"
    if repair.lever in (Lever.SITE_SWITCHES, Lever.FLEET_SWITCHES):
        where = f"site {repair.site}" if repair.site else "the fleet"
        groups = "group" if repair.amount == 1 else "groups"
        return f"let {repair.amount:g} more {groups} of {where} switch at once"
    shown = ", ".join(repair.groups[:NAMED_MAX])
    more = len(repair.groups) - NAMED_MAX
    groups = f"{shown} and {more} more" if more > 0 else shown
    return _RELEASED[repair.lever].format(groups=groups, why=repair.why)
