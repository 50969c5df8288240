"""What the doctor has found, and where it looks. Looks at nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a rig."""

    name: str
    """What kind of fault; closed set, part of the contract."""
    about: str
    """What it is about: a GPU, a file, a workload, a port."""
    wrong: str
    mend: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A look that was not possible."""

    about: str
    why: str


Result = Finding | Unseen
Results = Iterator[Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where the machine keeps what is looked at; tests keep it elsewhere."""

    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    user: str = "rigshift"
    """Whom the agent runs as."""
