"""Feeds as the controller's configuration file describes them. Unknown keys are errors.

Units, paths and secrets are checked by the feed that uses them, when it is made.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class TimeFormat(StrEnum):
    """How a source writes instants."""

    ISO8601 = "iso8601"
    """`2026-03-14T00:00:00Z`; the zone must stand there."""
    EPOCH_S = "epoch_s"
    """Seconds since 1970, UTC."""
    EPOCH_MS = "epoch_ms"
    """Milliseconds since 1970, UTC."""
    HOURS = "hours"
    """Hours since a beginning that only `align` can place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How the numbers of a source become values of one series: `number * scale + offset`."""

    series: str
    """Series that the values belong to, e.g. `power.rotterdam`."""
    unit: str
    """Unit of `number * scale + offset`, one of `controller.feeds.units.KNOWN`."""
    scale: float = 1.0
    """Factor, when the source counts in something that is no known unit. Not zero."""
    offset: float = 0.0
    """Added after scaling, in `unit`: grid fees and taxes on top of an exchange price."""
    usd_per_eur: float | None = None
    """Fixed rate for units in euro, which need one; dollars per euro."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A header or query value: given here, or a secret from a file or the environment."""

    value: str | None = None
    """Plain text. No secret: it may be shown."""
    file: Path | None = None
    """File that holds the secret and nothing else; white space around it is dropped."""
    env: str | None = None
    """Environment variable that holds the secret."""
    prefix: str = ""
    """Put before it, e.g. `"Bearer "`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSettings(Measure):
    """One number in a JSON answer."""

    path: str
    """JMESPath to a number or a numeric string."""
    at_path: str = ""
    """JMESPath to the instant that the number holds from; empty: the moment of the answer."""
    at_format: TimeFormat = TimeFormat.ISO8601
    """How that instant is written; `hours` is for files only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFeedSettings:
    """Prices from a JSON answer over HTTP."""

    name: str
    """Source that its observations name."""
    url: str
    """`https://…`; `http://` only without secrets, or on loopback."""
    fields: tuple[FieldSettings, ...]
    headers: dict[str, Text] = field(default_factory=dict)
    """Sent with the request, by name."""
    query: dict[str, Text] = field(default_factory=dict)
    """Added to the URL; the place for keys that the provider wants there."""
    interval_s: float = 60.0
    """It is not asked more often, failed answers included: many providers count those too."""
    timeout_s: float = 10.0
    """For the whole answer, from connecting to its last byte."""
    bytes_max: int = 1024 * 1024
    """A longer answer is cut off and refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsSettings:
    """All feeds of a controller; names are unique among them."""

    recorded: tuple[RecordedFeedSettings, ...] = ()
    http: tuple[HttpFeedSettings, ...] = ()


def problems(feeds: FeedsSettings) -> Iterator[str]:
    """What in these settings cannot be meant; each one sentence."""
    names = Counter([*(feed.name for feed in feeds.recorded), *(feed.name for feed in feeds.http)])
    yield from (f"feed {name!r} stands twice; rename one" for name, n in names.items() if n > 1)
    for recorded in feeds.recorded:
        if not recorded.files:
            yield f"feed {recorded.name}: files: name at least one"
    for http in feeds.http:
        if not http.fields:
            yield f"feed {http.name}: fields: name at least one"
        if not (0 < http.interval_s < math.inf and 0 < http.timeout_s < math.inf):
            yield f"feed {http.name}: `interval_s` and `timeout_s` must be above 0"
        if http.bytes_max < 1:
            yield f"feed {http.name}: `bytes_max` must be above 0"
