"""Durable memory of a switch machine: one file per group, one checksummed line per state.

Write, flush, fsync, only then return. A torn last line is what a power cut leaves and is ignored;
damage anywhere else means the file cannot be believed, and the group starts by emptying its GPUs.
Reading changes nothing: another process may look while an agent writes.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from agent import durable
from agent.core import recovery
from agent.core.model import State
from agent.ports import JournalError

SCHEMA = 1
"""Version of the journal's lines."""

COMPACT_LINES = 200
"""A file longer than this is rewritten to its newest line at the next stable phase."""


class _Line(msgspec.Struct, array_like=True, frozen=True):
    schema: int
    state: State


_DECODER = msgspec.json.Decoder(_Line)
_ENCODER = msgspec.json.Encoder()


class FileJournal:
    """A group's journal in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._lines = 0
        self._whole_bytes: int | None = None
        """Where the last whole line ends, if a torn one may follow it."""
        self._spoiled = False
        """The file cannot be believed, so the next line takes its place."""

    def append(self, state: State) -> None:
        """See `agent.ports.Journal`."""
        line = _encode(state)
        try:
            if self._spoiled or (state.phase.stable and self._lines >= COMPACT_LINES):
                self._rewrite(line)
            else:
                self._append(line)
        except OSError as error:
            self.close()
            raise JournalError(f"{self._path} cannot be written: {error.strerror}") from error

    def load(self) -> State | None:
        """See `agent.ports.Journal`."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return recovery.unknown(f"{self._path} cannot be read: {error.strerror}")
        whole, _, torn = raw.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        self._lines = len(lines)
        self._whole_bytes = len(raw) - len(torn) if torn else None
        if not lines:
            return recovery.unknown(f"{self._path} has no whole line")
        return self._newest(lines)

    def spoil(self) -> None:
        """See `agent.ports.Journal`."""
        with suppress(OSError):
            file = self._opened()
            os.ftruncate(file.fileno(), 0)
            os.fsync(file.fileno())
            self._lines = 0

    def close(self) -> None:
        """Let go of the file; the next append opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _newest(self, lines: list[bytes]) -> State:
        try:
            for line in lines[:-1]:
                durable.payload(line)
            return _decode(lines[-1])
        except ValueError as error:
            self._spoiled = True
            return recovery.unknown(f"{self._path} cannot be believed: {error}")

    def _append(self, line: bytes) -> None:
        file = self._opened()
        start = file.tell()
        try:
            # A short write on a full disk must not leave half a line before the next one.
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            self._whole_bytes = start
            with suppress(OSError):
                os.ftruncate(file.fileno(), start)
            raise
        self._lines += 1

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = not self._path.exists()
            if self._whole_bytes is not None and not new:
                # The next line must not be glued to a torn one.
                os.truncate(self._path, self._whole_bytes)
            self._whole_bytes = None
            self._file = self._path.open("ab", buffering=0)
            # Whoever made or replaced the file may have died before its name was safe.
            durable.sync_directory(self._path.parent)
        return self._file

    def _rewrite(self, line: bytes) -> None:
        durable.replace(self._path, line)
        self.close()
        self._lines = 1
        self._whole_bytes = None
        self._spoiled = False


class MemoryJournal:
    """A journal for simulation and tests: durable as long as the object lives."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.refusal: str | None = None
        """Why the disk refuses to write, if it does."""

    def append(self, state: State) -> None:
        """See `agent.ports.Journal`."""
        if self.refusal is not None:
            raise JournalError(self.refusal)
        self.states.append(state)
        if len(self.states) > COMPACT_LINES:
            del self.states[:-1]

    def load(self) -> State | None:
        """See `agent.ports.Journal`."""
        return self.states[-1] if self.states else None

    def spoil(self) -> None:
        """See `agent.ports.Journal`."""
        self.states[:] = [recovery.unknown("the journal was spoiled")]


def _encode(state: State) -> bytes:
    return durable.line(_ENCODER.encode(_Line(SCHEMA, state)))


def _decode(line: bytes) -> State:
    try:
        read = _DECODER.decode(durable.payload(line))
    except msgspec.DecodeError as error:
        raise ValueError(f"its newest line is of another version: {error}") from error
    if read.schema != SCHEMA:
        raise ValueError(f"its newest line has schema {read.schema}, this agent knows {SCHEMA}")
    return read.state
