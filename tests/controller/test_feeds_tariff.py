"""Tariffs: tables by the local clock through both changes of it, markets, taxes, and silence."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from controller.core.calendar import When, when
from controller.core.model import Quote, QuoteState
from controller.feeds import tariff
from controller.feeds.settings import RateSettings, TariffSettings
from controller.feeds.tariff import TariffFeed
from controller.ports import FeedError
from wire.configfile import ConfigError

DALLAS = ZoneInfo("America/Chicago")
SUMMER = RateSettings(price=0.31, months="jun-sep", days="mon-fri", hours="14:00-19:00")
NIGHT = RateSettings(price=0.06, hours="22:00-06:00")
REST = RateSettings(price=0.11)
TABLE = TariffSettings(
    series="power.dallas",
    rates=(SUMMER, NIGHT, REST),
    time_zone="America/Chicago",
    holidays=(date(2026, 7, 3),),
)
AT = 1_000.0


def look(**values: float | None) -> Any:
    def quote(series: str) -> Quote:
        value = values[series.replace(".", "_")]
        state = QuoteState.STALE if value is None else QuoteState.FRESH
        return Quote(series, value, AT, state, "" if value else f"{series}: nothing usable for 9 s")

    return quote


def price(settings: TariffSettings, moment: datetime, **quotes: float | None) -> float:
    feed = TariffFeed(settings, moment.timestamp, look(**quotes), lambda _: [])
    (said,) = asyncio.run(feed.observe())
    assert (said.series, said.source) == (settings.series, f"tariff/{settings.series}")
    assert said.at == (AT if settings.base else moment.timestamp())
    return said.value


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=DALLAS)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-07-01T13:59", 0.11),
        ("2026-07-01T14:00", 0.31),
        ("2026-07-01T18:59", 0.31),
        ("2026-07-01T19:00", 0.11),
        ("2026-07-04T15:00", 0.11),  # a Saturday
        ("2026-07-03T15:00", 0.11),  # a holiday, though a Friday
        ("2026-05-29T15:00", 0.11),
        ("2026-06-01T15:00", 0.31),
        ("2026-09-30T15:00", 0.31),
        ("2026-10-01T15:00", 0.11),
        ("2026-10-01T21:59", 0.11),
        ("2026-10-01T22:00", 0.06),
        ("2026-10-02T05:59", 0.06),
        ("2026-10-02T06:00", 0.11),
    ],
)
def test_the_first_line_that_fits_the_local_clock_holds(moment: str, expected: float) -> None:
    assert price(TABLE, local(moment)) == expected


@pytest.mark.parametrize(
    ("day", "hours", "at_night"),
    [(date(2026, 3, 8), 23, 7), (date(2026, 11, 1), 25, 9), (date(2026, 3, 9), 24, 8)],
)
def test_days_of_23_and_25_hours_pay_for_the_hours_that_they_have(
    day: date, hours: int, at_night: int
) -> None:
    begin = datetime(day.year, day.month, day.day, tzinfo=DALLAS).astimezone(UTC)
    moments = [begin + timedelta(hours=hour) for hour in range(hours)]
    assert moments[-1].astimezone(DALLAS).date() == day
    assert (moments[-1] + timedelta(hours=1)).astimezone(DALLAS).date() != day
    paid = Counter(price(TABLE, moment) for moment in moments)
    assert paid == {0.06: at_night, 0.11: hours - at_night}


def test_a_markets_price_takes_losses_fees_and_tax() -> None:
    settings = TariffSettings(
        series="power.berlin",
        base="power.de",
        multiplier=1.05,
        unit="eur_cents_per_kwh",
        rate_usd="fx.eur",
        rates=(RateSettings(price=20.0, hours="17:00-20:00"), RateSettings(price=10.0)),
        tax_ratio=0.19,
        time_zone="Europe/Berlin",
    )
    evening = datetime(2026, 1, 5, 18, tzinfo=ZoneInfo("Europe/Berlin"))
    quotes = {"power_de": 0.10, "fx_eur": 1.1}
    assert price(settings, evening, **quotes) == pytest.approx((0.105 + 0.22) * 1.19)
    noon = evening.replace(hour=12)
    assert price(settings, noon, **quotes) == pytest.approx((0.105 + 0.11) * 1.19)
    assert price(settings, noon, power_de=-0.30, fx_eur=1.1) == pytest.approx(-0.2439, abs=1e-4)


def test_a_gap_in_the_table_adds_nothing_to_a_market() -> None:
    settings = TariffSettings(
        series="p", base="power.de", rates=(RateSettings(price=0.1, hours="17:00-20:00"),)
    )
    assert price(settings, datetime(2026, 1, 5, 12, tzinfo=UTC), power_de=-0.02) == -0.02


def coming(
    settings: TariffSettings, moment: datetime, ahead: list[tuple[float, float]], **quotes: Any
) -> list[tuple[str, float]]:
    """What will be paid from when, by the tariff's own clock."""
    feed = TariffFeed(settings, moment.timestamp, look(**quotes), lambda _: ahead)
    zone = ZoneInfo(settings.time_zone)
    return [
        (f"{datetime.fromtimestamp(at, zone):%a %H:%M}", round(value, 6))
        for at, value in feed.announced().get(settings.series, [])
    ]


