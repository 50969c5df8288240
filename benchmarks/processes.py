"""Memory and processor time of a process and all that it has started, as the kernel counts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat after the name."""


@dataclass(frozen=True, slots=True)
class Use:
    """What a family of processes uses."""

    processes: int
    rss_bytes: int
    """Sum over all of them; what they share is counted for each."""
    pss_bytes: int
    """The same with what is shared split between all who share it."""
    processor_s: float
    """So far, in user and kernel mode; of those that still live."""


def use(pid: int) -> Use:
    """What this process and its descendants use now; needs the right to look at them."""
    pids = [pid, *_descendants(pid)]
    return Use(
        processes=len(pids),
        rss_bytes=sum(_memory_bytes(each, "Rss") for each in pids),
        pss_bytes=sum(_memory_bytes(each, "Pss") for each in pids),
        processor_s=sum(_processor_s(each) for each in pids),
    )


def _descendants(pid: int) -> Iterator[int]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (thread / "children").read_text().split()):
            yield child
            yield from _descendants(child)


def _memory_bytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) * _KIB
    raise AssertionError(f"the kernel tells no {name} of process {pid}")


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")
