"""Every shipped provider: what it is asked, and what its documented answer comes to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from controller.core.model import Observation
from controller.feeds import catalogue, provided, units
from controller.feeds.http import HttpFeed
from controller.feeds.settings import HttpFeedSettings, ProviderFeedSettings, Text
from tests.parts.provider import Provider, serving

ANSWERS = Path(__file__).parents[1] / "answers" / "feeds"
NOW = 1_773_490_200.0
"""2026-03-14T12:10:00Z."""
NOON = NOW - 600.0
QUARTER = NOW - 600.0
SECRET = "s3cret-key"
KEY = Text(env="KEY")
KNOWN = catalogue.load()


@dataclass(frozen=True, slots=True)
class Case:
    """What an operator writes, and what comes of it."""

    provider: str
    value: str
    answer: str
    parameters: Mapping[str, str | int | float | Text]
    expected: float
    """In the canonical unit; by a rate of 2 dollars, where it needs one."""
    unit: str
    at: float = NOW
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    announced: int = 0


BEARER = {"Authorization": f"Bearer {SECRET}"}
VAST: Mapping[str, str | Text] = {"gpu": "RTX 4090", "key": KEY}
ETC = "/v1/balancing/pricing"
DAY = 86_400.0
CASES = [
    Case("nicehash", "paying", "nicehash.json", {"algorithm": "ETCHASH"}, 6.1e-9 * 2 / 24,
         "usd_per_mhs_h", path="/main/api/v2/public/simplemultialgo/info/"),
    Case("whattomine", "revenue24", "whattomine.json",
         {"token": KEY, "algorithm": "etc", "coin": "ETC"}, 0.01475 / 24, "usd_per_mhs_h",
         path="/api/v1/calculate", query={"cost": "0", "etc": "0|1000M"},
         headers={"Authorization": f"Token {SECRET}"}),
    Case("whattomine", "revenue", "whattomine.json",
         {"token": KEY, "algorithm": "etc", "coin": "ETC"}, 0.0152 / 24, "usd_per_mhs_h"),
    Case("minerstat", "reward", "minerstat.json", {"key": KEY, "coin": "ETC"}, 3.9e-5 * 2,
         "usd_per_mhs_h", at=NOW - 180, path="/v2/coins", query={"list": "ETC"},
         headers={"X-API-Key": SECRET}),
    Case("minerstat", "price", "minerstat.json", {"key": KEY, "coin": "ETC"}, 16.2, "usd",
         at=NOW - 180),
    Case("hashrate.no", "gpu_revenue", "hashrate_gpu.json", {"key": KEY, "gpu": "3080ti"}, 0.025,
         "usd_per_gpu_h", path="/v1/gpuEstimates", query={"apiKey": SECRET, "powerCost": "0"}),
    Case("hashrate.no", "coin_estimate", "hashrate_coins.json", {"key": KEY, "coin": "ETC"},
         0.0151 / 24, "usd_per_mhs_h", path="/v1/coins"),
    Case("2miners", "credited_24h", "2miners.json", {"coin": "etc", "address": "0xabcdef0123"},
         1.482 * 2 / 24, "usd_per_gpu_h", path="/api/accounts/0xabcdef0123"),
    Case("nanopool", "earnings", "nanopool.json", {"coin": "etc"}, 0.0152 / 24, "usd_per_mhs_h",
         path="/v1/etc/approximated_earnings/1000"),
    Case("coingecko", "price", "coingecko.json", {"coin": "ethereum-classic", "key": KEY}, 16.21,
         "usd", at=NOW - 117, path="/api/v3/simple/price",
         query={"ids": "ethereum-classic", "vs_currencies": "usd"},
         headers={"x-cg-demo-api-key": SECRET}),
    Case("vastai", "price", "vastai.json", VAST, 0.36, "usd_per_gpu_h",
         path="/api/v0/metrics/gpu/current/", query={"verified": "yes"}, headers=BEARER),
    Case("vastai", "price_p10", "vastai.json", VAST, 0.29, "usd_per_gpu_h"),
    Case("vastai", "utilisation", "vastai.json", VAST, 0.8, "ratio"),
    Case("vastai", "utilisation_30d", "vastai.json", VAST, 0.784, "ratio"),
    Case("awattar", "price", "awattar.json", {"zone": "de"}, -0.025, "usd_per_kwh", at=NOON,
         path="/v1/marketdata", announced=1),
    Case("entsoe", "price", "entsoe.xml", {"zone": "NL", "token": KEY}, -0.009, "usd_per_kwh",
         at=QUARTER, path="/api", announced=3, query={
             "documentType": "A44", "in_Domain": "10YNL----------L", "securityToken": SECRET,
             "periodStart": "202603130000", "periodEnd": "202603160000"}),
    Case("octopus-agile", "exc_vat", "octopus.json", {"region": "C"}, -0.04, "usd_per_kwh",
         at=NOON, announced=1, query={"period_from": "2026-03-14T11:00Z"},
         path="/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/"
         "standard-unit-rates/"),
    Case("octopus-agile", "inc_vat", "octopus.json", {"region": "C"}, -0.042, "usd_per_kwh",
         at=NOON, announced=1),
    Case("tibber", "eur", "tibber.json", {"token": KEY}, 0.4884, "usd_per_kwh", at=NOON,
         path="/v1-beta/gql", headers={**BEARER, "Content-Type": "application/json"}, announced=1),
    Case("elexon", "market_index", "elexon_index.json", {}, 0.15688, "usd_per_kwh",
         at=NOON - 1800, path="/bmrs/api/v1/balancing/pricing/market-index",
         query={"from": "2026-03-14T06:10Z", "to": "2026-03-14T12:10Z"}),
    Case("elexon", "system_price", "elexon_system.json", {}, -0.0165, "usd_per_kwh",
         at=NOON - 1800, path="/bmrs/api/v1/balancing/settlement/system-prices/2026-03-14"),
    Case("ercot", "real_time", "ercot.json", {"point": "HB_WEST"}, -0.00321, "usd_per_kwh",
         at=NOON, path="/api/1/services/read/dashboards/systemWidePrices.json"),
    Case("ercot", "day_ahead", "ercot.json", {"point": "HB_WEST"}, 0.0217, "usd_per_kwh",
         at=NOON, announced=1),
    Case("ercot-api", "lmp", "ercot_lmp.json",
         {"point": "HB_WEST", "username": KEY, "password": KEY, "key": KEY}, -0.00321,
         "usd_per_kwh", at=NOON + 314, path="/api/public-reports/np6-788-cd/lmp_node_zone_hub",
         query={"SCEDTimestampFrom": "2026-03-14T06:10:00", "settlementPoint": "HB_WEST"},
         headers={"Ocp-Apim-Subscription-Key": SECRET}),
    Case("fred", "policy_rate", "fred_rate.json", {"key": KEY}, 0.0364, "ratio",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, path="/fred/series/observations",
         query={"series_id": "DFF", "api_key": SECRET}),
    Case("fred", "dollar_index", "fred_dollar.json", {"key": KEY}, 121.3305, "index",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, query={"series_id": "DTWEXBGS"}),
    Case("fred", "usd_per_gbp", "fred_pound.json", {"key": KEY}, 1.3102, "usd",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, query={"series_id": "DEXUSUK"}),
    Case("fred", "usd_per_eur", "fred_pound.json", {"key": KEY}, 1.3102, "usd",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, query={"series_id": "DEXUSEU"}),
    Case("fred", "usd_per_aud", "fred_pound.json", {"key": KEY}, 1.3102, "usd",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, query={"series_id": "DEXUSAL"}),
    Case("fred", "index", "fred_dollar.json", {"key": KEY, "id": "VIXCLS"}, 121.3305, "index",
         at=1_773_446_400 - 2 * DAY + 4 * 3600, query={"series_id": "VIXCLS"}),
    Case("ecb", "usd_per_eur", "ecb.csv", {}, 1.1614, "usd", at=1_773_446_400 - DAY - 3600,
         path="/service/data/EXR/D.USD.EUR.SP00.A"),
    Case("prometheus", "result", "prometheus.json",
         {"url": "https://prometheus.example", "query": "sum(queue > 1)", "unit": "groups"},
         3.25, "groups", at=NOW - 4.5, path="/api/v1/query", query={"query": "sum(queue > 1)"}),
]  # fmt: skip


def entry(case: Case) -> ProviderFeedSettings:
    unit = KNOWN[case.provider].values[case.value].unit
    foreign = unit in units.KNOWN and units.KNOWN[unit].currency
    return ProviderFeedSettings(
        provider=case.provider,
        series="it",
        value=case.value,
        parameters=dict(case.parameters),
        rate_usd=2.0 if foreign else None,
    )


def moved(settings: HttpFeedSettings, origin: str) -> HttpFeedSettings:
    """The same question to the test's own server."""
    parts = urlsplit(settings.url)
    rest = parts.path + (f"?{parts.query}" if parts.query else "")
    # How a token is fetched first is tests/controller/test_feeds_login.py's.
    return replace(settings, url=origin + rest, login=None)


