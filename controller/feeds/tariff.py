"""What a site pays per kWh: a market's trusted price and a table by local time, taxed.

It computes from quotes that are trusted; without the price it leans on it says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.core.model import Observation
from controller.feeds import calendar, fields, units
from controller.feeds.calendar import When
from controller.feeds.settings import Measure, TariffSettings
from controller.feeds.trusted import Look, rates
from controller.feeds.units import NoRateError, Rates
from controller.ports import FeedError
from wire.configfile import ConfigError

CANONICAL = "usd_per_kwh"


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the table, compiled."""

    when: When
    price: float


class TariffFeed:
    """Computes one series whenever it is asked."""

    def __init__(self, settings: TariffSettings, clock: Callable[[], float], look: Look) -> None:
        """Compile the table.

        Args:
            settings: The tariff.
            clock: The instant that prices count by, seconds since 1970.
            look: Trusted quotes, of the market's price and of rates of exchange.

        Raises:
            ConfigError: The table, the zone or the unit cannot be used.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._look = look
        where = f"tariff {settings.series}"
        self._zone = fields.zone(settings.time_zone, where)
        self._lines = tuple(_lines(settings, where))
        self._convert = _conversion(settings, where, rates(look))

    async def observe(self) -> list[Observation]:
        """The price for now. Raises `FeedError`."""
        settings, now = self._settings, self._clock()
        at, price = now, 0.0
        if settings.base:
            at, price = self._base()
        value = (price * settings.multiplier + self._table(now)) * (1 + settings.tax_ratio)
        return [Observation(settings.series, self.name, value, at)]

    async def close(self) -> None:
        """Nothing is held open."""

    def _base(self) -> tuple[float, float]:
        """Instant and value of the market's price."""
        quote = self._look(self._settings.base)
        if quote.value is None:
            raise FeedError(f"{self.name}: no price to compute from: {quote.reason}")
        return quote.at, quote.value

    def _table(self, now: float) -> float:
        """Dollars per kWh by the table; with a base, a gap in it adds nothing."""
        local = datetime.fromtimestamp(now, self._zone)
        holidays = self._settings.holidays
        price = next((each.price for each in self._lines if each.when.fits(local, holidays)), None)
        if price is None:
            return 0.0
        try:
            return self._convert(price)
        except NoRateError as error:
            raise FeedError(f"{self.name}: {error}") from None


def problems(settings: TariffSettings) -> Iterator[str]:
    """What in a tariff cannot be meant; each one sentence."""
    where = f"tariff {settings.series}"
    numbers = (settings.multiplier, settings.tax_ratio, *(rate.price for rate in settings.rates))
    if not all(map(math.isfinite, numbers)):
        yield f"{where}: every number must be finite"
    if settings.tax_ratio <= -1:
        yield f"{where}: `tax_ratio` must be above -1, e.g. 0.19"
    if not settings.base and not settings.rates:
        yield f"{where}: give `base`, `rates`, or both"
    if settings.base == settings.series:
        yield f"{where}: `base` must be another series"
    try:
        fields.zone(settings.time_zone, where)
        _conversion(settings, where, lambda _: 1.0)
        lines = list(_lines(settings, where))
    except ConfigError as error:
        yield str(error)
    else:
        if any(line.when.always for line in lines[:-1]):
            yield f"{where}: nothing behind a rate without conditions ever holds; put it last"
        elif lines and not settings.base and not lines[-1].when.always:
            yield f"{where}: the last of `rates` must hold always: leave out its conditions"


def _conversion(settings: TariffSettings, where: str, rate: Rates) -> Callable[[float], float]:
    """From the table's unit. Raises `ConfigError`."""
    measure = Measure(series=settings.series, unit=settings.unit, rate_usd=settings.rate_usd)
    convert = units.conversion(measure, where=where, rates=rate)
    if units.KNOWN[settings.unit].canonical != CANONICAL:
        raise ConfigError(f"{where}: unit: {settings.unit!r} is no price of energy")
    return convert


def _lines(settings: TariffSettings, where: str) -> Iterator[_Line]:
    """Raises `ConfigError`."""
    for number, rate in enumerate(settings.rates, start=1):
        try:
            yield _Line(calendar.when(rate.hours, rate.days, rate.months), rate.price)
        except ValueError as error:
            raise ConfigError(f"{where}: line {number} of `rates`: {error}") from error
