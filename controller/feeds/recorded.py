"""Prices from CSV files, replayed by a clock as step functions. It never looks ahead of it."""

from __future__ import annotations

import csv
import io
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controller.core.model import Observation
from controller.feeds import units
from controller.feeds.settings import (
    ColumnSettings,
    RecordedFeedSettings,
    RecordedFile,
    TimeFormat,
)
from controller.ports import FeedError
from wire.configfile import ConfigError

FILE_BYTES_MAX = 64 * 1024 * 1024
"""A larger recording belongs in several files."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One series over time, in its canonical unit."""

    at: tuple[float, ...]
    """Instants that the values hold from, growing, seconds since 1970."""
    values: tuple[float, ...]

    def before(self, now: float) -> tuple[float, float] | None:
        """Newest instant at or before `now`, and its value; ``None`` before the first."""
        index = bisect_right(self.at, now) - 1
        return None if index < 0 else (self.at[index], self.values[index])


class RecordedFeed:
    """Says what the files said at the clock's instant."""

    def __init__(self, settings: RecordedFeedSettings, clock: Callable[[], float]) -> None:
        """Read the files, once.

        Args:
            settings: Files and columns.
            clock: The replay's instant, seconds since 1970; it may run at any speed.

        Raises:
            ConfigError: A file cannot be used; the text names file and line.
        """
        self.name = settings.name
        self._clock = clock
        self._recordings = load(settings)

    async def observe(self) -> list[Observation]:
        """For each series the newest row so far. Raises `FeedError` before the first row."""
        now = self._clock()
        found = [
            Observation(series, self.name, value=step[1], at=step[0])
            for series, recording in self._recordings.items()
            if (step := recording.before(now)) is not None
        ]
        if not found:
            raise FeedError(f"{self.name}: the recordings begin after the replay's instant {now}")
        return sorted(found, key=lambda observation: observation.at)

    async def close(self) -> None:
        """Nothing is held open."""


def load(settings: RecordedFeedSettings) -> dict[str, Recording]:
    """All series of the files, whole. Raises `ConfigError` naming file and line."""
    recordings: dict[str, Recording] = {}
    for file in settings.files:
        for series, recording in _load_file(file).items():
            if series in recordings:
                raise ConfigError(f"{file.path}: series {series!r} is recorded twice; keep one")
            recordings[series] = recording
    return recordings


@dataclass(frozen=True, slots=True)
class _Column:
    """One column while its file is read."""

    name: str
    series: str
    index: int
    convert: Callable[[float], float]
    steps: list[tuple[float, float]] = field(default_factory=list)


def _load_file(file: RecordedFile) -> dict[str, Recording]:
    rows = _rows(file.path)
    _, header = next(rows, (1, []))
    time_index = _index(header, file.time_column, file.path)
    columns = [_column(settings, header, file.path) for settings in file.columns]
    shift_s = _shift_s(file)
    for at, line, row in _timed(rows, time_index, file):
        for column in columns:
            if text := row[column.index].strip():
                value = _number(text, f"{file.path}:{line}: column {column.name}")
                column.steps.append((at + shift_s, column.convert(value)))
    recordings = {column.series: _recording(column) for column in columns}
    if len(recordings) < len(columns):
        raise ConfigError(f"{file.path}: two columns name the same series")
    return recordings


def _column(settings: ColumnSettings, header: list[str], path: Path) -> _Column:
    name = settings.column
    convert = units.conversion(settings, where=f"{path}: column {name}")
    return _Column(name, settings.series, _index(header, name, path), convert)


def _recording(column: _Column) -> Recording:
    return Recording(tuple(at for at, _ in column.steps), tuple(v for _, v in column.steps))


def _timed(
    rows: Iterator[tuple[int, list[str]]], time_index: int, file: RecordedFile
) -> Iterator[tuple[float, int, list[str]]]:
    """Rows with their instants, which must grow."""
    last = float("-inf")
    for line, row in rows:
        try:
            at = units.instant(row[time_index], file.time_format)
        except ValueError as error:
            raise ConfigError(f"{file.path}:{line}: column {file.time_column}: {error}") from error
        if at <= last:
            raise ConfigError(f"{file.path}:{line}: its time is not after the row before; sort it")
        last = at
        yield at, line, row


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines by number, the header first; all as long as the header."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    width = 0
    try:
        for row in reader:
            width = width or len(row)
            if row and len(row) != width:
                cells = f"{len(row)} cells where the first line has {width}"
                raise ConfigError(f"{path}:{reader.line_num}: {cells}")
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"{path}:{reader.line_num}: not valid CSV: {error}") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes; split it")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _index(header: list[str], name: str, path: Path) -> int:
    if name not in header:
        known = ", ".join(header) or "none"
        raise ConfigError(f"{path}:1: column {name!r} is missing; columns: {known}")
    return header.index(name)


def _number(text: str, where: str) -> float:
    try:
        return units.number(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _shift_s(file: RecordedFile) -> float:
    """Seconds from the file's own time to the replay's."""
    align, hours = file.align, file.time_format is TimeFormat.HOURS
    if align is None:
        if hours:
            raise ConfigError(f"{file.path}: hours have no date; `align` must place them")
        return 0.0
    if hours == isinstance(align.recorded, datetime):
        kind = "a number of hours" if hours else "a date and time"
        raise ConfigError(f"{file.path}: align.recorded: write {kind}, as the file does")
    try:
        if isinstance(align.recorded, datetime):
            recorded_s = units.seconds(align.recorded)
        else:
            recorded_s = align.recorded * units.SECONDS_PER_H
        return units.seconds(align.replayed) - recorded_s
    except ValueError as error:
        raise ConfigError(f"{file.path}: align: {error}") from error
