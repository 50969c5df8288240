"""Processes as the kernel shows them: /proc and pidfds.

A process is known by its pid *and* its start time, for pids are used again. It is signalled and
waited for through a pidfd, so that neither can ever hit another process.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.ports import DriverError

_PROC = Path("/proc")
_CHUNK_BYTES = 64 * 1024
_GONE = frozenset({errno.ENOENT, errno.ESRCH})

# Fields of /proc/PID/stat, counted from the one after the program's name (proc_pid_stat(5)).
_STATE, _PARENT, _SESSION, _THREADS, _START_TICKS = 0, 1, 3, 17, 19


@dataclass(frozen=True, slots=True)
class Process:
    """One process at one look."""

    pid: int
    start_ticks: int
    """Clock ticks from the machine's boot to the process's start."""
    parent: int
    session: int
    dead: bool
    """It only waits for its parent to take its exit status; it holds nothing any more."""

    @property
    def identity(self) -> tuple[int, int]:
        """Tells it from every other process of this boot."""
        return self.pid, self.start_ticks


def boot_id() -> str:
    """Id of the machine's present boot; start times compare only within one."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def look(pid: int) -> Process | None:
    """The process with this pid now; ``None`` when there is none."""
    try:
        stat = _read(pid, "stat")
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    # The name may hold blanks and parentheses, so count from its last one.
    fields = stat.rpartition(b")")[2].split()
    # A leader that has ended while other threads are stuck in the driver is a zombie with threads.
    dead = fields[_STATE] in (b"Z", b"X") and int(fields[_THREADS]) <= 1
    start_ticks, parent = int(fields[_START_TICKS]), int(fields[_PARENT])
    return Process(pid, start_ticks, parent, int(fields[_SESSION]), dead)


def _read(pid: int, name: str) -> bytes:
    """Without the objects of paths and files: a look at all processes would pay for each twice."""
    descriptor = os.open(f"{_PROC}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, _CHUNK_BYTES):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def snapshot() -> dict[int, Process]:
    """All processes by pid; those that come or go meanwhile may be missing."""
    names = os.listdir(_PROC)  # noqa: PTH208 - many times a switch
    found = (look(int(name)) for name in names if name.isdecimal())
    return {process.pid: process for process in found if process is not None}


def environment(pid: int) -> tuple[bytes, ...] | None:
    """The `NAME=value` strings a process was started with; ``None`` when they cannot be read.

    They are empty when the process has overwritten them.
    """
    try:
        strings = _read(pid, "environ").split(b"\0")
    except OSError:
        return None
    return tuple(string for string in strings if b"=" in string)


def arguments(pid: int) -> tuple[str, ...]:
    """The command line it shows; empty when there is none, or the process may not be looked at."""
    try:
        strings = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ()
    return tuple(string.decode(errors="replace") for string in strings[:-1])


def sharing_namespace(pid: int) -> list[int]:
    """The processes in the pid namespace that `pid` leads; only itself when that cannot be seen."""
    try:
        wanted = (_PROC / str(pid) / "ns/pid").readlink()
    except OSError:
        return [pid]
    return [other for other in snapshot() if _namespace(other) == wanted]


def _namespace(pid: int) -> Path | None:
    try:
        return (_PROC / str(pid) / "ns/pid").readlink()
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Handle:
    """A process held by a pidfd."""

    process: Process
    pidfd: int

    def send(self, number: signal.Signals) -> None:
        """Signal it; harmless when it has ended or belongs to another user."""
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(self.pidfd, number)

    async def ended(self) -> None:
        """Wait until it has ended, threads and all."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self.pidfd, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self.pidfd)


@contextmanager
def held(processes: Iterable[Process]) -> Iterator[list[Handle]]:
    """Hold those of `processes` that still exist. Raises `DriverError` when out of descriptors."""
    handles: list[Handle] = []
    try:
        for process in processes:
            _hold(process, handles)
        yield handles
    finally:
        for handle in handles:
            os.close(handle.pidfd)


def _hold(process: Process, handles: list[Handle]) -> None:
    try:
        handles.append(Handle(process, os.pidfd_open(process.pid)))
    except ProcessLookupError:
        return
    except OSError as error:
        raise DriverError(f"pid {process.pid} cannot be held: {error}") from error
    # The pid may have passed to another process before it was held.
    now = look(process.pid)
    if now is None or now.identity != process.identity:
        os.close(handles.pop().pidfd)
