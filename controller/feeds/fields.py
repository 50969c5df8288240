"""Takes the declared numbers out of a document. What is no number is no price.

The only importer of jmespath on this side.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult

from controller.core.model import Observation
from controller.feeds import curves, units
from controller.feeds.curves import Curve, NothingNowError, Point
from controller.feeds.settings import AnswerSettings, FieldSettings, TimeFormat
from controller.feeds.units import NoRateError, Rates
from wire.configfile import ConfigError

AHEAD_MAX_S = 3600.0
"""A single instant further in the future is a mistaken unit, not a price to come."""

ROWS_MAX = 100_000
"""More rows than a year of quarter-hours are a mistake, not a price list."""


@dataclass(frozen=True, slots=True)
class Path:
    """A JMESPath, compiled, and as it was written."""

    text: str
    parsed: ParsedResult


@dataclass(frozen=True, slots=True)
class Field:
    """One number in an answer, compiled."""

    settings: FieldSettings
    value: Path
    rows: Path | None
    at: Path | None
    until: Path | None
    zone: ZoneInfo
    convert: Callable[[float], float]
    decimal_comma: bool

    @property
    def series(self) -> str:
        """Series that it belongs to."""
        return self.settings.series

    def observation(self, curve: Curve, source: str, now: float) -> Observation:
        """What the source says for `now`. Raises `UnusableError`."""
        try:
            point = curve.now(now) if self.rows else curve.points[0]
            return Observation(self.series, source, self.convert(point.number), point.at)
        except NothingNowError as error:
            raise UnusableError(self._list, str(error)) from None
        except NoRateError as error:
            raise UnusableError(self.settings.path, f"has no price in dollars: {error}") from None

    def announced(self, curve: Curve, now: float) -> list[tuple[float, float]]:
        """Instants to come and their prices at today's rate; empty without a rate."""
        try:
            return [(point.at, self.convert(point.number)) for point in curve.coming(now)]
        except NoRateError:
            return []

    @property
    def _list(self) -> str:
        return self.settings.rows or self.settings.path


class UnusableError(Exception):
    """A place in the document does not hold what it should."""

    def __init__(self, path: str, what: str, text: str = "") -> None:
        """`text` is foreign, to be quoted; it may hold anything."""
        super().__init__(path)
        self.path = path
        self.what = what
        self.text = text

    def told(self, quote: Callable[[str], str]) -> str:
        """One clause for people."""
        return f"`{self.path}` {self.what}{f' {quote(self.text)}' if self.text else ''}"


class Fields:
    """All fields of one source."""

    def __init__(self, settings: AnswerSettings, rates: Rates | None) -> None:
        """Compile them. Raises `ConfigError`."""
        where = f"feed {settings.name}"
        self._settings = settings
        self._fields = [_field(settings, field, rates) for field in settings.fields]
        self._expect = [
            (compiled(path, where), text) for path, text in sorted(settings.expect.items())
        ]

    def read(
        self, document: object, now: float
    ) -> tuple[list[tuple[Field, Curve]], list[UnusableError]]:
        """Fields with what they hold; a bad field or row does not take the others."""
        try:
            self._check(document)
        except UnusableError as error:
            return [], [error]
        found: list[tuple[Field, Curve]] = []
        faults: list[UnusableError] = []
        for field in self._fields:
            try:
                curve, unusable = _curve(field, document, now)
            except UnusableError as error:
                faults.append(error)
            else:
                found.append((field, curve))
                faults += unusable
        return found, faults

    def _check(self, document: object) -> None:
        """Raises `UnusableError` unless what must stand there does."""
        for path, text in self._expect:
            if (found := find(path, document)) != text:
                raise UnusableError(path.text, f"should be {text!r}, is", found)


def said(
    known: Mapping[str, tuple[Field, Curve]], source: str, now: float
) -> tuple[list[Observation], list[UnusableError]]:
    """What all of them say for `now`, oldest first, and what says nothing."""
    found, faults = [], []
    for field, curve in known.values():
        try:
            found.append(field.observation(curve, source, now))
        except UnusableError as error:
            faults.append(error)
    return sorted(found, key=lambda observation: observation.at), faults


def zone(name: str, where: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises `ConfigError`; `where` begins its text."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{where}: no IANA time zone: {name!r}") from error


