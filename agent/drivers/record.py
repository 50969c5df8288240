"""The durable record of a started workload: which process leads it.

A record only helps: a workload without one, or with one that cannot be read, is found by the
marker in its environment. A record never makes a foreign process count as ours.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent import durable

RECORD_BYTES_MAX = 256 * 1024
"""A longer file is not a record; command lines are shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The process that a launcher started, by what tells it from every other one."""

    key: str
    """Workload, `group.name`."""
    pid: int
    """Leader of the session that holds the workload's processes."""
    start_ticks: int
    boot_id: str
    command: tuple[str, ...]
    """For people only."""


def save(path: Path, record: Record) -> None:
    """Write `record` so that it survives a power cut, whole or not at all. Raises `OSError`."""
    durable.replace(path, json.dumps(asdict(record)).encode())


def load(path: Path) -> Record | None:
    """The record in this file; ``None`` when there is none or it cannot be understood."""
    try:
        with path.open("rb") as file:
            data: Any = json.loads(file.read(RECORD_BYTES_MAX))
        return Record(
            key=str(data["key"]),
            pid=int(data["pid"]),
            start_ticks=int(data["start_ticks"]),
            boot_id=str(data["boot_id"]),
            command=tuple(str(argument) for argument in data["command"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None
