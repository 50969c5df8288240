"""The machine around the GPUs, read through psutil. A figure that cannot be had is absent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from wire.model import HostReading


def boot_time_s() -> float:
    """The rig clock: seconds since the machine booted, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Host:
    """Reads the host; the processor's load counts from one reading to the next."""

    def __init__(self, directory: Path, rig_time_s: Callable[[], float]) -> None:
        """`directory` names the disk whose free space matters."""
        self._directory = directory
        self._rig_time_s = rig_time_s
        self._times = psutil.cpu_times()

    def read(self) -> HostReading:
        """The figures of now."""
        memory = psutil.virtual_memory()
        return HostReading(
            cpu_ratio=self._cpu_ratio(),
            memory_total_bytes=memory.total,
            memory_available_bytes=memory.available,
            disk_free_bytes=self._disk_free_bytes(),
            load1=psutil.getloadavg()[0],
            uptime_s=self._rig_time_s(),
        )

    def _cpu_ratio(self) -> float | None:
        """Busy share since the reading before; the kernel counts in hundredths of a second."""
        before, self._times = self._times, psutil.cpu_times()
        spent = [new - old for new, old in zip(self._times, before, strict=True)]
        # Guests' time stands in `user` and `nice` already.
        total_s = (
            sum(spent) - self._times_of("guest", before) - self._times_of("guest_nice", before)
        )
        idle_s = self._times_of("idle", before) + self._times_of("iowait", before)
        if total_s <= 0:
            return None
        return min(1.0, max(0.0, 1 - idle_s / total_s))

    def _times_of(self, name: str, before: object) -> float:
        return float(getattr(self._times, name, 0.0)) - float(getattr(before, name, 0.0))

    def _disk_free_bytes(self) -> int | None:
        try:
            return psutil.disk_usage(str(self._directory)).free
        except OSError:
            return None
