"""How the demo's recorded prices are laid on its hours and scaled; nothing is invented here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.core.timing.brake import FIRST_RATIO
from controller.demo.scenario import BEGIN, GROUPS_PER_SITE, MINING, RENTAL, SITES, Site
from controller.feeds import recorded
from controller.feeds.settings import (
    Align,
    ColumnSettings,
    RecordedFeedSettings,
    RecordedFile,
    TimeFormat,
)
from controller.records import SeenHour

USD_PER_EUR = 1.16
MINE_USD_PER_DAY = 0.75
"""Assumed revenue of one RTX 4090 at the reference close; see prices/SOURCES.md."""
REFERENCE_CLOSE_USD = 16.20
REQUESTS_PER_H = 9000.0
"""Requests per hour that keep every group of a site busy."""

SHIFT = timedelta(weeks=21)
"""From the recorded days of rental and coin prices to the replayed ones."""
MIDNIGHT = datetime(2026, 3, 17, 23, tzinfo=UTC)
"""Local midnight at both sites, before `BEGIN`."""
PAST_H = 7 * 24
"""Recorded hours before `BEGIN` that the demo's farm remembers, as any that ran before would."""

_PRICES = Path(__file__).parent / "prices"


def feed(groups_per_site: int = GROUPS_PER_SITE) -> RecordedFeedSettings:
    """Every series of the demo, from the recorded files."""
    demand = (_demand_file(site, groups_per_site) for site in SITES)
    return RecordedFeedSettings(
        name="recorded", files=(_power_file(), _rental_file(), _coin_file(), *demand)
    )


def past(groups_per_site: int) -> Iterator[SeenHour]:
    """What each site was like before the demo begins, hour by hour."""
    series = recorded.load(feed(groups_per_site))
    for site in SITES:
        for ago in range(PAST_H, 0, -1):
            at = (BEGIN - timedelta(hours=ago)).timestamp()
            power, demand = series[site.power].before(at), series[site.demand].before(at)
            assert power is not None
            assert demand is not None
            yield SeenHour(
                site=site.name,
                begun_at=at,
                power_usd_per_kwh=power[1],
                demand_groups=demand[1],
                switches=0,
                brake_ratio=FIRST_RATIO,
            )


def _power_file() -> RecordedFile:
    columns = tuple(
        ColumnSettings(
            column=site.power_column,
            series=site.power,
            unit="eur_per_mwh",
            usd_per_eur=USD_PER_EUR,
            offset=site.grid_fee_eur_per_mwh,
        )
        for site in SITES
    )
    return RecordedFile(path=_PRICES / "power_day_ahead_1h.csv", columns=columns)


def _rental_file() -> RecordedFile:
    column = ColumnSettings(column="median_usd_per_gpu_h", series=RENTAL, unit="usd_per_gpu_h")
    return RecordedFile(
        path=_PRICES / "rental_h100_sxm5.csv",
        columns=(column,),
        align=Align(recorded=BEGIN - SHIFT, replayed=BEGIN),
    )


def _coin_file() -> RecordedFile:
    column = ColumnSettings(
        column="close_usdt",
        series=MINING,
        unit="usd_per_gpu_day",
        scale=MINE_USD_PER_DAY / REFERENCE_CLOSE_USD,
    )
    # A close stands beside its hour's beginning and is known at its end.
    known = timedelta(hours=1)
    return RecordedFile(
        path=_PRICES / "etc_close_1h.csv",
        columns=(column,),
        align=Align(recorded=BEGIN - SHIFT, replayed=BEGIN + known),
    )


def _demand_file(site: Site, groups_per_site: int) -> RecordedFile:
    column = ColumnSettings(
        column="requests_per_h",
        series=site.demand,
        unit="groups",
        scale=groups_per_site / REQUESTS_PER_H,
    )
    return RecordedFile(
        path=_PRICES / "demand_burstgpt_3h.csv",
        columns=(column,),
        time_column="ts_rel_h",
        time_format=TimeFormat.HOURS,
        align=Align(recorded=site.demand_day * 24.0, replayed=MIDNIGHT),
    )
