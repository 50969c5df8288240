"""How numbers and instants of a source are written, and what they become."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    """Unit of `number * scale + offset`, e.g. `eur_per_mwh`; see *Units of feeds* above."""
    scale: float = 1.0
    """Factor, when the source counts in something that is no known unit. Not zero."""
    offset: float = 0.0
    """Added after scaling, in `unit`: grid fees and taxes on top of an exchange price."""
    rate_usd: float | str | None = None
    """Dollars per one of the unit's currency: a fixed rate, or the series that says it."""
    usd_per_eur: float | None = None
    """The same as `rate_usd`, a fixed one, for units in euro."""
