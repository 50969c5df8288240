"""Every recorded series of a scenario, and where in which file each of its values stands.

It fills no gaps and makes up no values.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from controller.feeds import recorded, units
from controller.feeds.recorded import Recording
from controller.feeds.settings import ColumnSettings, RecordedFeedSettings, RecordedFile
from wire.configfile import ConfigError


@dataclass(frozen=True, slots=True)
class Library:
    """All series of a scenario."""

    series: dict[str, Recording]
    _origins: dict[str, tuple[RecordedFile, ColumnSettings]]
    _held: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def load(cls, files: tuple[RecordedFile, ...]) -> Library:
        """Read every file. Raises `ConfigError` naming file and line."""
        series = recorded.load(RecordedFeedSettings(name="replay", files=files))
        return cls(series, {c.series: (file, c) for file in files for c in file.columns})

    def fault(self, name: str, unit: str) -> str | None:
        """Why a series cannot stand for values in a unit; none: it can."""
        if name not in self.series:
            return f"no recording has the series {name!r}; there are {', '.join(self.series)}"
        file, column = self._origins[name]
        found = units.KNOWN[column.unit].canonical
        if found != unit:
            return (
                f"series {name!r} is in {found} ({file.path}, column {column.column}, unit "
                f"{column.unit}), it must be in {unit}"
            )
        if not self.series[name].at:
            return f"series {name!r} has no value: {file.path}, column {column.column} is empty"
        return None

    def held(self, name: str, at_s: Sequence[float], gap_s_max: float) -> list[float]:
        """Value of a series at every tick; all callers have the same ticks.

        Raises:
            ConfigError: There is a longer gap than that; the text says in which line.
        """
        if name not in self._held:
            self._held[name] = list(self._values(name, at_s, gap_s_max))
        return self._held[name]

    def _values(self, name: str, at_s: Sequence[float], gap_s_max: float) -> Iterator[float]:
        recording = self.series[name]
        for now in at_s:
            step = recording.before(now)
            if step is None or now - step[0] > gap_s_max:
                raise ConfigError(self._gap(name, now, None if step is None else step[0]))
            yield step[1]

    def _gap(self, name: str, now: float, last_s: float | None) -> str:
        file, column = self._origins[name]
        where, last = str(file.path), "there is none before"
        if last_s is not None:
            where += f":{_line(file, column, self.series[name].at.index(last_s))}"
            last = f"the last one is of {shown(last_s)}"
        return (
            f"{where}: column {column.column}: series {name!r} has no value for {shown(now)}: "
            f"{last}; mend the file, or set `begins` and `ends`, or a longer `gap_s_max`"
        )


def _line(file: RecordedFile, column: ColumnSettings, index: int) -> int:
    """Line of a column's value, counted from 0; the file was read before, so it is a good one."""
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        rows = csv.reader(text)
        place = next(rows).index(column.column)
        lines = (rows.line_num for row in rows if row and row[place].strip())
        return next(islice(lines, index, None))


def shown(instant_s: float) -> str:
    """ISO 8601, UTC, whole seconds."""
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