def _field(answer: AnswerSettings, settings: FieldSettings, rates: Rates | None) -> Field:
    """Raises `ConfigError`."""
    where = f"feed {answer.name}: field {settings.series}"
    if settings.at_format is TimeFormat.HOURS:
        raise ConfigError(f"{where}: at_format: hours have no date; write another format")
    return Field(
        settings,
        value=compiled(settings.path, where),
        rows=compiled(settings.rows, where) if settings.rows else None,
        at=compiled(settings.at_path, where) if settings.at_path else None,
        until=compiled(settings.until_path, where) if settings.until_path else None,
        zone=zone(settings.at_zone, where),
        convert=units.conversion(settings, where=where, rates=rates),
        decimal_comma=answer.decimal_comma,
    )


def compiled(text: str, where: str) -> Path:
    """A JMESPath. Raises `ConfigError`; `where` begins its text."""
    try:
        return Path(text, jmespath.compile(text))
    except JMESPathError as error:
        raise ConfigError(f"{where}: no JMESPath: {error}") from error


def _curve(field: Field, document: object, now: float) -> tuple[Curve, list[UnusableError]]:
    """What a field holds, and the first of the rows that hold nothing. Raises `UnusableError`."""
    if field.rows is None:
        at = _single_instant(field, document, now)
        return Curve((Point(at, inf, _number(field, document)),)), []
    points: dict[float, Point] = {}
    seen: set[float] = set()
    faults: list[UnusableError] = []
    for row in _rows(field.rows, document):
        try:
            point = _point(field, row, seen)
        except UnusableError as error:
            faults.append(error)
            continue
        if points.setdefault(point.at, point) != point:
            what = f"says two things about {curves.shown(point.at)}"
            raise UnusableError(field.rows.text, what)
    if not points:
        raise faults[0] if faults else UnusableError(field.rows.text, "is an empty list")
    return Curve(tuple(points[at] for at in sorted(points))), faults[:1]


def _single_instant(field: Field, document: object, now: float) -> float:
    if field.at is None:
        return now
    at = _instant(field, field.at, document, set())
    if at > now + AHEAD_MAX_S:
        found = find(field.at, document)
        raise UnusableError(field.at.text, "lies in the future:", found)
    return at


def _rows(path: Path, document: object) -> Iterable[object]:
    found = _search(path, document)
    if not isinstance(found, list):
        raise UnusableError(path.text, "is null or missing" if found is None else "is no list")
    if len(found) > ROWS_MAX:
        raise UnusableError(path.text, f"is a list of {len(found)}, more than {ROWS_MAX}")
    return found


def _point(field: Field, row: object, seen: set[float]) -> Point:
    assert field.at is not None
    at = _instant(field, field.at, row, seen)
    seen.add(at)
    until = inf
    if field.until is not None:
        until = _instant(field, field.until, row, set())
    elif field.settings.holds_s is not None:
        until = at + field.settings.holds_s
    return Point(at, until, _number(field, row))


def _instant(field: Field, path: Path, document: object, seen: Container[float]) -> float:
    """Instant at a path. An hour that a clock shows twice is first the one, then the other."""
    settings, found = field.settings, find(path, document)
    try:
        if not settings.at_pattern:
            return units.instant(found, settings.at_format) + settings.at_shift_s
        local = datetime.strptime(found, settings.at_pattern)  # noqa: DTZ007 - its zone is declared
        at, again = (
            local.replace(tzinfo=field.zone, fold=fold).timestamp() + settings.at_shift_s
            for fold in (0, 1)
        )
    except (ValueError, OverflowError):
        raise UnusableError(path.text, "is no instant with a zone but", found) from None
    return again if at in seen else at


def _number(field: Field, document: object) -> float:
    found = find(field.value, document)
    try:
        return units.number(_pointed(found) if field.decimal_comma else found)
    except ValueError:
        raise UnusableError(field.value.text, "is no finite number but", found) from None


def _pointed(text: str) -> str:
    """`1,5` as `1.5`. Raises `ValueError` where a point could separate thousands."""
    if "." in text:
        raise ValueError(f"{text!r} has a point")
    return text.replace(",", ".")


def find(path: Path, document: object) -> str:
    """A number or a text, as text. Raises `UnusableError`."""
    match found := _search(path, document):
        case None:
            raise UnusableError(path.text, "is null or missing")
        case bool():
            raise UnusableError(path.text, f"is {found}, no number".lower())
        case list():
            raise UnusableError(path.text, f"is a list of {len(found)}, no single number")
        case dict():
            raise UnusableError(path.text, "is an object, no number")
    return str(found)


def _search(path: Path, document: object) -> object:
    try:
        return path.parsed.search(document)
    except (JMESPathError, RecursionError) as error:
        raise UnusableError(path.text, "does not fit the answer:", str(error)) from None
