"""Parts that every scenario file is made of, and what cannot be so in each. Settings only."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller.core.timing.terms import SECONDS_PER_H, Watts
from wire import configfile
from wire.configfile import ConfigError

GROUPS_MAX = 100_000
"""A larger pool is a mistake."""
TICKS_PER_SWITCH_MAX = 288
"""A switch without income for longer is a mistake."""

Problem = tuple[tuple[str | int, ...], str]
"""Keys that lead to what cannot be so, and what to do about it."""


# Several of these are bases of one file's dataclass, which slots would forbid.
@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Which ticks are played."""

    tick_s: float
    """Length of one tick, seconds; an hour must be a whole number of them."""
    begins: datetime | None = None
    """First tick; none: the first one at which every series has a value."""
    ends: datetime | None = None
    """End, itself left out; none: a tick after the last value of the power price."""
    gap_s_max: float = SECONDS_PER_H
    """A value holds until the next one, but no longer than this; a longer gap is an error."""

    def timeline_problems(self) -> Iterator[Problem]:
        """What cannot be so."""
        if not 1 <= self.tick_s <= SECONDS_PER_H or SECONDS_PER_H % self.tick_s:
            yield ("tick_s",), "seconds that divide an hour, such as 300"
        if not self.gap_s_max > 0:
            yield ("gap_s_max",), "seconds above 0"
        yield from zone_problems("begins", self.begins)
        yield from zone_problems("ends", self.ends)


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The local time of a site."""

    time_zone: str
    """Of the site, as the IANA names it, e.g. `Europe/Brussels`."""
    day_ahead_known_from: str = "13:00"
    """Local time of the day before from which day-ahead prices are known."""

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def known_from(self) -> time:
        """Local time from which tomorrow's prices are known."""
        return time.fromisoformat(self.day_ahead_known_from)

    def clock_problems(self) -> Iterator[Problem]:
        """What cannot be so."""
        try:
            _ = self.known_from
        except ValueError:
            yield ("day_ahead_known_from",), 'a local time in quotes, such as "13:00"'
        try:
            _ = self.zone
        except (ValueError, OSError, ZoneInfoNotFoundError):
            yield (
                ("time_zone",),
                f"{self.time_zone!r} is unknown; write one such as Europe/Brussels",
            )


@dataclass(frozen=True, kw_only=True)
class Gear:
    """What equal groups draw, and what a marketplace takes."""

    gpu_watts: Watts
    """At the wall, of one GPU."""
    rental_fee_ratio: float
    """Share of rental income that the marketplace keeps."""

    def gear_problems(self) -> Iterator[Problem]:
        """What cannot be so."""
        if not 0 <= self.rental_fee_ratio < 1:
            yield ("rental_fee_ratio",), "from 0 to below 1, such as 0.2 for 20 %"
        for name, watts in asdict(self.gpu_watts).items():
            if not amount(watts):
                yield ("gpu_watts", name), "watts from 0 up"


def zone_problems(name: str, instant: datetime | None) -> Iterator[Problem]:
    """An instant without its zone is two instants in autumn, and none in spring."""
    if instant is not None and instant.tzinfo is None:
        yield (name,), "lacks its zone; append Z for UTC"


def amount(value: float) -> bool:
    """Whether it is finite and not below 0."""
    return math.isfinite(value) and value >= 0


def under(problems: Iterator[Problem], *keys: str | int) -> Iterator[Problem]:
    """The same problems, seen from further up."""
    yield from (((*keys, *inner), text) for inner, text in problems)


def refuse(path: Path, problems: Iterator[Problem]) -> None:
    """Raise `ConfigError` with file, line and key for the first problem, if there is one."""
    for keys, text in problems:
        key = ".".join(str(step) for step in keys)
        raise ConfigError(f"{configfile.place(path, keys)}: {key + ': ' if key else ''}{text}")
