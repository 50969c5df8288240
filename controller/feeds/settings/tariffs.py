"""Tariffs: what a site really pays per kWh, made of a table by time and a market's price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """One line of a tariff's table; it holds where everything that it names fits."""

    price: float
    """What is paid then, in the tariff's `unit`. May be negative."""
    hours: str = ""
    """Local times, e.g. `14:00-19:00` or `22:00-06:00, 12:00-13:00`; empty: all."""
    days: str = ""
    """Days by `mon` to `sun` and `hol`, e.g. `mon-fri` or `sat-sun, hol`; empty: all."""
    months: str = ""
    """Months by `jan` to `dec`, e.g. `jun-sep`; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffSettings:
    """A computed series: `(base * multiplier + price by the table) * (1 + tax_ratio)`."""

    series: str
    """Series that it makes, e.g. `power.dallas`."""
    base: str = ""
    """Series of a market's price, dollars per kWh; empty: the table is all there is."""
    multiplier: float = 1.0
    """Factor on `base`, e.g. 1.04 for losses."""
    rates: tuple[RateSettings, ...] = ()
    """Table by local time; the first line that fits holds. With a base: what comes on top."""
    unit: str = "usd_per_kwh"
    """Unit of the table's prices, e.g. `eur_cents_per_kwh`."""
    rate_usd: float | str | None = None
    """Dollars per one of the unit's currency: a fixed rate, or the series that says it."""
    tax_ratio: float = 0.0
    """Tax on all of it, e.g. 0.19."""
    time_zone: str = "UTC"
    """IANA time zone of the table."""
    holidays: tuple[date, ...] = ()
    """Local days that count as `hol` and as no day of the week."""

    @property
    def name(self) -> str:
        """Source that its observations name."""
        return f"tariff/{self.series}"
