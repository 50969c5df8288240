"""Less power for a while: orders of the grid, and prices above which a site does not want any.

It only lowers what a site may draw; the plan then finds who stops, and a rollout's ramp how fast
they come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from controller.core import reasons
from controller.core.farm import FarmSettings, SiteSettings
from controller.core.model import Quote

LEAD_S = 300.0
"""So long before an order begins the site is planned for it: servers take minutes to drain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridOrder:
    """Somebody outside has a right to this power for a while. It always ends."""

    order_id: str
    site: str
    cap_w: float
    """What the site may still draw."""
    starts_at: float
    ends_at: float
    owner: str
    """Who entered it."""
    reason: str

    def stands(self, now: float) -> bool:
        """Whether the site is planned for it at `now`."""
        return self.starts_at - LEAD_S <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Limit:
    """What a site may draw for now, and why."""

    site: str
    cap_w: float
    why: str

    def __str__(self) -> str:
        return reasons.curtailed(self.site, self.cap_w, self.why)


Struck = frozenset[tuple[str, int]]
"""Strikes that are in force, by site and position in its settings."""


def struck(
    farm: FarmSettings, quotes: Mapping[str, Quote], before: Set[tuple[str, int]], now: float
) -> Struck:
    """Strikes in force at `now`; one that was before stays until the price is low enough.

    A price that nobody knows begins none and ends none.
    """
    found = set[tuple[str, int]]()
    for site in farm.sites:
        price = _price_usd_per_kwh(site, quotes)
        for number, strike in enumerate(site.strikes):
            if not _within(strike.hours, site.time_zone, now):
                continue
            was = (site.name, number) in before
            bound = strike.below_usd_per_kwh if was else strike.above_usd_per_kwh
            if was if price is None else price > bound:
                found.add((site.name, number))
    return frozenset(found)


def limits(
    farm: FarmSettings, orders: Iterable[GridOrder], in_force: Set[tuple[str, int]], now: float
) -> tuple[Limit, ...]:
    """The lowest limit of each site that has one, by site; orders of the grid before prices."""
    found = [
        Limit(order.site, order.cap_w, reasons.grid_order(order.owner, order.reason, order.ends_at))
        for order in orders
        if order.stands(now)
    ]
    for site in farm.sites:
        for number, strike in enumerate(site.strikes):
            if (site.name, number) in in_force:
                why = reasons.strike(strike.above_usd_per_kwh, strike.below_usd_per_kwh)
                found.append(Limit(site.name, strike.cap_w, why))
    lowest: dict[str, Limit] = {}
    for limit in found:
        known = lowest.get(limit.site)
        if known is None or limit.cap_w < known.cap_w:
            lowest[limit.site] = limit
    return tuple(lowest[site] for site in sorted(lowest))


def curtailed(farm: FarmSettings, found: Sequence[Limit]) -> FarmSettings:
    """The farm with these limits; a lower cap of the site itself stays."""
    if not found:
        return farm
    caps = {limit.site: limit.cap_w for limit in found}
    return replace(farm, sites=tuple(_capped(site, caps.get(site.name)) for site in farm.sites))


def _capped(site: SiteSettings, cap_w: float | None) -> SiteSettings:
    own_w = math.inf if site.power_cap_w is None else site.power_cap_w
    return site if cap_w is None or own_w <= cap_w else replace(site, power_cap_w=cap_w)


def _price_usd_per_kwh(site: SiteSettings, quotes: Mapping[str, Quote]) -> float | None:
    quote = quotes.get(site.power)
    value = None if quote is None else quote.value
    return None if value is None else value + site.power_adder_usd_per_kwh


def _within(hours: str, zone: str, now: float) -> bool:
    """Whether a site's clock stands within `hours`, such as `16:00-21:00`; empty: always."""
    if not hours:
        return True
    first, last = span(hours)
    clock = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone)).time()
    return first <= clock < last if first < last else clock >= first or clock < last


def span(hours: str) -> tuple[time, time]:
    """Beginning and end of `HH:MM-HH:MM`; one that ends earlier goes past midnight.

    Raises:
        ValueError: It is written in another way.
    """
    first, dash, last = hours.partition("-")
    if not dash or len(first) != len("16:00") or len(last) != len(first):
        raise ValueError(f"{hours!r} is no span of hours; write it as 16:00-21:00")
    try:
        return time.fromisoformat(first), time.fromisoformat(last)
    except ValueError as error:
        raise ValueError(f"{hours!r} is no span of hours; write it as 16:00-21:00") from error


def problems(site: SiteSettings) -> Iterator[str]:
    """What in a site's strikes cannot be meant; each one sentence."""
    for number, strike in enumerate(site.strikes, start=1):
        where = f"site {site.name}: strike {number}"
        if not strike.below_usd_per_kwh <= strike.above_usd_per_kwh < math.inf:
            yield f"{where}: `below_usd_per_kwh` must be at most `above_usd_per_kwh`, both finite"
        if not 0 <= strike.cap_w < math.inf:
            yield f"{where}: `cap_w` must be 0 or more"
        try:
            _within(strike.hours, "UTC", 0.0)
        except ValueError as error:
            yield f"{where}: `hours`: {error}"
