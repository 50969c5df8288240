"""What a workload writes to its standard output and error: one bounded file and its predecessor.

The workload writes straight into the file, so that it needs no agent to go on.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

LOG_BYTES_MAX = 8 * 1024 * 1024
"""Past this, at a look, the file is moved aside; so a workload keeps twice this at most."""

TAIL_BYTES_MAX = 4096
"""How far from the end the last line is looked for."""

LINE_CHARS_MAX = 200
"""A longer last line is cut; it goes into reports."""

OPEN_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND
"""Appending lets `trim` empty the file under a running writer."""

_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def rotate(path: Path) -> None:
    """Move an earlier run's file aside. Raises `OSError`."""
    if path.exists():
        path.replace(_aside(path))


def trim(path: Path) -> None:
    """Bound the file under a running writer; lines written meanwhile may be lost.

    Raises:
        OSError: It cannot be copied or emptied.
    """
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        shutil.copyfile(path, _aside(path))
        os.truncate(path, 0)


def last_line(path: Path) -> str:
    """The last line that is not blank, cleaned for a report; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES_MAX))
            tail = file.read(TAIL_BYTES_MAX).decode(errors="replace")
    except OSError:
        return ""
    return clean(tail)


def clean(tail: str) -> str:
    """The last line of `tail` that is not blank, fit for a report; empty when there is none."""
    lines = (_UNPRINTABLE.sub("", line).strip() for line in reversed(tail.splitlines()))
    return next((line[:LINE_CHARS_MAX] for line in lines if line), "")


def _aside(path: Path) -> Path:
    return path.with_name(path.name + ".1")
