"""Numbers, units and instants of sources, made ours by a declared table. It never guesses."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from controller.feeds.settings.measures import Measure, TimeFormat
from wire.configfile import ConfigError

SECONDS_PER_H = 3600.0
MS_PER_S = 1000.0

NUMBER_MAX = 1e30
"""A larger number is no price, and must not become infinite when it is scaled."""

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

Rates = Callable[[str], float]
"""US dollars per one of a currency now, by series; raises `NoRateError`."""


class NoRateError(Exception):
    """Nobody knows what a currency is worth now, so nothing in it has a price."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that a source may declare."""

    canonical: str
    """Unit that its values are turned into."""
    factor: float = 1.0
    currency: str = ""
    """What one must know the rate of; empty: it is in US dollars, or in no money."""


CURRENCIES = (
    "usd",
    "eur",
    "gbp",
    "aud",
    "cad",
    "chf",
    "dkk",
    "nok",
    "pln",
    "sek",
    "btc",
    "coin",
)
"""What prices are written in; `coin` is whatever the rate is given for."""

SHAPES = MappingProxyType(
    {
        "": Unit("usd"),
        "_per_kwh": Unit("usd_per_kwh"),
        "_per_mwh": Unit("usd_per_kwh", 1e-3),
        "_cents_per_kwh": Unit("usd_per_kwh", 1e-2),
        "_per_gpu_h": Unit("usd_per_gpu_h"),
        "_per_gpu_day": Unit("usd_per_gpu_h", 1 / 24),
        "_per_mhs_h": Unit("usd_per_mhs_h"),
        "_per_mhs_day": Unit("usd_per_mhs_h", 1 / 24),
        "_per_mtoken": Unit("usd_per_mtoken"),
    }
)
"""What a currency may be paid for, by the end of the unit's name."""

PLAIN = MappingProxyType(
    {
        "groups": Unit("groups"),
        "ratio": Unit("ratio"),
        "percent": Unit("ratio", 1e-2),
        "index": Unit("index"),
    }
)
"""Units without money."""

KNOWN = MappingProxyType(
    {
        f"{currency}{shape}": Unit(
            unit.canonical, unit.factor, "" if currency == "usd" else currency
        )
        for currency in CURRENCIES
        for shape, unit in SHAPES.items()
    }
    | dict(PLAIN)
)
"""Every unit that may be declared, by name."""


def known() -> str:
    """What to write, for people."""
    shapes = ", ".join(f"usd{shape}" for shape in SHAPES)
    others = ", ".join(CURRENCIES[1:])
    return f"{shapes} (instead of usd also {others}), {', '.join(PLAIN)}"


def conversion(
    measure: Measure, *, where: str, rates: Rates | None = None
) -> Callable[[float], float]:
    """A function from a source's number to the canonical unit; `where` begins its errors.

    It raises `NoRateError` while a rate that is a series has no value.

    Raises:
        ConfigError: The unit is unknown, its rate missing or superfluous, the scale 0.
    """
    unit = KNOWN.get(measure.unit)
    if unit is None:
        raise ConfigError(f"{where}: unit {measure.unit!r} is unknown; write one of {known()}")
    rate = _rate(measure, unit, where)
    scale, offset = measure.scale, measure.offset
    if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
        raise ConfigError(f"{where}: scale and offset must be finite, the scale not 0")
    if isinstance(rate, str):
        return _floating(measure, unit.factor, rate, rates, where)
    if not 0 < rate < math.inf:
        raise ConfigError(f"{where}: the rate must be finite and above 0")
    factor = unit.factor * rate
    return lambda number: (number * scale + offset) * factor


def _rate(measure: Measure, unit: Unit, where: str) -> float | str:
    """Dollars per one of the unit's currency, or the series that says it."""
    given = [rate for rate in (measure.rate_usd, measure.usd_per_eur) if rate is not None]
    if not unit.currency:
        if given:
            raise ConfigError(f"{where}: unit {measure.unit!r} takes no rate")
        return 1.0
    if len(given) != 1 or (measure.usd_per_eur is not None and unit.currency != "eur"):
        raise ConfigError(
            f"{where}: unit {measure.unit!r} needs `rate_usd`: "
            f"dollars per {unit.currency}, or the series that says it"
        )
    return given[0]


def _floating(
    measure: Measure, factor: float, series: str, rates: Rates | None, where: str
) -> Callable[[float], float]:
    if rates is None:
        raise ConfigError(f"{where}: rate_usd: here it must be a number, not a series")
    scale, offset = measure.scale, measure.offset
    return lambda number: (number * scale + offset) * factor * rates(series)


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
