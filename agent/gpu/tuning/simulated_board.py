"""Settings of a simulated GPU, in a file of its directory; for the demo and tests only.

It takes settings as a real card does, bounds included, and its readings follow them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from agent.gpu.tuning.board import AUTO, UNLOCKED, Bounds, Setting, Value
from agent.settings.profiles import ClockRange, ComputeMode

FILE = "settings.json"
POWER_LIMIT_W = 350.0
GRAPHICS_IDLE_MHZ, GRAPHICS_BUSY_MHZ = 210, 1740
MEMORY_IDLE_MHZ, MEMORY_BUSY_MHZ = 405, 9500

BOUNDS = {
    Setting.POWER_LIMIT: Bounds(100, 400),
    Setting.GRAPHICS_CLOCK: Bounds(210, 2100),
    Setting.MEMORY_CLOCK: Bounds(405, 9500),
    Setting.GRAPHICS_OFFSET: Bounds(-500, 500),
    Setting.MEMORY_OFFSET: Bounds(-2000, 3000),
    Setting.FAN: Bounds(30, 100),
}


class Dials(msgspec.Struct, frozen=True):
    """Everything that is set on one simulated GPU."""

    persistence: bool = True
    compute_mode: str = ComputeMode.DEFAULT
    power_limit_w: float = POWER_LIMIT_W
    graphics_max_mhz: int | None = None
    memory_max_mhz: int | None = None
    graphics_offset_mhz: int = 0
    memory_offset_mhz: int = 0
    fan_percent: int | None = None

    def graphics_mhz(self, *, busy: bool) -> int:
        """The clock that these settings give."""
        own = GRAPHICS_BUSY_MHZ + self.graphics_offset_mhz if busy else GRAPHICS_IDLE_MHZ
        return own if self.graphics_max_mhz is None else min(own, self.graphics_max_mhz)

    def memory_mhz(self, *, busy: bool) -> int:
        """The clock that these settings give."""
        own = MEMORY_BUSY_MHZ + self.memory_offset_mhz if busy else MEMORY_IDLE_MHZ
        return own if self.memory_max_mhz is None else min(own, self.memory_max_mhz)


def dials(simulated_dir: Path, uuid: str) -> Dials:
    """What is set now; neutral when nothing ever was."""
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((simulated_dir / uuid / FILE).read_bytes(), type=Dials)
    return Dials()


class SimulatedBoard:
    """One simulated GPU; see `agent.gpu.tuning.board.Board`."""

    def __init__(self, simulated_dir: Path, uuid: str) -> None:
        self._dir = simulated_dir
        self.uuid = uuid

    def power_limit_default_w(self) -> float:
        """See `Board`."""
        return POWER_LIMIT_W

    def bounds(self, setting: Setting) -> Bounds | None:
        """See `Board`."""
        return BOUNDS.get(setting)

    def show(self, setting: Setting) -> Value | None:
        """See `Board`."""
        now = dials(self._dir, self.uuid)
        match setting:
            case Setting.GRAPHICS_CLOCK:
                return now.graphics_mhz(busy=False)
            case Setting.MEMORY_CLOCK:
                return now.memory_mhz(busy=False)
            case Setting.FAN:
                return AUTO if now.fan_percent is None else now.fan_percent
            case _:
                value: Value = getattr(now, setting)
                return value

    def put(self, setting: Setting, value: Value) -> bool:
        """See `Board`. Whole or not at all: a reader holds no lock."""
        name, plain = str(setting), value if value not in (AUTO, UNLOCKED) else None
        if setting in (Setting.GRAPHICS_CLOCK, Setting.MEMORY_CLOCK):
            name = f"{setting.removesuffix('clock')}max_mhz"
            plain = value.max_mhz if isinstance(value, ClockRange) else None
        changed = msgspec.structs.replace(dials(self._dir, self.uuid), **{name: plain})
        folder = self._dir / self.uuid
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{FILE}.{os.getpid()}"
        unfinished.write_bytes(msgspec.json.encode(changed))
        unfinished.replace(folder / FILE)
        return True
