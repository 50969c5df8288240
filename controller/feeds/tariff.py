"""What a site pays per kWh: a market's trusted price and a table by local time, taxed.

It computes from quotes that are trusted; without the price it leans on it says nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.core import calendar
from controller.core.calendar import When
from controller.core.model import Observation
from controller.feeds import fields, units
from controller.feeds.settings import Measure, TariffSettings
from controller.feeds.trusted import Ahead, Look, rates
from controller.feeds.units import NoRateError, Rates
from controller.ports import FeedError
from wire.configfile import ConfigError

CANONICAL = "usd_per_kwh"

AHEAD_S = 36 * 3600.0
"""How far a table is told ahead where no market has announced anything."""

MINUTE_S = 60.0
"""Tables and markets change at whole minutes."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the table, compiled."""

    when: When
    price: float


class TariffFeed:
    """Computes one series whenever it is asked."""

    def __init__(
        self, settings: TariffSettings, clock: Callable[[], float], look: Look, ahead: Ahead
    ) -> None:
        """Compile the table.

        Args:
            settings: The tariff.
            clock: The instant that prices count by, seconds since 1970.
            look: Trusted quotes, of the market's price and of rates of exchange.
            ahead: What the market has announced.

        Raises:
            ConfigError: The table, the zone or the unit cannot be used.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._look = look
        self._ahead = ahead
        where = f"tariff {settings.series}"
        self._zone = fields.zone(settings.time_zone, where)
        self._lines = tuple(_lines(settings, where))
        self._convert = _conversion(settings, where, rates(look))

    async def observe(self) -> list[Observation]:
        """The price for now. Raises `FeedError`."""
        now = self._clock()
        at, price = self._base() if self._settings.base else (now, 0.0)
        return [Observation(self._settings.series, self.name, self._paid(price, now), at)]

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        """Every change to come: as far as the market has announced, or a day and a half."""
        try:
            return {self._settings.series: list(self._changes())}
        except FeedError:
            return {}

    async def close(self) -> None:
        """Nothing is held open."""

    def _paid(self, price: float, at: float) -> float:
        """What is paid at an instant, where the market's price is `price`. Raises `FeedError`."""
        settings = self._settings
        return (price * settings.multiplier + self._table(at)) * (1 + settings.tax_ratio)

    def _changes(self) -> Iterator[tuple[float, float]]:
        """Instants to come at which something else will be paid. Raises `FeedError`."""
        now, market = self._clock(), [(-math.inf, 0.0)]
        end = now + AHEAD_S
        if self._settings.base:
            market = [(-math.inf, self._base()[1]), *self._ahead(self._settings.base)]
            end = market[-1][0]
        begins = [at for at, _ in market]
        paid = self._paid(market[0][1], now)
        minute = math.ceil(now / MINUTE_S) * MINUTE_S
        while minute <= end:
            price = market[bisect_right(begins, minute) - 1][1]
            before, paid = paid, self._paid(price, minute)
            if paid != before:
                yield minute, paid
            minute += MINUTE_S

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
