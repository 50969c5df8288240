"""When a demand charge counts: billing months, metered intervals, and hours that are left.

By the local clock and calendar, through days of 23 and 25 hours. It knows no watts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from controller.core import calendar
from controller.core.charges.settings import DemandChargeSettings

SECONDS_PER_H = 3600.0

STEP_S = 900.0
"""Hours are counted in such steps: windows begin and end at quarters of an hour."""

LEAD_S = 300.0
"""So long before a window opens it counts: servers take minutes to drain."""

LONGEST_MONTH = timedelta(days=32)

CACHED_MAX = 1024
"""Spans of hours that are counted once: a few for each charge."""


@dataclass(frozen=True, slots=True)
class Month:
    """A billing month, seconds since 1970."""

    begins_at: float
    ends_at: float


def month(charge: DemandChargeSettings, zone: str, at: float) -> Month:
    """The billing month that an instant lies in."""
    local = _local(zone, at)
    begins = local.replace(
        day=charge.billed_from_day, hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    if begins > local:
        begins = (begins.replace(day=1) - timedelta(days=1)).replace(day=charge.billed_from_day)
    ends = (begins.replace(day=1) + LONGEST_MONTH).replace(day=charge.billed_from_day)
    return Month(begins.timestamp(), ends.timestamp())


def day(zone: str, at: float) -> date:
    """The local day of an instant."""
    return _local(zone, at).date()


def interval(charge: DemandChargeSettings, zone: str, at: float) -> float:
    """Beginning of the metered interval that an instant lies in; they go by the local clock."""
    offset_s = (_local(zone, at).utcoffset() or timedelta()).total_seconds()
    return at - (at + offset_s) % charge.interval_s


def counts(charge: DemandChargeSettings, zone: str, at: float) -> bool:
    """Whether what is drawn at an instant is metered for the charge."""
    return _counts(charge, zone, at)


def prepares(charge: DemandChargeSettings, zone: str, at: float) -> bool:
    """Whether the charge counts now or within the time that a switch takes."""
    return _counts(charge, zone, at) or _counts(charge, zone, at + LEAD_S)


@lru_cache(maxsize=CACHED_MAX)
def hours_between(charge: DemandChargeSettings, zone: str, begins_at: float, end: float) -> float:
    """Hours that count between two instants."""
    if _when(charge.hours, charge.days, charge.months).always:
        return (end - begins_at) / SECONDS_PER_H
    steps = round((end - begins_at) / STEP_S)
    found = sum(_counts(charge, zone, begins_at + (n + 0.5) * STEP_S) for n in range(steps))
    return found * STEP_S / SECONDS_PER_H


def hours_left(charge: DemandChargeSettings, zone: str, at: float) -> float:
    """Hours that count from now to the end of the billing month, to a quarter of an hour."""
    return hours_between(charge, zone, at - at % STEP_S, month(charge, zone, at).ends_at)


def hours_of_month(charge: DemandChargeSettings, zone: str, at: float) -> float:
    """Hours of a whole billing month that count."""
    whole = month(charge, zone, at)
    return hours_between(charge, zone, whole.begins_at, whole.ends_at)


def _counts(charge: DemandChargeSettings, zone: str, at: float) -> bool:
    when = _when(charge.hours, charge.days, charge.months)
    return when.always or when.fits(_local(zone, at), charge.holidays)


_when = lru_cache(maxsize=CACHED_MAX)(calendar.when)


def _local(zone: str, at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(zone))
