"""One GPU's handle: driver calls about it, each with its return code looked at."""

from __future__ import annotations

from typing import Any

from agent.gpu import nvml
from agent.gpu.nvml import ClockOffset, Nvml, NvmlError


class Device:
    """A GPU by its UUID. Every method raises `NvmlError`."""

    def __init__(self, driver: Nvml, uuid: str) -> None:
        self._driver = driver
        self.uuid = uuid
        self._handle = driver.call("nvmlDeviceGetHandleByUUID", uuid, about=uuid)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function by pynvml's name."""
        return self._driver.call(name, self._handle, *arguments, about=self.uuid)

    def ask(self, name: str, *arguments: Any) -> Any | None:
        """The same; ``None`` where this card or driver lacks what was asked for."""
        try:
            return self.call(name, *arguments)
        except NvmlError as error:
            if error.code in nvml.LACKING:
                return None
            raise

    def numbers(self, count: int, name: str, *arguments: Any) -> tuple[int, ...]:
        """Call a function that writes so many numbers."""
        return self._driver.numbers(count, name, self._handle, *arguments, about=self.uuid)

    def clock_offset(self, clock: int, pstate: int) -> ClockOffset | None:
        """A clock's offset in a P-state; ``None`` where there is none."""
        try:
            return self._driver.clock_offset(self._handle, clock, pstate, about=self.uuid)
        except NvmlError as error:
            if error.code in nvml.LACKING:
                return None
            raise

    def set_clock_offset(self, clock: int, pstate: int, mhz: int) -> None:
        """Move a clock in a P-state."""
        self._driver.set_clock_offset(self._handle, clock, pstate, mhz, about=self.uuid)
