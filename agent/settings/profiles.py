"""GPU profiles: a file that only root can write, and what a profile may say in it.

Whatever a profile leaves out is neutral, never what the last one left behind. What a card can take
is not known here; that is asked of the card before anything is set.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from agent.core.workload import NEUTRAL
from wire import configfile
from wire.configfile import ConfigError
from wire.model import NAME

PROFILES_MAX = 64
"""More profiles than a rig has uses for are a mistake."""

OFFSET_MAX_MHZ = 10_000
"""No card takes so much, in either direction."""


class ComputeMode(StrEnum):
    """Who may compute on a GPU at once."""

    DEFAULT = "default"
    """Any number of programs."""
    EXCLUSIVE_PROCESS = "exclusive_process"
    """One program."""
    PROHIBITED = "prohibited"
    """None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRange:
    """Clocks that a card is held within."""

    min_mhz: int
    """Lowest, MHz; a wish that the driver may not grant, so it is not proven."""
    max_mhz: int
    """Highest, MHz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Settings of a GPU; what is left out is neutral."""

    power_limit_w: float | None = None
    """What the card may draw; none: its own default."""
    graphics_clock: ClockRange | None = None
    """What the graphics clock is held within; none: not locked."""
    memory_clock: ClockRange | None = None
    """What the memory clock is held within; none: not locked."""
    graphics_offset_mhz: int = 0
    """Added to the graphics clock at every voltage; above 0 it is an overclock."""
    memory_offset_mhz: int = 0
    """Added to the memory clock, as the driver counts it; above 0 it is an overclock."""
    fan_percent: int | None = None
    """All fans, at this speed whatever the heat; none: automatic."""
    compute_mode: ComputeMode = ComputeMode.DEFAULT
    """Who may compute on it."""
    persistence: bool | None = None
    """Whether the driver stays loaded without programs; none: as it is."""

    @property
    def overclocks(self) -> bool:
        """Whether it may make results wrong: no card is sold for clocks moved off its own."""
        return bool(self.graphics_offset_mhz or self.memory_offset_mhz)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """The GPU profiles of a rig."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    """By name. `neutral` is built in; here it may only lower its `power_limit_w`."""

    def named(self, name: str) -> Profile | None:
        """A profile; ``None`` for one that there is not."""
        return self.profiles.get(name, Profile() if name == NEUTRAL else None)


def load(path: Path) -> Profiles:
    """Read and check the file. Raises `ConfigError`."""
    profiles = configfile.parse(_read(path), Profiles, name=str(path), base=path.absolute().parent)
    problem = next(_problems(profiles.profiles), None)
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    return profiles


def _read(path: Path) -> str:
    """The text, from a file that nobody but root, or who runs this, could have written."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file; write it (docs/gpu-profiles.md), or use `{NEUTRAL}` only"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be opened: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        theirs = about.st_uid not in (0, os.geteuid())
        if not stat.S_ISREG(about.st_mode) or theirs or about.st_mode & 0o022:
            raise ConfigError(
                f"{path}: others could have written it; run "
                f"`chown root:root {path}; chmod 0644 {path}`"
            )
        try:
            return file.read(configfile.FILE_BYTES_MAX).decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error


def _problems(profiles: Mapping[str, Profile]) -> Iterator[str]:
    if len(profiles) > PROFILES_MAX:
        yield f"profiles: at most {PROFILES_MAX}, this has {len(profiles)}"
    for name, profile in profiles.items():
        if not NAME.fullmatch(name):
            yield f"profiles: name {name!r}: use letters, digits, `-` and `_`, 1 to 64 of them"
        yield from _profile_problems(f"profiles.{name}", profile)
    neutral = profiles.get(NEUTRAL, Profile())
    if replace(neutral, power_limit_w=None) != Profile():
        yield f"profiles.{NEUTRAL}: may set `power_limit_w` only; give other settings another name"


def _profile_problems(where: str, profile: Profile) -> Iterator[str]:
    power_w = profile.power_limit_w
    if power_w is not None and not 0 < power_w < math.inf:
        yield f"{where}.power_limit_w: must be above 0 and finite, not {power_w:g}"
    for key, clock in (("graphics", profile.graphics_clock), ("memory", profile.memory_clock)):
        if clock is not None and not 0 < clock.min_mhz <= clock.max_mhz:
            yield f"{where}.{key}_clock: `min_mhz` must be above 0 and at most `max_mhz`"
    for key in ("graphics_offset_mhz", "memory_offset_mhz"):
        if abs(getattr(profile, key)) > OFFSET_MAX_MHZ:
            yield f"{where}.{key}: must be within {OFFSET_MAX_MHZ} MHz, either way"
    if profile.fan_percent is not None and not 0 <= profile.fan_percent <= 100:
        yield f"{where}.fan_percent: must be 0 to 100, not {profile.fan_percent}"