def ask(settings: HttpFeedSettings) -> tuple[list[Observation], dict[str, int]]:
    async def scenario() -> tuple[list[Observation], dict[str, int]]:
        feed = HttpFeed(settings, lambda: NOW, environment={"KEY": SECRET})
        said = await feed.observe()
        coming = {series: len(prices) for series, prices in feed.announced().items()}
        await feed.close()
        return said, coming

    return asyncio.run(scenario())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.provider}-{case.value}")
def test_the_documented_answer_comes_to_the_expected_price(case: Case) -> None:
    with serving() as provider:
        provider.says((ANSWERS / case.answer).read_bytes())
        settings = moved(provided.feed(entry(case), KNOWN), provider.origin)
        (said,), coming = ask(settings)
        assert said.value == pytest.approx(case.expected, rel=1e-9)
        assert said.at == case.at
        assert coming.get("it", 0) == case.announced
        _check_request(provider, case)
    given = settings.fields[0].unit
    assert units.KNOWN[given].canonical == case.unit


def _check_request(provider: Provider, case: Case) -> None:
    parts = urlsplit(provider.paths[0])
    sent = dict(parse_qsl(parts.query, keep_blank_values=True))
    assert not case.path or parts.path == case.path
    assert case.query.items() <= sent.items()
    assert case.headers.items() <= provider.headers[0].items()
    assert "${" not in provider.paths[0]


