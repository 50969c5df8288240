"""A demand charge as its operator writes it down: what a month's highest draw costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from controller.core import calendar

INTERVALS_S = (300.0, 900.0, 1800.0, 3600.0)
"""What meters average over, seconds."""

LAST_DAY_MAX = 28
"""Every month has so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandChargeSettings:
    """So much per kW of the highest mean draw over a metering interval, each billing month."""

    name: str = "demand"
    """Unique at its site, e.g. `on-peak`; what was metered is remembered by it."""
    usd_per_kw_month: float
    """US dollars per kW of the month's peak, taxes included."""
    interval_s: float = 900.0
    """What the meter averages over: 300, 900, 1800 or 3600 seconds."""
    hours: str = ""
    """Local times that count, e.g. `16:00-21:00`; empty: all."""
    days: str = ""
    """Days that count, by `mon` to `sun` and `hol`, e.g. `mon-fri`; empty: all."""
    months: str = ""
    """Months that count by `jan` to `dec`, e.g. `jun-sep`; empty: all."""
    holidays: tuple[date, ...] = ()
    """Local days that count as `hol` and as no day of the week."""
    billed_from_day: int = 1
    """Day of the month, 1 to 28, on whose midnight a billing month begins."""
    base_w: float = 0.0
    """What the rest of the building draws behind the same meter, watts."""
    ratchet_ratio: float = 0.0
    """Share of the highest peak of the last 11 months that is billed at least, 0 to 1."""


def problems(site: str, charges: Sequence[DemandChargeSettings]) -> Iterator[str]:
    """What in a site's demand charges cannot be meant; each one sentence."""
    for name, count in Counter(charge.name for charge in charges).items():
        if count > 1:
            yield f"site {site}: demand charge {name!r} stands twice; give each its own `name`"
    if not all(charge.name.strip() for charge in charges):
        yield f"site {site}: a demand charge has an empty `name`; write one such as on-peak"
    for charge in charges:
        where = f"site {site}: demand charge {charge.name!r}"
        yield from (f"{where}: {text}" for text in _problems(charge))


def _problems(charge: DemandChargeSettings) -> Iterator[str]:
    if not 0 <= charge.usd_per_kw_month < math.inf:
        yield "`usd_per_kw_month` must be 0 or more, e.g. 12.5"
    if charge.interval_s not in INTERVALS_S:
        yield f"`interval_s` must be one of {', '.join(f'{one:.0f}' for one in INTERVALS_S)}"
    if not 1 <= charge.billed_from_day <= LAST_DAY_MAX:
        yield f"`billed_from_day` must be 1 to {LAST_DAY_MAX}"
    if not 0 <= charge.base_w < math.inf:
        yield "`base_w` must be 0 or more"
    if not 0 <= charge.ratchet_ratio <= 1:
        yield "`ratchet_ratio` must be 0 to 1, e.g. 0.8 for 80 percent"
    try:
        calendar.when(charge.hours, charge.days, charge.months)
    except ValueError as error:
        yield str(error)
