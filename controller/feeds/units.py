"""Numbers, units and instants of sources, made ours by a declared table. It never guesses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from controller.feeds.settings import Measure, TimeFormat
from wire.configfile import ConfigError

SECONDS_PER_H = 3600.0
MS_PER_S = 1000.0

NUMBER_MAX = 1e30
"""A larger number is no price, and must not become infinite when it is scaled."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that a source may declare."""

    canonical: str
    """Unit that its values are turned into."""
    factor: float = 1.0
    euro: bool = False
    """Whether it needs a rate of dollars per euro."""


KNOWN = MappingProxyType(
    {
        "usd_per_kwh": Unit("usd_per_kwh"),
        "usd_per_mwh": Unit("usd_per_kwh", 1e-3),
        "eur_per_kwh": Unit("usd_per_kwh", 1.0, euro=True),
        "eur_per_mwh": Unit("usd_per_kwh", 1e-3, euro=True),
        "usd_per_gpu_h": Unit("usd_per_gpu_h"),
        "usd_per_gpu_day": Unit("usd_per_gpu_h", 1 / 24),
        "eur_per_gpu_h": Unit("usd_per_gpu_h", 1.0, euro=True),
        "usd_per_mhs_h": Unit("usd_per_mhs_h"),
        "usd_per_mhs_day": Unit("usd_per_mhs_h", 1 / 24),
        "usd_per_mtoken": Unit("usd_per_mtoken"),
        "usd": Unit("usd"),
        "eur": Unit("usd", 1.0, euro=True),
        "groups": Unit("groups"),
        "ratio": Unit("ratio"),
        "percent": Unit("ratio", 1e-2),
        "index": Unit("index"),
    }
)
"""Every unit that may be declared, by name."""


def conversion(measure: Measure, *, where: str) -> Callable[[float], float]:
    """A function from a source's number to the canonical unit; `where` begins its errors.

    Raises:
        ConfigError: The unit is unknown, a euro rate is missing or superfluous, the scale is 0.
    """
    unit = KNOWN.get(measure.unit)
    if unit is None:
        known = ", ".join(KNOWN)
        raise ConfigError(f"{where}: unit {measure.unit!r} is unknown; write one of {known}")
    rate = measure.usd_per_eur
    if unit.euro != (rate is not None):
        what = "needs" if unit.euro else "takes no"
        raise ConfigError(f"{where}: unit {measure.unit!r} {what} `usd_per_eur`")
    factor = unit.factor * (1.0 if rate is None else rate)
    scale, offset = measure.scale, measure.offset
    if not all(map(math.isfinite, (factor, scale, offset))) or factor <= 0 or scale == 0:
        raise ConfigError(f"{where}: scale, offset and rate must be finite, scale and rate not 0")
    return lambda number: (number * scale + offset) * factor


def number(text: str) -> float:
    """A number written plainly, in ASCII. Raises `ValueError` for anything else."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= NUMBER_MAX:
        raise ValueError(f"{text!r} is no finite number")
    return value


def instant(text: str, form: TimeFormat) -> float:
    """Seconds since 1970 (`HOURS`: since the source's own beginning). Raises `ValueError`."""
    match form:
        case TimeFormat.ISO8601:
            return seconds(datetime.fromisoformat(text.strip()))
        case TimeFormat.EPOCH_S:
            return number(text)
        case TimeFormat.EPOCH_MS:
            return number(text) / MS_PER_S
        case TimeFormat.HOURS:
            return number(text) * SECONDS_PER_H


def seconds(moment: datetime) -> float:
    """Seconds since 1970. Raises `ValueError` for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} lacks its zone; append Z for UTC")
    return moment.timestamp()
