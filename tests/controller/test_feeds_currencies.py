"""Foreign money: fixed rates, and rates that are series themselves. Without a rate no price."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from controller.core.model import Quote, QuoteState
from controller.core.prices.plausibility import QuoteRules
from controller.feeds import assembly, units
from controller.feeds.settings import (
    FeedsSettings,
    FieldSettings,
    FileFeedSettings,
    Measure,
)
from controller.feeds.units import NoRateError
from controller.ports import FeedError
from controller.prices import Prices
from wire.configfile import ConfigError


def converted(number: float, unit: str, rate_usd: float | str | None = None) -> float:
    measure = Measure(series="s", unit=unit, rate_usd=rate_usd)
    return units.conversion(measure, where="x", rates={"fx": 2.0}.__getitem__)(number)


@pytest.mark.parametrize(
    ("unit", "rate", "number", "expected"),
    [
        ("gbp_cents_per_kwh", 1.3, 20.0, 0.26),
        ("gbp_per_mwh", "fx", 80.0, 0.16),
        ("aud_per_mwh", 0.65, -1000.0, -0.65),
        ("nok_per_kwh", "fx", 1.5, 3.0),
        ("btc_per_mhs_day", 96_000.0, 1e-6, 0.004),
        ("coin_per_gpu_day", "fx", 24.0, 2.0),
        ("usd_cents_per_kwh", None, 12.0, 0.12),
        ("eur_per_mtoken", "fx", 0.4, 0.8),
    ],
)
def test_units_in_other_currencies(
    unit: str, rate: float | str | None, number: float, expected: float
) -> None:
    assert converted(number, unit, rate) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (Measure(series="s", unit="gbp_per_kwh"), "needs `rate_usd`: dollars per gbp"),
        (Measure(series="s", unit="gbp_per_kwh", usd_per_eur=1.1), "needs `rate_usd`"),
        (Measure(series="s", unit="eur", usd_per_eur=1.1, rate_usd=1.1), "needs `rate_usd`"),
        (Measure(series="s", unit="usd", rate_usd="fx"), "takes no rate"),
        (Measure(series="s", unit="eur", rate_usd=0.0), "the rate must be finite and above 0"),
        (Measure(series="s", unit="eur", rate_usd=-1.0), "the rate must be finite and above 0"),
        (Measure(series="s", unit="eur", rate_usd="fx"), "here it must be a number, not a series"),
        (Measure(series="s", unit="jpy_per_kwh"), r"instead of usd also eur, gbp, aud"),
    ],
)
def test_a_rate_that_cannot_be_used_is_refused(measure: Measure, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        units.conversion(measure, where="x")


def test_without_a_rate_there_is_no_price() -> None:
    def rates(series: str) -> float:
        raise NoRateError(f"{series}: nobody knows")

    measure = Measure(series="s", unit="eur_per_kwh", rate_usd="fx")
    with pytest.raises(NoRateError, match="nobody knows"):
        units.conversion(measure, where="x", rates=rates)(1.0)


def field(series: str, unit: str, rate_usd: str | None = None) -> FieldSettings:
    return FieldSettings(series=series, unit=unit, path=series, rate_usd=rate_usd)


def rules(**changes: object) -> QuoteRules:
    given = {"unit": "x", "stale_after_s": 600.0, "min": -5.0, "max": 5.0, "rises_persist_s": 0.0}
    return QuoteRules(**{**given, **changes})  # type: ignore[arg-type]


def test_a_price_needs_its_rate_to_be_trusted_and_loses_it_with_it(tmp_path: Path) -> None:
    """The whole way: two files, the book of quotes, and back into the feed."""
    path, now = tmp_path / "prices.json", [1_000.0]
    settings = FeedsSettings(
        files=(
            FileFeedSettings(
                name="rate", path=tmp_path / "rate.json", fields=(field("fx", "usd"),)
            ),
            FileFeedSettings(
                name="power", path=path, fields=(field("power", "eur_per_kwh", "fx"),)
            ),
        )
    )
    book: list[Prices] = []

    def look(series: str) -> Quote:
        return book[0].quote(series)

    def clock() -> float:
        return now[0]

    feeds = assembly.feeds(settings, look, lambda _: [], clock=clock, wall=clock)
    believed = {"fx": rules(min=0.5, max=2.0), "power": rules()}
    prices = Prices(feeds, believed, clock=clock, interval_s=10.0)
    book.append(prices)

    def look_at(rate: str, power: str, at: float) -> Quote:
        (tmp_path / "rate.json").write_text(rate)
        path.write_text(power)
        now[0] = at
        asyncio.run(prices.look())
        return prices.quotes()["power"]

    quote = look_at('{"fx": 1.1}', '{"power": 0.2}', 1_000.0)
    assert quote.value == pytest.approx(0.22)
    # A rate by another unit is refused, and the last trusted one holds until it is stale.
    quote = look_at('{"fx": 110}', '{"power": 0.3}', 1_300.0)
    assert quote.value == pytest.approx(0.33)
    quote = look_at('{"fx": 110}', '{"power": 0.4}', 1_601.0)
    assert prices.quotes()["fx"].state is QuoteState.STALE
    assert (
        "has no price in dollars: no rate: fx: nothing usable for 601 s" in prices.faults["power"]
    )
    quote = look_at("{}", '{"power": 0.4}', 1_901.0)
    assert (quote.value, quote.state) == (None, QuoteState.STALE)


def test_a_file_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    settings = FileFeedSettings(name="f", path=path, fields=(field("p", "usd"),), bytes_max=40)
    (feed,) = assembly.feeds(
        FeedsSettings(files=(settings,)), quote, lambda _: [], clock=lambda: 5.0
    )

    def told() -> str:
        with pytest.raises(FeedError) as fault:
            asyncio.run(feed.observe())
        return str(fault.value)

    assert told() == f"{path} cannot be read: No such file or directory"
    path.write_text('{"p": 1')
    assert told() == f"{path} holds broken JSON"
    path.write_text('{"p": "x"}')
    assert told() == f"{path}: `p` is no finite number but 'x'"
    path.write_text('{"p": 1}' + " " * 40)
    assert told() == f"{path} holds more than 40 bytes"
    path.write_text('{"p": 1}')
    assert asyncio.run(feed.observe())[0].value == 1


def quote(series: str) -> Quote:
    return Quote(series, None, 0.0, QuoteState.MISSING, f"{series}: nothing heard yet")
