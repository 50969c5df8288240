"""The machine around the GPUs, read through psutil. A figure that cannot be had is absent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from wire.model import HostReading

T = TypeVar("T")


class Listener(NamedTuple):
    """A process that takes connections."""

    pid: int | None
    """``None``: another user's, and this process may not see whose."""
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else "another user's process"


def listeners(port: int) -> tuple[Listener, ...]:
    """Who listens on a TCP port of this machine; nobody when that cannot be told."""
    try:
        pids = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
        }
    except (psutil.Error, OSError):
        return ()
    return tuple(Listener(pid, _name(pid)) for pid in sorted(pids, key=lambda pid: pid or 0))


def _name(pid: int | None) -> str:
    try:
        return "" if pid is None else psutil.Process(pid).name()
    except psutil.Error:
        return "a process"


def boot_time_s() -> float:
    """The rig clock: seconds since the machine booted, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Spent(NamedTuple):
    """Processor time since boot, in seconds over all processors."""

    total_s: float
    idle_s: float


class Host:
    """Reads the host; the processor's load counts from one reading to the next."""

    def __init__(self, directory: Path, rig_time_s: Callable[[], float]) -> None:
        """`directory` names the disk whose free space matters."""
        self._directory = directory
        self._rig_time_s = rig_time_s
        self._spent = _told(_spent)

    def read(self) -> HostReading:
        """The figures of now."""
        memory = _told(psutil.virtual_memory)
        return HostReading(
            cpu_ratio=self._cpu_ratio(),
            memory_total_bytes=None if memory is None else memory.total,
            memory_available_bytes=None if memory is None else memory.available,
            disk_free_bytes=_told(lambda: psutil.disk_usage(str(self._directory)).free),
            load1=_told(lambda: psutil.getloadavg()[0]),
            uptime_s=self._rig_time_s(),
        )

    def _cpu_ratio(self) -> float | None:
        """Busy share since the reading before; too soon after it there is none."""
        before, self._spent = self._spent, _told(_spent)
        if before is None or self._spent is None or self._spent.total_s <= before.total_s:
            return None
        idle_s = self._spent.idle_s - before.idle_s
        return min(1.0, max(0.0, 1 - idle_s / (self._spent.total_s - before.total_s)))


def _told(read: Callable[[], T]) -> T | None:
    """A sandbox may hide parts of /proc, and a disk may be gone; the rest is still worth having."""
    try:
        return read()
    except OSError:
        return None


def _spent() -> _Spent:
    times = psutil.cpu_times()
    # The time of guests stands in `user` and `nice` already.
    total_s = sum(times) - times.guest - times.guest_nice
    return _Spent(total_s, times.idle + times.iowait)
