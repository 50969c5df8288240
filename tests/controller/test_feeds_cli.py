"""`rigshift-controller feeds`: which providers there are, and what one would say now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from controller.__main__ import main
from tests.controller import farm_file
from tests.parts.provider import Provider, serving


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


def ran(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["feeds", *(str(word) for word in words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_all_providers_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(capsys, "list")
    assert (code, err) == (0, "")
    assert "awattar: hourly day-ahead prices of Germany and Austria\n" in out
    assert "  price  eur_per_mwh, as usd_per_kwh at a rate of eur  (zone)\n" in out
    assert "(key [secret], gpu, verified [else yes])" in out


def test_one_provider_is_told_whole_with_lines_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "list", "entsoe")
    assert code == 0
    assert "limit: 400 a minute" in out
    assert "  zone: bidding zone: AT, BE, CH" in out
    assert "  - {provider: entsoe, series: my.series, parameters: {token: {file: PATH}, " in out
    assert "zone: AT}, rate_usd: my.rate}\n" in out
    assert "my.series: {unit: usd_per_kwh, stale_after_s: 7200, cautious: high" in out
    code, _, err = ran(capsys, "list", "entso")
    assert code == 2
    assert "provider 'entso' is unknown; there are 2miners, awattar" in err


CATALOGUE = """\
desk:
  about: our own desk
  documentation: https://desk.example/
  limit: our own
  interval_s: 30
  url: {origin}/${{site}}
  headers: {{X-Key: "${{key}}"}}
  parameters:
    site: {{about: the site, example: oslo}}
    key: {{about: the key, secret: true}}
  values:
    price:
      about: price of the hour
      rows: "[]"
      path: p
      at_path: t
      at_format: epoch_s
      holds_s: 100000000000
      unit: eur_per_mwh
      stale_after_s: 300
"""


def desk(folder: Path, provider: Provider) -> Path:
    path = folder / "own.yaml"
    path.write_text(CATALOGUE.format(origin=provider.origin))
    return path


def test_a_provider_is_asked_once_without_any_file(
    capsys: pytest.CaptureFixture[str],
    provider: Provider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DESK_KEY", "s3cret-key")
    later = 1e11
    provider.says(json.dumps([{"t": 0, "p": 80}, {"t": later, "p": 20}, {"t": 2 * later, "p": 90}]))
    words = ("try", "--catalogue", desk(tmp_path, provider), "desk", "site=oslo", "rate_usd=1.1")
    code, out, err = ran(capsys, *words, "key=env:DESK_KEY")
    assert (code, err) == (0, "")
    assert out.splitlines()[:2] == [
        "desk/answer",
        "  answer  0.088 usd_per_kwh  from 1970-01-01T00:00Z",
    ]
    assert "announced: 2 more" in out
    assert "lowest 0.022 at " in out
    assert provider.paths == ["/oslo"]
    assert provider.headers[0]["X-Key"] == "s3cret-key"
    assert "s3cret" not in out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["site=oslo"], "parameter 'key' is missing: the key"),
        (["site=oslo", "key=abc"], "parameter 'key' is secret; write {file: PATH} or {env: NAME}"),
        (["site"], "'site': write KEY=VALUE"),
        (["site=oslo", "key=env:PATH"], "needs `rate_usd`"),
        (["rate_usd=cheap"], "rate_usd=cheap: write a number"),
        (["site=oslo", "key=file:/none", "rate_usd=1"], "/none cannot be read as a secret"),
    ],
)
def test_what_is_missing_is_bad_input(
    capsys: pytest.CaptureFixture[str],
    provider: Provider,
    tmp_path: Path,
    given: list[str],
    message: str,
) -> None:
    code, _, err = ran(capsys, "try", "--catalogue", desk(tmp_path, provider), "desk", *given)
    assert code == 2
    assert message in err


def file(folder: Path, provider: Provider) -> Path:
    """Power is a tariff on a spot price in euro, whose rate is a series of its own."""
    rate: dict[str, Any] = {"series": "fx.eur", "path": "rate", "unit": "usd"}
    spot = {"series": "spot", "path": "spot", "unit": "eur_per_mwh", "rate_usd": "fx.eur"}
    quotes: dict[str, Any] = farm_file.document(folder)["quotes"]
    more = {"spot": farm_file.rules(-1.0, 1.0), "fx.eur": farm_file.rules(0.5, 2.0)}
    return farm_file.write(
        folder,
        feeds={
            "http": [
                {"name": "market", "url": provider.origin + "/spot", "fields": [spot]},
                {"name": "rates", "url": provider.origin + "/rate", "fields": [rate]},
            ],
            "tariffs": [{"series": "power", "base": "spot", "rates": [{"price": 0.02}]}],
        },
        quotes={**quotes, **more},
    )


def test_a_feed_of_the_file_is_asked_after_what_it_leans_on(
    capsys: pytest.CaptureFixture[str], provider: Provider, tmp_path: Path
) -> None:
    provider.says('{"spot": 100, "rate": 1.2}')
    config = file(tmp_path, provider)
    code, out, _ = ran(capsys, "try", "power", "--config", config)
    assert code == 0
    told = [line.rpartition("  from ")[0] or line for line in out.splitlines()]
    assert told == [
        "rates",
        "  fx.eur  1.2 usd",
        "market",
        "  spot  0.12 usd_per_kwh",
        "tariff/power",
        "  power  0.14 usd_per_kwh",
    ]
    assert provider.paths == ["/rate", "/spot"]
    code, out, _ = ran(capsys, "try", "rates", "--config", config)
    assert (code, out.splitlines()[0]) == (0, "rates")


def test_a_feed_that_says_nothing_says_why_and_is_a_failure(
    capsys: pytest.CaptureFixture[str], provider: Provider, tmp_path: Path
) -> None:
    provider.says('{"spot": 100}')
    config = file(tmp_path, provider)
    code, out, _ = ran(capsys, "try", "spot", "--config", config)
    assert code == 1
    assert "nothing: " in out
    assert "has no price in dollars: no rate: fx.eur: nothing heard" in out


def test_a_name_that_is_none_is_bad_input(
    capsys: pytest.CaptureFixture[str], provider: Provider, tmp_path: Path
) -> None:
    code, _, err = ran(capsys, "try", "sport", "--config", file(tmp_path, provider))
    assert code == 2
    assert "no feed and no series is called 'sport'; feeds: market, rates, tariff/power" in err
