"""What can be set on a GPU, and a GPU on which it can. Boards block; they never decide a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from agent.settings.profiles import ClockRange, ComputeMode, Profile

UNLOCKED = "unlocked"
"""Clocks without a range to be held within."""

AUTO = "auto"
"""Fans that follow the heat."""


class BoardError(Exception):
    """A GPU cannot be tuned, or not so; one sentence says why."""


class Setting(StrEnum):
    """What a profile sets, by the names of its file, in the order in which it is set.

    Persistence comes first because switching it off undoes everything else.
    """

    PERSISTENCE = "persistence"
    COMPUTE_MODE = "compute_mode"
    POWER_LIMIT = "power_limit_w"
    GRAPHICS_CLOCK = "graphics_clock"
    MEMORY_CLOCK = "memory_clock"
    GRAPHICS_OFFSET = "graphics_offset_mhz"
    MEMORY_OFFSET = "memory_offset_mhz"
    FAN = "fan_percent"


Value = bool | int | float | str | ClockRange
"""Of a setting; what a board shows of a clock is the clock itself, MHz."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a card takes, both ends included."""

    low: float
    high: float


class Board(Protocol):
    """One GPU that can be tuned."""

    uuid: str

    def power_limit_default_w(self) -> float | None:
        """Watts; ``None`` when the card has no power limit. Raises `BoardError`."""

    def bounds(self, setting: Setting) -> Bounds | None:
        """``None`` when nothing is known of them. Raises `BoardError`."""

    def show(self, setting: Setting) -> Value | None:
        """What the card has now; ``None`` when it cannot tell or lacks it. Raises `BoardError`."""

    def put(self, setting: Setting, value: Value) -> bool:
        """Set it; false when this card or driver lacks the setting. Raises `BoardError`."""


def neutral(setting: Setting, board: Board) -> Value | None:
    """The value that is no change; ``None`` where whatever stands there is none."""
    match setting:
        case Setting.PERSISTENCE:
            return None
        case Setting.COMPUTE_MODE:
            return ComputeMode.DEFAULT
        case Setting.POWER_LIMIT:
            return board.power_limit_default_w()
        case Setting.GRAPHICS_CLOCK | Setting.MEMORY_CLOCK:
            return UNLOCKED
        case Setting.GRAPHICS_OFFSET | Setting.MEMORY_OFFSET:
            return 0
        case Setting.FAN:
            return AUTO


def wanted(profile: Profile, board: Board) -> dict[Setting, Value]:
    """What a profile asks of a board, neutral filled in; nothing for what may stay as it is."""
    asked = {
        setting: neutral(setting, board) if (value := getattr(profile, setting)) is None else value
        for setting in Setting
    }
    return {setting: value for setting, value in asked.items() if value is not None}