def test_a_table_tells_its_changes_for_a_day_and_a_half() -> None:
    assert coming(TABLE, local("2026-07-01T12:30"), []) == [
        ("Wed 14:00", 0.31),
        ("Wed 19:00", 0.11),
        ("Wed 22:00", 0.06),
        ("Thu 06:00", 0.11),
        ("Thu 14:00", 0.31),
        ("Thu 19:00", 0.11),
        ("Thu 22:00", 0.06),
    ]


def test_a_market_tells_ahead_with_the_fees_of_each_hour() -> None:
    settings = TariffSettings(
        series="p",
        base="power.de",
        rates=(RateSettings(price=0.1, hours="17:30-20:00"),),
        tax_ratio=0.5,
    )
    noon = datetime(2026, 1, 5, 17, 10, tzinfo=UTC)
    hour = noon.replace(minute=0).timestamp()
    ahead = [(hour + 3600, -0.2), (hour + 7200, 0.4)]
    assert coming(settings, noon, ahead, power_de=0.2) == [
        ("Mon 17:30", 0.45),
        ("Mon 18:00", -0.15),
        ("Mon 19:00", 0.75),
    ]
    assert coming(settings, noon, [], power_de=0.2) == []
    assert coming(settings, noon, ahead, power_de=None) == []


def fault(settings: TariffSettings, **quotes: float | None) -> str:
    with pytest.raises(FeedError) as silent:
        price(settings, datetime(2026, 1, 5, 12, tzinfo=UTC), **quotes)
    return str(silent.value)


def test_without_the_price_or_the_rate_it_leans_on_it_says_nothing() -> None:
    settings = TariffSettings(
        series="p", base="power.de", unit="eur_per_kwh", rate_usd="fx.eur", rates=(REST,)
    )
    assert fault(settings, power_de=None, fx_eur=1.1) == (
        "tariff/p: no price to compute from: power.de: nothing usable for 9 s"
    )
    assert fault(settings, power_de=0.1, fx_eur=None) == (
        "tariff/p: no rate: fx.eur: nothing usable for 9 s"
    )
    assert fault(settings, power_de=0.1, fx_eur=-1.0) == "tariff/p: no rate: fx.eur is -1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rates": ()}, "give `base`, `rates`, or both"),
        ({"rates": (SUMMER,)}, "the last of `rates` must hold always"),
        ({"rates": (REST, NIGHT)}, "nothing behind a rate without conditions ever holds"),
        ({"base": "power.dallas"}, "`base` must be another series"),
        ({"tax_ratio": -1.0}, "`tax_ratio` must be above -1"),
        ({"multiplier": float("nan")}, "every number must be finite"),
        ({"rates": (RateSettings(price=1, hours="14-19"),)}, "line 1 of `rates`: hours: '14' is"),
        ({"rates": (RateSettings(price=1, hours="14:00"),)}, "write 14:00-19:00"),
        ({"rates": (RateSettings(price=1, hours="09:00-24:30"),)}, "'24:30' is no time"),
        ({"rates": (RateSettings(price=1, hours="09:00-09:00"),)}, "is no time at all"),
        ({"rates": (RateSettings(price=1, days="mo-fr"),)}, "'mo-fr': write e.g. mon-fri, of mon"),
        ({"rates": (RateSettings(price=1, months="6-9"),)}, "write e.g. jun-sep, of jan"),
    ],
)
def test_what_cannot_be_meant_is_named(changes: dict[str, Any], message: str) -> None:
    given = {"series": "power.dallas", "rates": (REST,), **changes}
    (problem,) = tariff.problems(TariffSettings(**given))
    assert problem.startswith("tariff power.dallas: ")
    assert message in problem


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time_zone": "Texas"}, "tariff p: no IANA time zone: 'Texas'"),
        ({"unit": "usd"}, "tariff p: unit: 'usd' is no price of energy"),
        ({"unit": "eur_per_kwh"}, "needs `rate_usd`"),
    ],
)
def test_a_zone_or_unit_that_cannot_be_used_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        TariffFeed(
            TariffSettings(series="p", rates=(REST,), **changes), lambda: 0.0, look(), lambda _: []
        )
    assert message in str(refused.value)


def test_ranges_of_days_and_months_may_pass_the_end() -> None:
    assert when("", "sat-mon, hol", "").days == {"sat", "sun", "mon", "hol"}
    assert when("", "", "nov-feb").months == {"nov", "dec", "jan", "feb"}
    assert when("", "", "") == When()
    assert when("", "", "").always
    assert when("00:00-24:00", "", "").always
    assert when("22:00-24:00", "", "").minutes == ((1320, 1440),)
