"""Series from providers in `controller.yaml`: short to write, and every mistake is named."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller import settings as controller
from controller.core.charges import settings as charges
from controller.core.farm import SiteSettings
from controller.core.prices import plausibility
from controller.core.prices.plausibility import QuoteRules
from controller.feeds import assembly, catalogue, provided
from controller.feeds.settings import (
    FeedsSettings,
    HttpFeedSettings,
    ProviderFeedSettings,
    Text,
)
from tests.controller import farm_file
from tests.docs.repository import ROOT
from wire import configfile
from wire.configfile import ConfigError

KNOWN = catalogue.load()
KEY = Text(env="KEY")


def entry(
    provider: str = "awattar", series: str = "power.de", **given: Any
) -> ProviderFeedSettings:
    usual = {"parameters": {"zone": "de"}, "rate_usd": 1.1} if provider == "awattar" else {}
    return ProviderFeedSettings(provider=provider, series=series, **{**usual, **given})


def made(*entries: ProviderFeedSettings) -> list[HttpFeedSettings]:
    return provided.feeds(entries, KNOWN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (entry("awatar"), "provider 'awatar' is unknown; there are 2miners, awattar, coingecko, "),
        (entry(value="spot"), "value 'spot' is unknown; there are price"),
        (entry(parameters={}), "parameter 'zone' is missing: country; one of de, at"),
        (entry(parameters={"zone": "fr"}), "parameter 'zone': 'fr' is none of de, at"),
        (entry(parameters={"area": "de"}), "parameter 'area' is unknown; it takes: zone"),
        (entry(parameters={"zone": KEY}), "parameter 'zone' is no secret; write it plainly"),
        (entry(interval_s=60), "interval_s: 60 is too often; ask every 900 s or more (fair use"),
        (
            entry("vastai", parameters={"gpu": "RTX 4090", "key": "abc"}),
            "parameter 'key' is secret; write {file: PATH} or {env: NAME}, not the secret itself",
        ),
        (
            entry("vastai", parameters={"gpu": "x' || 'y", "key": KEY}),
            "parameter 'gpu': \"x' || 'y\" is not the GPU as it is called there, e.g. RTX 4090",
        ),
        (
            entry("hashrate.no", value="gpu_revenue", parameters={"key": KEY, "coin": "ETC"}),
            "parameter 'coin' is unknown; it takes: key, gpu",
        ),
        (
            entry("fred", value="policy_rate", parameters={"key": KEY, "id": "DFF"}),
            "parameter 'id' is unknown; it takes: key",
        ),
        (entry("fred", value="index", parameters={"key": KEY}), "parameter 'id' is missing"),
        (
            entry("coingecko", parameters={"coin": "../x"}),
            "parameter 'coin': '../x' is not the coin's id there, e.g. ethereum-classic",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(given: ProviderFeedSettings, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        made(given)
    assert message in str(refused.value)


def test_what_is_asked_alike_is_asked_once() -> None:
    rented = {"gpu": "RTX 4090", "key": KEY}
    (feed,) = made(
        entry("vastai", "rent.4090", parameters=rented),
        entry("vastai", "used.4090", value="utilisation", parameters=rented, scale=0.9),
        entry("vastai", "rent.3090", parameters={**rented, "gpu": "RTX 3090"}, interval_s=60),
    )
    assert feed.name == "vastai/rent.4090"
    assert [(field.series, field.scale) for field in feed.fields] == [
        ("rent.4090", 1.0),
        ("used.4090", 0.9),
        ("rent.3090", 1.0),
    ]
    assert feed.interval_s == 60


def test_a_series_is_not_taken_twice_from_one_answer() -> None:
    assert len(made(entry(), entry())) == 2


def test_feeds_of_one_provider_share_its_limit() -> None:
    coins = [
        entry("coingecko", f"coin.{coin}", parameters={"coin": coin})
        for coin in ("bitcoin", "monero")
    ]
    assert [feed.interval_s for feed in made(*coins, entry())] == [600, 600, 3600]
    paid = entry("coingecko", "coin.kaspa", parameters={"coin": "kaspa"}, interval_s=120)
    assert [feed.interval_s for feed in made(*coins, paid)] == [900, 900, 120]


def test_an_optional_secret_is_left_out_when_nobody_gives_it() -> None:
    without, given = made(
        entry("coingecko", "a", parameters={"coin": "bitcoin"}),
        entry("coingecko", "b", parameters={"coin": "bitcoin", "key": KEY}),
    )
    assert without.headers == {}
    assert given.headers == {"x-cg-demo-api-key": KEY}


OWN = """\
spot.example:
  about: our own desk
  documentation: https://desk.example/
  limit: our own
  interval_s: 30
  url: https://desk.example/${site}.json
  parameters:
    site: {about: the site, example: oslo}
  values:
    price: {about: all of it, path: eur, unit: eur_per_mwh, stale_after_s: 300, cautious: high}
