"""One site's past hour by hour, and the forecast that is learnt from it.

It is told each tick once and remembers eight weeks. It asks nobody and stores nothing itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from controller.core.farm import SiteSettings
from controller.core.prices import announcements
from controller.core.prices.announcements import Coming
from controller.core.timing.advantage import SiteForesight
from controller.core.timing.brake import FIRST_RATIO, SwitchBrake
from controller.core.timing.forecast import SiteForecast
from controller.core.timing.hours import HISTORY_H_MAX, HOURS_PER_DAY
from controller.core.timing.terms import SECONDS_PER_H, WORTHLESS, Moment
from controller.records import SeenHour


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see of a site at one tick."""

    now: float
    """Price time."""
    power_usd_per_kwh: float
    demand_groups: float
    """Infinite: the site has no such series."""
    groups: int
    """Groups of the site."""
    begun: int
    """Switches that were ordered since the last look."""
    announced: Coming = ()
    """What power is going to cost, as far as it is announced and plausible."""


@dataclass(slots=True)
class _Hour:
    """The hour that is passing."""

    begun_at: float
    looks: list[Look]


class Recollection:
    """A site's habits, and what is foreseen by them."""

    def __init__(self, site: SiteSettings, tick_s: float, past: Iterable[SeenHour]) -> None:
        """`past`: what was remembered before, oldest first."""
        self._site = site
        self._zone = ZoneInfo(site.time_zone)
        self._tick_s = tick_s
        self._past = deque(past, maxlen=HISTORY_H_MAX)
        self._forecast: SiteForecast | None = None
        self._groups = 0
        self._hour: _Hour | None = None
        self._seen_at = -math.inf

    def take(self, look: Look) -> list[SeenHour]:
        """Learn from the tick that has just passed; the hour that it closed, if any."""
        seen = self._moment(look.now - self._tick_s, look.power_usd_per_kwh, look.demand_groups)
        known = announcements.hourly(look.announced, first_at=_begun_at(seen))
        seen = replace(seen, announced=known)
        forecast = self._learnt(seen, look.groups)
        forecast.brake.count(look.begun)
        switches = forecast.brake.begun[-1]
        forecast.observe(seen)
        closed = list(self._closed(_begun_at(seen), switches, forecast.brake.ratio))
        self._past += closed
        if self._hour is None or closed:
            self._hour = _Hour(_begun_at(seen), [])
        self._hour.looks.append(look)
        return closed

    def foreseen(self) -> SiteForesight:
        """The coming day, after a look."""
        assert self._forecast is not None
        return SiteForesight(self._forecast.foretold(), self._groups)

    def _learnt(self, seen: Moment, groups: int) -> SiteForecast:
        """What was learnt before this tick; anew if the site has grown or the clock went back."""
        if self._forecast is None or groups != self._groups or seen.at_s < self._seen_at:
            before = [hour for hour in self._past if hour.begun_at < _begun_at(seen)]
            brake = self._brake(groups, before, seen.at_s)
            self._forecast, self._groups = (
                SiteForecast(groups, self._tick_s, brake=brake, announcements=True),
                groups,
            )
            self._forecast.recall(map(self._recalled, before))
        self._seen_at = seen.at_s
        return self._forecast

    def _brake(self, groups: int, past: list[SeenHour], now: float) -> SwitchBrake:
        """Goes on with its price and its count, whoever restarted."""
        if self._forecast is not None:
            return SwitchBrake(groups, self._forecast.brake.ratio, self._forecast.brake.begun)
        day = [hour for hour in past if now - hour.begun_at < HOURS_PER_DAY * SECONDS_PER_H]
        ratio = day[-1].brake_ratio if day else FIRST_RATIO
        return SwitchBrake(groups, ratio, (*(hour.switches for hour in day), 0))

    def _closed(self, begun_at: float, switches: int, brake_ratio: float) -> Iterator[SeenHour]:
        hour = self._hour
        if hour is None or hour.begun_at == begun_at:
            return
        demand = [look.demand_groups for look in hour.looks]
        mean = math.fsum(demand) / len(demand)
        yield SeenHour(
            site=self._site.name,
            begun_at=hour.begun_at,
            power_usd_per_kwh=math.fsum(look.power_usd_per_kwh for look in hour.looks)
            / len(hour.looks),
            demand_groups=mean if math.isfinite(mean) else None,
            switches=switches,
            brake_ratio=brake_ratio,
        )

    def _recalled(self, hour: SeenHour) -> Moment:
        demand = math.inf if hour.demand_groups is None else hour.demand_groups
        return self._moment(hour.begun_at, hour.power_usd_per_kwh, demand)

    def _moment(self, at_s: float, power_usd_per_kwh: float, demand_groups: float) -> Moment:
        local = datetime.fromtimestamp(at_s, self._zone)
        midnight_s = local.hour * SECONDS_PER_H + local.minute * 60.0 + local.second
        prices = replace(
            WORTHLESS, power_usd_per_kwh=power_usd_per_kwh, demand_groups=demand_groups
        )
        return Moment(at_s=at_s, local_s=midnight_s + at_s % 1.0, prices=prices)


def _begun_at(seen: Moment) -> float:
    return round(seen.at_s - seen.local_s % SECONDS_PER_H, 3)
