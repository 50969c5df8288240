"""Room for journals: a full disk stops switching."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from agent.doctor.finding import Finding, Result, Unseen

FREE_BYTES_MIN = 100_000_000
"""As in the alert of deploy/prometheus/rules.yml."""

FREE_INODES_MIN = 100


def check(state_dir: Path) -> Iterator[Result]:
    """The disk that `state_dir` is on, or will be."""
    there = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    try:
        status = os.statvfs(there)
    except OSError as error:
        yield Unseen(str(there), error.strerror or "cannot be looked at")
        return
    yield from judge(there, status)


def judge(there: Path, status: os.statvfs_result) -> Iterator[Finding]:
    """What the figures of a file system mean for journals."""
    if status.f_flag & os.ST_RDONLY:
        mend = "read `dmesg` for disk errors, then check and remount it"
        yield Finding("disk-read-only", str(there), "its file system cannot be written", mend)
    free_bytes = status.f_bavail * status.f_frsize
    mend = "make room on this disk, or move `state_dir` to another"
    if free_bytes < FREE_BYTES_MIN:
        wrong = f"{free_bytes / 1e6:.0f} MB free, {FREE_BYTES_MIN / 1e6:.0f} MB are needed"
        yield Finding("disk-full", str(there), wrong, mend)
    elif status.f_files and status.f_favail < FREE_INODES_MIN:
        wrong = f"room for {status.f_favail} more files only"
        yield Finding("disk-full", str(there), wrong, mend)
