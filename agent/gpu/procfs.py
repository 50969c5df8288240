"""What the kernel says of a process, by pid. Reads only `/proc`; a process that is gone is None."""

from __future__ import annotations

from pathlib import Path

_DEAD = ("Z", "X")
"""States of a process that has ended but was not waited for; it holds no memory."""


def name(pid: int) -> str | None:
    """Command name of a process, at most 15 characters."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return None


def state(pid: int) -> str | None:
    """The kernel's letter for what a process does, such as `R`, `S`, `D` or `Z`."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[0]


def started_ticks(pid: int) -> int | None:
    """Start of a live process in clock ticks since boot; with the pid it names the process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The command name stands in parentheses and may itself hold spaces and parentheses.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in _DEAD else int(rest[18])
