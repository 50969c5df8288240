"""A tiny language for places in a JSON document, so that adapters can be data.

`a.b` is a key in a key, `a[0]` an element, `a[]` every element, `a#` the values of `a0`, `a1`, …
in order. What is missing or of another shape is ``None``; nothing here raises or guesses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import count

_PART = re.compile(r"(?P<key>[^\[\]#]*)(?P<numbered>#)?(?P<indices>(?:\[\d*\])*)")
_INDEX = re.compile(r"\[(\d*)\]")

_WHOLE_MAX = 2.0**63
"""Larger numbers do not fit into a message."""

_PATHS_MAX = 1024
"""Parsed paths kept; the tables together hold some hundred."""


def select(document: object, path: str) -> list[object]:
    """Every value at `path`, in order, ``None`` in the place of one that is missing."""
    found = [document]
    for step in _steps(path):
        found = [value for item in found for value in _take(item, step)]
    return found


def number(value: object) -> float | None:
    """A finite number of 0 or more, also one written as a text; else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 <= found < math.inf else None


def whole(value: float | None) -> int | None:
    """The nearest whole number; ``None`` for one that no counter can reach."""
    return None if value is None or value >= _WHOLE_MAX else round(value)


def text(value: object) -> str | None:
    """A text that is not blank; else ``None``."""
    return (value.strip() or None) if isinstance(value, str) else None


def first_number(document: object, paths: tuple[str, ...]) -> float | None:
    """The sum of the numbers at the first of `paths` that leads to any."""
    for path in paths:
        numbers = [
            found for value in select(document, path) if (found := number(value)) is not None
        ]
        if numbers:
            return math.fsum(numbers)
    return None


def first_text(document: object, paths: tuple[str, ...]) -> str | None:
    """The first text at any of `paths`."""
    values = (text(value) for path in paths for value in select(document, path))
    return next((value for value in values if value is not None), None)


_Step = str | int | None
"""A key, an index, or every element."""


@lru_cache(_PATHS_MAX)
def _steps(path: str) -> tuple[tuple[_Step, bool], ...]:
    return tuple(_parse(path))


def _parse(path: str) -> Iterator[tuple[_Step, bool]]:
    for part in path.split("."):
        match = _PART.fullmatch(part)
        assert match is not None, f"{path!r} is no path"
        if match["key"]:
            yield match["key"], match["numbered"] is not None
        for index in _INDEX.findall(match["indices"]):
            yield (int(index) if index else None), False


def _take(item: object, step: tuple[_Step, bool]) -> list[object]:
    place, numbered = step
    match place:
        case str() if numbered:
            return _numbered(item, place)
        case str():
            return [item.get(place) if isinstance(item, dict) else None]
        case int():
            return [item[place] if isinstance(item, list) and place < len(item) else None]
    return list(item) if isinstance(item, list) else []


def _numbered(item: object, key: str) -> list[object]:
    if not isinstance(item, dict):
        return []
    values: list[object] = []
    for index in count():
        if f"{key}{index}" not in item:
            break
        values.append(item[f"{key}{index}"])
    return values
