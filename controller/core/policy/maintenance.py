"""Maintenance windows: stretches of time in which groups of a place stand still or stay put."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from controller.core.fault import Fault, repeated


class Act(StrEnum):
    """What groups do during a window."""

    OFF = "off"
    """They stand still."""
    FREEZE = "freeze"
    """They stay at what they do; no price moves them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSettings:
    """One window. It comes before contracts, which look for other groups; a hold comes before it.

    Where neither sites nor rigs are named, it is for the whole fleet.
    """

    name: str
    """Unique; stands in the reasons of its groups."""
    sites: tuple[str, ...] = ()
    """Sites it is for; none: all."""
    rigs: tuple[str, ...] = ()
    """Rigs it is for; none: all of these sites."""
    begin: datetime
    """From then on, with its zone."""
    end: datetime
    """Until then, with its zone."""
    act: Act = Act.OFF
    """What groups do meanwhile: `off` or `freeze`."""


def window(
    windows: Sequence[MaintenanceSettings], site: str, rig: str, now: float
) -> MaintenanceSettings | None:
    """The window that a rig's groups are in, one that stops them first; none: they are in none."""
    found = [
        one
        for one in windows
        if one.begin.timestamp() <= now < one.end.timestamp() and covers(one, site, rig)
    ]
    return next((one for one in found if one.act is Act.OFF), found[0] if found else None)


def covers(one: MaintenanceSettings, site: str, rig: str) -> bool:
    """Whether it is for the groups of a rig."""
    return (not one.sites or site in one.sites) and (not one.rigs or rig in one.rigs)


def why(one: MaintenanceSettings) -> str:
    """Why a group in it does what it does."""
    until = one.end.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"maintenance {one.name} until {until}"


def problems(windows: Sequence[MaintenanceSettings]) -> Iterator[Fault]:
    """What in these windows cannot be meant."""
    for index, one in enumerate(windows):
        if not one.name:
            yield Fault((index, "name"), "must not be empty")
        if one.begin.tzinfo is None or one.end.tzinfo is None:
            yield Fault((index, "begin"), "write the zone too, e.g. 2026-12-01T00:00:00Z")
        elif one.end <= one.begin:
            yield Fault((index, "end"), "must be after `begin`")
    yield from repeated([one.name for one in windows])