"""


def test_an_operators_own_providers_read_alike(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    known = catalogue.load([tmp_path / "own.yaml"])
    given = ProviderFeedSettings(
        provider="spot.example", series="p", parameters={"site": "oslo"}, rate_usd="fx.eur"
    )
    (feed,) = provided.feeds([given], known)
    assert (feed.url, feed.interval_s) == ("https://desk.example/oslo.json", 30)
    (tmp_path / "own.yaml").write_text(OWN.replace("spot.example:", "awattar:"))
    with pytest.raises(ConfigError, match="provider 'awattar' is there already; rename it"):
        catalogue.load([tmp_path / "own.yaml"])
    (tmp_path / "own.yaml").write_text(OWN.replace("limit:", "limits:"))
    with pytest.raises(ConfigError, match=r"own\.yaml:\d+: "):
        catalogue.load([tmp_path / "own.yaml"])


YAML = """\
providers:
  - {provider: awattar, series: power.de, parameters: {zone: de}, rate_usd: fx.eur}
  - {provider: 2miners, series: paid, parameters: {coin: etc, address: 0123456789}, rate_usd: 16}
  - {provider: entsoe, series: power.no, parameters: {zone: NO1, token: {file: t}}, rate_usd: 1.1}
"""


def test_it_is_short_in_yaml(tmp_path: Path) -> None:
    given = configfile.parse(YAML, FeedsSettings, name="c.yaml", base=tmp_path).providers
    assert given[0] == entry(rate_usd="fx.eur")
    assert given[1].rate_usd == 16
    assert given[2].parameters["token"] == Text(file=tmp_path / "t")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: providers\.0\.zone: .*unknown field `zone`"):
        configfile.parse(
            YAML.replace("parameters: {zone: de}", "zone: de"), FeedsSettings, name="c.yaml"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """What they show of a farm."""

    sites: tuple[SiteSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What the examples of docs/feeds.md show of a controller's file."""

    feeds: FeedsSettings = field(default_factory=FeedsSettings)
    quotes: dict[str, QuoteRules] = field(default_factory=dict)
    farm: Sites = field(default_factory=Sites)


def test_what_the_documentation_shows_can_be_used() -> None:
    text = (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 4
    for block in shown:
        excerpt = configfile.parse(block, Excerpt, name="docs/feeds.md")
        assert list(assembly.problems(excerpt.feeds, excerpt.quotes)) == []
        assert not [p for s, rule in excerpt.quotes.items() for p in plausibility.problems(s, rule)]
        for site in excerpt.farm.sites:
            assert len(site.demand_charges) == 3
            assert list(charges.problems(site.name, site.demand_charges)) == []
    loaded = controller.load(ROOT / "docs" / "examples" / "feeds.yaml")
    assert assembly.count(loaded.feeds) == 16


AWATTAR = {"provider": "awattar", "series": "power", "parameters": {"zone": "de"}}


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        (
            {"providers": [{**AWATTAR, "series": "power.de", "rate_usd": 1.1}]},
            "nobody would believe it; write {stale_after_s: 7200, cautious: high, min: …, max: …}",
        ),
        (
            {"providers": [{**AWATTAR, "rate_usd": "fx.eur"}]},
            "feed awattar/power: 'fx.eur' has no entry under `quotes`",
        ),
        ({"providers": [AWATTAR]}, "unit 'eur_per_mwh' needs `rate_usd`"),
        ({"providers": [{**AWATTAR, "provider": "awatar"}]}, "provider 'awatar' is unknown"),
        (
            {"tariffs": [{"series": "power.x", "rates": [{"price": 0.1}]}]},
            "feed tariff/power.x: 'power.x' has no entry under `quotes`",
        ),
        (
            {"tariffs": [{"series": "power", "rates": [{"price": 0.1}], "time_zone": "Texas"}]},
            "feeds: tariff power: no IANA time zone: 'Texas'",
        ),
        (
            {"tariffs": [{"series": "power", "rates": [{"price": 0.1}], "unit": "eur_per_kwh"}]},
            "feeds: tariff power: unit 'eur_per_kwh' needs `rate_usd`",
        ),
        (
            {"tariffs": [{"series": "power", "base": "spot"}]},
            "feed tariff/power: 'spot' has no entry under `quotes`",
        ),
        (
            {"tariffs": [{"series": "power", "rates": [{"price": 0.1, "days": "mo"}]}]},
            "feeds: tariff power: line 1 of `rates`: 'mo': write e.g. mon-fri",
        ),
        (
            {"http": [{"name": "x", "url": "https://x/", "fields": [
                {"series": "etc", "path": "a", "unit": "usd"}], "interval_s": 2e9}]},
            "feed x: it is asked every 2e+09 s, but 'etc' is stale after 1e+09 s",
        ),
        (
            {"http": [{"name": "x", "url": "https://x/", "fields": [
                {"series": "etc", "path": "a", "unit": "dollars"}]}]},
            "feed x: field etc: unit 'dollars' is unknown",
        ),
        (
            {"files": [{"name": "x", "path": "x.csv", "delimiter": ";;", "fields": [
                {"series": "etc", "path": "a", "unit": "usd"}]}]},
            "feed x: delimiter: write a single character",
        ),
        (
            {"files": [{"name": "x", "path": "x.csv", "fields": [
                {"series": "etc", "path": "a", "unit": "usd", "rows": "[]"}]}]},
            "feed x: field etc: `rows` needs `at_path`",
        ),
        (
            {"mqtt": [{"name": "x", "url": "mqtts://x", "topic": "a/#", "fields": [
                {"series": "etc", "path": "@", "unit": "usd"}]}]},
            "feed x: topic: write one topic, without `#` and `+`",
        ),
    ],
)  # fmt: skip
def test_check_config_finds_it_before_the_controller_runs(
    tmp_path: Path, feeds: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        controller.load(farm_file.write(tmp_path, feeds=feeds))
    assert message in str(refused.value)
