"""Sets a profile on one board, reads every setting back, and compares.

Nothing is set before all of it is known to be within the board's bounds. A driver's "OK" proves
nothing here; only what the board shows does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

from agent.gpu.tuning.board import (
    UNLOCKED,
    Board,
    BoardError,
    Bounds,
    Setting,
    Value,
    neutral,
    wanted,
)
from agent.ports import DERATE_STEP_RATIO
from agent.settings.profiles import ClockRange, Profile

TOLERANCE: Mapping[Setting, float] = {
    Setting.POWER_LIMIT: 1.0,
    Setting.GRAPHICS_CLOCK: 15.0,
    Setting.MEMORY_CLOCK: 50.0,
    Setting.FAN: 3.0,
}
"""How far what is shown may be off, in the setting's own unit: cards round to their own steps."""

SETTLE_LOOKS = 10
SETTLE_PAUSE_S = 0.1
"""Clocks follow a lock, and fans a target, within a second."""

Shown = dict[Setting, Value]
"""What a board showed after it was set."""

Pause = Callable[[float], None]


def apply(board: Board, profile: Profile, pause: Pause) -> Shown:
    """Set the whole profile. Raises `BoardError` naming setting, wanted and shown."""
    _forbid_loss(board, profile)
    return _set(board, wanted(profile, board), pause)


def derate(board: Board, profile: Profile, step: int, pause: Pause) -> Shown:
    """Set only the power limit, lowered by so many steps. Raises `BoardError`."""
    base_w = wanted(profile, board).get(Setting.POWER_LIMIT)
    bounds = board.bounds(Setting.POWER_LIMIT)
    if not isinstance(base_w, float | int) or bounds is None:
        raise BoardError(f"{board.uuid}: {Setting.POWER_LIMIT}: this card has none to lower")
    before_w = max(bounds.low, base_w * (1 - DERATE_STEP_RATIO * (step - 1)))
    limit_w = max(bounds.low, base_w * (1 - DERATE_STEP_RATIO * step))
    if step and limit_w >= before_w:
        raise BoardError(
            f"{board.uuid}: {Setting.POWER_LIMIT}: is at its lowest, {bounds.low:g}; "
            f"step {step} lowers nothing"
        )
    return _set(board, {Setting.POWER_LIMIT: limit_w}, pause)


def _forbid_loss(board: Board, profile: Profile) -> None:
    """Without persistence the driver forgets settings when the last program lets go of the GPU."""
    kept = board.show(Setting.PERSISTENCE) if profile.persistence is None else profile.persistence
    if profile != Profile() and kept is False:
        raise BoardError(
            f"{board.uuid}: persistence: is off, so the driver would forget the profile; write "
            "`persistence: true` into it, or run nvidia-persistenced"
        )


def _set(board: Board, values: Mapping[Setting, Value], pause: Pause) -> Shown:
    for setting, value in values.items():
        _within(board, setting, value)
    for setting, value in values.items():
        if isinstance(value, ClockRange) or value == UNLOCKED or board.show(setting) != value:
            _put(board, setting, value)
    shown = {setting: _proven(board, setting, value, pause) for setting, value in values.items()}
    return {setting: value for setting, value in shown.items() if value is not None}


def _within(board: Board, setting: Setting, value: Value) -> None:
    """Raises `BoardError` naming the bounds."""
    if isinstance(value, bool | str) or value == neutral(setting, board):
        return
    bounds = board.bounds(setting)
    if bounds is None:
        return
    ends = (value.min_mhz, value.max_mhz) if isinstance(value, ClockRange) else (value,)
    if not all(bounds.low <= end <= bounds.high for end in ends):
        raise BoardError(
            f"{board.uuid}: {setting}: {told(value)} is out of bounds; "
            f"this card takes {_span(bounds)}"
        )


def _put(board: Board, setting: Setting, value: Value) -> None:
    # What a card lacks, it cannot have been moved away from either.
    if not board.put(setting, value) and value != neutral(setting, board):
        raise BoardError(
            f"{board.uuid}: {setting}: this card or its driver has no such setting; "
            "leave it out of the profile"
        )


def _proven(board: Board, setting: Setting, value: Value, pause: Pause) -> Value | None:
    """What the board shows, once it agrees. Raises `BoardError` when it does not come to."""
    shown = board.show(setting)
    if shown is None and value == neutral(setting, board):
        return None
    for _ in range(SETTLE_LOOKS):
        if _agrees(setting, value, shown):
            return shown
        pause(SETTLE_PAUSE_S)
        shown = board.show(setting)
    now = "nothing" if shown is None else told(shown)
    raise BoardError(f"{board.uuid}: {setting}: wanted {told(value)}, it shows {now}")


def _agrees(setting: Setting, value: Value, shown: Value | None) -> bool:
    if isinstance(value, ClockRange):
        # NVML has no getter for a lock; but the clock itself must not be above it.
        return _is_number(shown) and shown <= value.max_mhz + TOLERANCE[setting]
    if value == UNLOCKED:
        return True
    if _is_number(value) and _is_number(shown):
        return abs(value - shown) <= TOLERANCE.get(setting, 0.0)
    return value == shown


def _is_number(value: Value | None) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _span(bounds: Bounds) -> str:
    return f"{bounds.low:g} to {bounds.high:g}"


def told(value: Value) -> str:
    """For a person to read."""
    if isinstance(value, ClockRange):
        return f"{value.min_mhz} to {value.max_mhz} MHz"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
