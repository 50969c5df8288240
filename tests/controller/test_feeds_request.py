"""What an HTTP feed would send: secrets, and settings that cannot work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.feeds import request
from controller.feeds import settings as feeds
from controller.feeds.http import HttpFeed
from controller.feeds.settings import (
    FeedsSettings,
    FieldSettings,
    HttpFeedSettings,
    RecordedFeedSettings,
    Text,
    TimeFormat,
)
from wire import configfile
from wire.configfile import ConfigError

KEY = "s3cr3t/key+value=="
PRICE = FieldSettings(series="power", path="data.price", unit="eur_per_mwh", usd_per_eur=1.1)


def test_a_secret_at_the_cut_is_hidden_whole() -> None:
    asked = request.build(
        HttpFeedSettings(name="x", url="https://h/", fields=(), query={"k": Text(env="K")}),
        {"K": KEY},
    )
    assert asked.quote("x" * 75 + KEY) == "'" + "x" * 75 + "***'"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "ftp://h/"}, "write https://host/path"),
        ({"url": "https:///path"}, "write https://host/path"),
        ({"url": "https://h:x/"}, "write https://host/path"),
        ({"url": "https://user:password@h/"}, "put user and password into `headers`"),
        ({"headers": {"X-Key": Text()}}, "one of `value`, `file` and `env`"),
        ({"headers": {"X-Key": Text(value="a", env="B")}}, "one of `value`, `file` and `env`"),
        ({"headers": {"X-Key": Text(env="NONE")}}, "environment variable NONE is empty"),
        ({"headers": {"X-Key": Text(file=Path("/none"))}}, "/none cannot be read as a secret"),
        ({"headers": {"X-Key": Text(value="a\r\nb: c")}}, "value is empty, too long, or no line"),
        ({"headers": {"X Key": Text(value="a")}}, "'X Key' is no header name"),
        ({"url": "http://h/", "query": {"k": Text(env="K")}}, "a secret needs https://"),
        ({"fields": (FieldSettings(series="s", path="a[", unit="usd"),)}, "no JMESPath"),
        (
            {"fields": (FieldSettings(series="s", path="a", unit="dollars"),)},
            "'dollars' is unknown",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    changes: dict[str, Any], message: str
) -> None:
    given = {"url": "https://h/p", "fields": (PRICE,), **changes}
    with pytest.raises(ConfigError, match="feed api: ") as refused:
        HttpFeed(HttpFeedSettings(name="api", **given), lambda: 0.0, environment={"K": KEY})
    assert message in str(refused.value)
    assert "password@" not in str(refused.value)


def test_settings_read_from_yaml() -> None:
    text = """\
http:
  - name: etc-spot
    url: https://prices.example/simple/price?ids=ethereum-classic&vs_currencies=usd
    headers: {x-demo-api-key: {file: /etc/rigshift/price-key}}
    interval_s: 120
    fields:
      - path: '"ethereum-classic".usd'
        at_path: '"ethereum-classic".last_updated_at'
        at_format: epoch_s
        series: coin.etc
        unit: usd
"""
    (feed,) = configfile.parse(text, FeedsSettings, name="c.yaml").http
    assert feed.headers["x-demo-api-key"] == Text(file=Path("/etc/rigshift/price-key"))
    assert feed.fields[0].at_format is TimeFormat.EPOCH_S
    with pytest.raises(ConfigError, match=r"c\.yaml:12: http\.0\.fields\.0\.units: "):
        configfile.parse(text + "        units: usd\n", FeedsSettings, name="c.yaml")


def test_what_cannot_be_meant_is_named() -> None:
    good = HttpFeedSettings(name="api", url="https://h/", fields=(PRICE,))
    bad = HttpFeedSettings(name="api", url="https://h/", fields=(), interval_s=0, bytes_max=0)
    assert not list(feeds.problems(FeedsSettings(http=(good,))))
    empty = RecordedFeedSettings(name="files", files=())
    assert list(feeds.problems(FeedsSettings(recorded=(empty,), http=(good, bad)))) == [
        "feed 'api' stands twice; rename one",
        "feed files: files: name at least one",
        "feed api: fields: name at least one",
        "feed api: `bytes_max` must be above 0",
        "feed api: `interval_s` and `timeout_s` must be above 0",
    ]
