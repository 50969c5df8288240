"""Recorded series: CSV files, their columns, and the hours that they are laid on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.feeds.settings.measures import Measure, TimeFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSettings(Measure):
    """One column of a CSV file."""

    column: str
    """Its name in the file's first line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Align:
    """Lays the hours of a file on other hours; the shift between the two holds for every row."""

    recorded: datetime | float
    """An instant of the file: hours for `hours`, else a date and time with its zone."""
    replayed: datetime
    """The instant at which it is replayed; the zone must stand there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """One CSV file: a first line of names, then rows with growing times."""

    path: Path
    """The file."""
    columns: tuple[ColumnSettings, ...]
    """Columns to replay; others are left alone. An empty cell says nothing."""
    time_column: str = "ts_utc"
    """Column with the instant that a row holds from."""
    time_format: TimeFormat = TimeFormat.ISO8601
    """How that column is written."""
    align: Align | None = None
    """None: replayed at the hours it was recorded at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFeedSettings:
    """Prices from files, replayed by a clock."""

    name: str
    """Source that its observations name."""
    files: tuple[RecordedFile, ...]