def test_every_value_of_every_provider_is_tried() -> None:
    tried = {(case.provider, case.value) for case in CASES}
    shipped = {(name, value) for name, each in KNOWN.items() for value in each.values}
    # The same request and the same form, in another currency.
    assert shipped - tried == {("tibber", "nok"), ("tibber", "sek")}


def test_every_provider_says_how_often_it_may_be_asked() -> None:
    for name, provider in KNOWN.items():
        assert provider.limit, name
        assert provider.documentation.startswith("https://"), name
        for value in provider.values.values():
            assert value.rows or value.stale_after_s > provider.interval_s, name


def test_graphql_is_posted_without_what_json_cannot_hold() -> None:
    case = next(case for case in CASES if case.provider == "tibber")
    body = provided.feed(entry(case), KNOWN).body
    assert "priceInfo(resolution: QUARTER_HOURLY)" in json.loads(body)["query"]


def test_a_market_that_has_nothing_says_so() -> None:
    case = next(case for case in CASES if case.provider == "entsoe")
    with serving() as provider:
        provider.says((ANSWERS / "entsoe_none.xml").read_bytes())
        settings = moved(provided.feed(entry(case), KNOWN), provider.origin)
        with pytest.raises(Exception, match="answered a refusal: 'No matching data found for"):
            ask(settings)


@pytest.mark.parametrize(
    ("provider", "old", "new", "message"),
    [
        ("awattar", "Eur/MWh", "Ct/kWh", "is an empty list"),
        ("entsoe", ">MWH<", ">KWH<", "is an empty list"),
        ("tibber", '"EUR"', '"NOK"', "is an empty list"),
        ("minerstat", '"reward_unit": "ETC"', '"reward_unit": "BTC"', "is null or missing"),
        ("minerstat", "3.9e-11", "-1", "is null or missing"),
        ("hashrate.no-coin", "MH/s", "GH/s", "is null or missing"),
        ("nanopool", '"status": true', '"status": false', "should be 'true', is 'false'"),
        ("prometheus", '"result": [', '"result": [{"value": [1, "2"]}, ', "should be '1', is '2'"),
    ],
)
def test_another_unit_than_the_declared_one_is_no_price(
    provider: str, old: str, new: str, message: str
) -> None:
    case = next(each for each in CASES if f"{each.provider}-{each.value}".startswith(provider))
    text = (ANSWERS / case.answer).read_text(encoding="utf-8")
    assert old in text
    with serving() as server:
        server.says(text.replace(old, new))
        with pytest.raises(Exception, match=message):
            ask(moved(provided.feed(entry(case), KNOWN), server.origin))
