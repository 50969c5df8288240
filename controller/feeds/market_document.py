"""Prices in the XML of electricity markets (IEC 62325, as ENTSO-E publishes them), row by row.

A period tells where it starts, how long its steps are, and a price at positions; a position that
is left out repeats the price before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

STEPS_MAX = 100_000
"""More steps than a year of quarter-hours are a mistake, not a price list."""

_RESOLUTION = re.compile(r"PT(\d{1,4})([MH])")


class RefusedError(Exception):
    """The market answered, well-formed, that it has nothing; the text is its reason."""


def rows(root: Element) -> list[dict[str, str | None]]:
    """`{at, until, price, currency, per, sequence}` for every step, as texts.

    Raises:
        RefusedError: The document is an acknowledgement that says why there are no prices.
        ValueError: It is none of these documents.
    """
    kind = local(root)
    if kind.startswith("Acknowledgement"):
        raise RefusedError("; ".join(text for text in map(_text, _all(root, "text")) if text))
    if not kind.startswith("Publication"):
        raise ValueError(f"{kind} holds no prices")
    return [row for series in _all(root, "TimeSeries") for row in _series(series)]


def local(element: Element) -> str:
    """Its name without the namespace."""
    return element.tag.rpartition("}")[2]


def _series(series: Element) -> Iterator[dict[str, str | None]]:
    same = {
        "currency": _first(series, "currency_Unit.name"),
        "per": _first(series, "price_Measure_Unit.name"),
        "sequence": _first(series, "classificationSequence_AttributeInstanceComponent.position"),
    }
    for period in _all(series, "Period"):
        start, end = (_instant(_first(period, name)) for name in ("start", "end"))
        step = _resolution(_first(period, "resolution"))
        count = (end - start) // step
        if not 0 < count <= STEPS_MAX:
            raise ValueError("a period of no plausible length")
        for number, price in enumerate(_prices(period, count)):
            at = start + number * step
            yield {
                "at": at.isoformat(),
                "until": (at + step).isoformat(),
                "price": price,
                **same,
            }


def _prices(period: Element, count: int) -> Iterator[str | None]:
    """The price at every position; those left out repeat the one before."""
    said = {}
    for point in _all(period, "Point"):
        position = int(_first(point, "position") or "")
        if not 1 <= position <= count or position in said:
            raise ValueError(f"position {position} of {count}")
        said[position] = _first(point, "price.amount")
    price: str | None = None
    for position in range(1, count + 1):
        price = said.get(position, price)
        yield price


def _resolution(text: str | None) -> timedelta:
    found = _RESOLUTION.fullmatch(text or "")
    if found is None or not int(found[1]):
        raise ValueError(f"no resolution in minutes or hours: {text}")
    return timedelta(minutes=int(found[1]) * (60 if found[2] == "H" else 1))


def _instant(text: str | None) -> datetime:
    """The documents write UTC to the minute."""
    moment = datetime.fromisoformat(text or "")
    if moment.tzinfo is None:
        raise ValueError(f"{text} lacks its zone")
    return moment.astimezone(UTC)


def _all(element: Element, name: str) -> Iterator[Element]:
    return (each for each in element.iter() if local(each) == name)


def _first(element: Element, name: str) -> str | None:
    return next(map(_text, _all(element, name)), None)


def _text(element: Element) -> str:
    return (element.text or "").strip()
