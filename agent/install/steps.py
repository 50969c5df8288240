"""Steps of an installation as data, and the line by which each is shown. Does nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field

ROOT = "root"

WORD_CHARS = 8
"""Width of the word that a line begins with."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it stands or shall stand."""

    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = ROOT
    group: str = ROOT


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory as it stands or shall stand."""

    mode: int = 0o755
    owner: str = ROOT
    group: str = ROOT


Entry = File | Folder


@dataclass(frozen=True, slots=True)
class Put:
    """Make `path` what it shall be."""

    path: str
    entry: Entry
    new: bool
    """Nothing stands there so far."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove what stands at `path`; a directory with all that is in it."""

    path: str


@dataclass(frozen=True, slots=True)
class Run:
    """Run a command; a failure ends the installation."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a workload, `group.workload`."""

    key: str


@dataclass(frozen=True, slots=True)
class Note:
    """Nothing is done; somebody should know."""

    word: str
    text: str


Step = Put | Remove | Run | Stop | Note


def changes(steps: tuple[Step, ...]) -> int:
    """How many of the steps do something."""
    return sum(not isinstance(step, Note) for step in steps)


def line(step: Step) -> str:
    """One step for people."""
    match step:
        case Put(path, entry, new):
            owner = f"{entry.owner}:{entry.group} {entry.mode:04o}"
            return _line("create" if new else "update", f"{path}  {owner}")
        case Remove(path):
            return _line("remove", path)
        case Run(command):
            return _line("run", " ".join(command))
        case Stop(key):
            return _line("stop", f"workload {key}")
        case Note(word, text):
            return _line(word, text)


def _line(word: str, text: str) -> str:
    return f"{word:<{WORD_CHARS}}{text}"
