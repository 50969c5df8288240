"""The wall clock: logs and certificates go by it. Orders and leases do not (the rig clock does)."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.doctor.finding import Finding, Result, Unseen

UNSYNCHRONISED = 0x40
"""STA_UNSYNC of adjtimex(2): nothing disciplines the kernel's clock."""

BEHIND_MAX_S = 3600.0
"""A file may come from a machine whose clock is a little ahead."""

AHEAD_MAX_S = 20 * 365.25 * 86_400.0
"""After the newest file that is looked at."""

_TIMEX_LONGS = 32
"""Longer than `struct timex` on every machine; its second and sixth fields are looked at."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The clock at one moment."""

    now_s: float
    """Wall clock, seconds since 1970."""
    synchronised: bool | None
    """``None``: the kernel does not say."""


def read() -> Reading:
    """The clock of this machine."""
    timex = (ctypes.c_long * _TIMEX_LONGS)()
    library = ctypes.CDLL(None, use_errno=True)
    if library.adjtimex(ctypes.byref(timex)) < 0:
        return Reading(time.time(), None)
    # unsigned modes; long offset, freq, maxerror, esterror; int status
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
    return Reading(time.time(), not status & UNSYNCHRONISED)


def check(reading: Reading, written: tuple[Path, ...]) -> Iterator[Result]:
    """Compare with files that were surely written in the past."""
    newest_s = max((path.stat().st_mtime for path in written if path.exists()), default=0.0)
    mend = "switch a time service on: `timedatectl set-ntp true`, or install chrony"
    if not newest_s - BEHIND_MAX_S < reading.now_s < newest_s + AHEAD_MAX_S:
        told = datetime.fromtimestamp(reading.now_s, UTC).isoformat(sep=" ", timespec="minutes")
        last = datetime.fromtimestamp(newest_s, UTC).isoformat(sep=" ", timespec="minutes")
        wrong = f"it says {told}, and the newest file is of {last}"
        yield Finding("clock-wrong", "clock", wrong, mend)
    if reading.synchronised is None:
        yield Unseen("clock", "the kernel does not say whether it is synchronised")
    elif not reading.synchronised:
        yield Finding("clock-unsynchronised", "clock", "nothing keeps it right", mend)


def program() -> Path:
    """A file of this very program."""
    return Path(__file__)
