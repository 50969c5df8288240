"""HTTP feed against a real server that answers well, badly, slowly, endlessly or not at all."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from controller.core.model import Observation
from controller.feeds.http import RETRY_AFTER_MAX_S, HttpFeed
from controller.feeds.settings import (
    FieldSettings,
    HttpFeedSettings,
    Text,
    TimeFormat,
)
from controller.ports import FeedError
from tests.parts.provider import Provider, serving

NOW = 1_773_446_400.0
"""2026-03-14T00:00:00Z."""
KEY = "s3cr3t/key+value=="
PRICE = FieldSettings(series="power", path="data.price", unit="eur_per_mwh", usd_per_eur=1.1)


class Clock:
    """Now, as the test sets it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


def settings(provider: Provider, **changes: Any) -> HttpFeedSettings:
    given = {"url": provider.origin + "/v1/price", "fields": (PRICE,), "timeout_s": 20.0}
    return HttpFeedSettings(name="api", **{**given, **changes})


def ask(settings: HttpFeedSettings, clock: Clock, *moments: float, **environment: str) -> Any:
    """What the last of several askings gave: observations, or the text of the fault."""

    async def scenario() -> Any:
        feed = HttpFeed(settings, clock, environment=environment)
        said: Any = None
        try:
            for moment in moments or (clock.now,):
                clock.now = moment
                try:
                    said = await feed.observe()
                except FeedError as error:
                    said = str(error)
                    assert KEY not in said
        finally:
            await feed.close()
        return said

    return asyncio.run(scenario())


@pytest.mark.parametrize("number", ["-30", '"-30"', '" -3e1 "', "-30.0"])
def test_a_number_or_a_numeric_string_is_a_price(
    provider: Provider, clock: Clock, number: str
) -> None:
    provider.says(f'{{"data": {{"price": {number}}}}}')
    (said,) = ask(settings(provider), clock)
    assert said == Observation("power", "api", pytest.approx(-0.033), NOW)  # type: ignore[arg-type]
    assert provider.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"data": {"price": null}}', "`data.price` is null or missing"),
        ('{"error": "no"}', "`data.price` is null or missing"),
        ("[]", "`data.price` is null or missing"),
        ('{"data": {"price": [1, 2]}}', "`data.price` is a list of 2, no single number"),
        ('{"data": {"price": {}}}', "`data.price` is an object, no number"),
        ('{"data": {"price": true}}', "`data.price` is true, no number"),
        ('{"data": {"price": NaN}}', "`data.price` is no finite number but 'nan'"),
        ('{"data": {"price": 1e999}}', "`data.price` is no finite number but 'inf'"),
        ('{"data": {"price": "n/a"}}', "`data.price` is no finite number but 'n/a'"),
        ('{"data": {"price": "1,5"}}', "`data.price` is no finite number but '1,5'"),
        ('{"data": {"price": "' + "x" * 500 + '"}}', "but '" + "x" * 80 + "…'"),
        ('{"data": {"price": 1}', 'answered broken JSON: \'{"data": {"price": 1}\''),
        ("", "answered broken JSON: ''"),
        ("[" * 100_000, "answered broken JSON: '" + "[" * 80 + "…'"),
        (b"\xff\xfe\x00", "answered broken JSON: '"),
    ],
)
def test_what_is_no_price_is_said(
    provider: Provider, clock: Clock, body: str | bytes, message: str
) -> None:
    provider.says(body)
    said = ask(settings(provider), clock)
    assert said.startswith(f"{provider.origin}/v1/price")
    assert message in said


def test_html_instead_of_json(provider: Provider, clock: Clock) -> None:
    html = "<!DOCTYPE html>\n<title>\x1b[31mBlocked</title>" + "<p>" * 100
    provider.says(html, headers={"Content-Type": "text/html; charset=utf-8"})
    said = ask(settings(provider), clock)
    assert "answered text/html, not JSON: '<!DOCTYPE html> <title> [31mBlocked</title>" in said
    assert len(said) < 250


@pytest.mark.parametrize("status", [204, 400, 401, 404, 500, 503])
def test_an_error_status_is_no_price(provider: Provider, clock: Clock, status: int) -> None:
    provider.says('{"data": {"price": 1}}' if status != 204 else "", status=status)
    assert f"answered {status} " in ask(settings(provider), clock) or status == 204


def test_redirects_are_not_followed(provider: Provider, clock: Clock) -> None:
    with serving() as elsewhere:
        elsewhere.says('{"data": {"price": 1}}')
        target = f"{elsewhere.origin}/steal?token={KEY}"
        provider.says("", status=302, headers={"Location": target})
        said = ask(settings(provider), clock)
        assert f"redirects to '{elsewhere.origin}/steal?…', and redirects are not followed" in said
        assert elsewhere.paths == []


def test_an_endless_answer_is_cut_off(provider: Provider, clock: Clock) -> None:
    provider.says(b'{"data": "' + b"x" * 5_000_000)
    said = ask(settings(provider, bytes_max=1000), clock)
    assert 'answered more than 1000 bytes: \'{"data": "xxx' in said


def test_a_compressed_answer_is_refused(provider: Provider, clock: Clock) -> None:
    provider.says(gzip.compress(b"0" * 10_000_000), headers={"Content-Encoding": "gzip"})
    assert "answered compressed, although asked not to" in ask(settings(provider), clock)


@pytest.mark.parametrize("fault", [{"silent": True}, {"trickle": True}])
def test_a_slow_answer_is_given_up(
    provider: Provider, clock: Clock, fault: dict[str, bool]
) -> None:
    provider.says('{"data": {"price": 1}}' + " " * 10_000, **fault)
    said = ask(settings(provider, timeout_s=0.3), clock)
    assert said.startswith(f"{provider.origin}/v1/price gave no whole answer within 0.3 s")


def test_nobody_there(clock: Clock) -> None:
    with serving() as gone:
        pass
    assert f"{gone.origin}/v1/price could not be asked: '" in ask(settings(gone), clock)


def test_a_question_that_reached_nobody_is_put_again_soon(clock: Clock) -> None:
    with serving() as gone:
        pass
    asked = settings(gone, interval_s=400.0)
    assert ask(asked, clock, NOW).endswith("; asked again in 60 s")
    assert ask(asked, clock, NOW, NOW + 60).endswith("; asked again in 120 s")
    assert ask(asked, clock, NOW, NOW + 60, NOW + 180).endswith("; asked again in 240 s")
    later = (NOW, NOW + 60, NOW + 180, NOW + 420)
    assert ask(asked, clock, *later).endswith("; asked again in 400 s")


def test_one_bad_field_does_not_take_the_others(provider: Provider, clock: Clock) -> None:
    other = FieldSettings(series="coin", path="data.coin", unit="usd")
    provider.says('{"data": {"price": null, "coin": "16.5"}}')
    said = ask(settings(provider, fields=(PRICE, other)), clock)
    assert said == [Observation("coin", "api", 16.5, NOW)]
    provider.says("{}")
    said = ask(settings(provider, fields=(PRICE, other)), clock)
    assert "`data.price` is null or missing; `data.coin` is null or missing" in said


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (TimeFormat.EPOCH_S, str(int(NOW - 60)), NOW - 60),
        (TimeFormat.EPOCH_MS, str(int(NOW - 60) * 1000), NOW - 60),
        (TimeFormat.ISO8601, '"2026-03-13T23:00:00Z"', NOW - 3600),
        (TimeFormat.EPOCH_S, str(int(NOW) * 1000), "`at` lies in the future: '1773446400000'"),
        (TimeFormat.ISO8601, '"2026-03-13T23:00:00"', "`at` is no instant with a zone but"),
        (TimeFormat.ISO8601, "null", "`at` is null or missing"),
    ],
)
def test_the_instant_comes_from_the_source(
    provider: Provider, clock: Clock, form: TimeFormat, text: str, expected: float | str
) -> None:
    field = FieldSettings(series="coin", path="coin", unit="usd", at_path="at", at_format=form)
    provider.says(f'{{"coin": 1, "at": {text}}}')
    said = ask(settings(provider, fields=(field,)), clock)
    if isinstance(expected, str):
        assert expected in said
    else:
        assert said == [Observation("coin", "api", 1.0, expected)]


def test_it_is_asked_once_per_interval(provider: Provider, clock: Clock) -> None:
    provider.says('{"data": {"price": 10}}')
    (said,) = ask(settings(provider), clock, NOW, NOW + 1, NOW + 59.9)
    assert said.at == NOW
    assert len(provider.paths) == 1
    (said,) = ask(settings(provider), clock, NOW, NOW + 60)
    assert said.at == NOW + 60
    assert len(provider.paths) == 3


def test_a_fault_waits_for_the_interval_too(provider: Provider, clock: Clock) -> None:
    provider.says("{}")
    said = ask(settings(provider), clock, NOW, NOW + 20)
    assert said.endswith("is null or missing; asked again in 40 s")
    assert len(provider.paths) == 1


def test_a_clock_that_is_set_back_does_not_silence_the_feed(
    provider: Provider, clock: Clock
) -> None:
    provider.says('{"data": {"price": 10}}')
    (said,) = ask(settings(provider), clock, NOW, NOW - 86_400)
    assert said.at == NOW - 86_400


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("300", 300.0),
        (format_datetime(datetime.fromtimestamp(NOW + 300, UTC), usegmt=True), 300.0),
        ("5", 60.0),
        ("soon", 60.0),
        ("-1", 60.0),
        ("9" * 400, RETRY_AFTER_MAX_S),
    ],
)
def test_retry_after_is_respected(
    provider: Provider, clock: Clock, header: str, wait_s: float
) -> None:
    provider.says("slow down", status=429, headers={"Retry-After": header})
    said = ask(settings(provider), clock, NOW, NOW + wait_s - 1)
    assert said.endswith("answered 429 Too Many Requests: 'slow down'; asked again in 1 s")
    assert len(provider.paths) == 1
    ask(settings(provider), clock, NOW, NOW + wait_s)
    assert len(provider.paths) == 3


def test_secrets_are_sent_but_never_told(
    provider: Provider, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret_file = tmp_path / "token"
    secret_file.write_text(KEY + "\n", encoding="ascii")
    asked = settings(
        provider,
        url=provider.origin + "/v1/price?ids=etc&apikey=literal-key",
        headers={"Authorization": Text(file=secret_file, prefix="Bearer ")},
        query={"key": Text(env="API_KEY")},
    )
    provider.says(f"bad key {KEY} or literal-key", status=401, headers={"Content-Type": "text/x"})
    said = ask(asked, clock, API_KEY=KEY)
    assert said.startswith(f"{provider.origin}/v1/price?… answered 401 Unauthorized: ")
    assert "'bad key *** or ***'" in said
    assert provider.headers[0]["Authorization"] == f"Bearer {KEY}"
    path = "/v1/price?ids=etc&apikey=literal-key&key=s3cr3t%2Fkey%2Bvalue%3D%3D"
    assert provider.paths == [path]
    provider.says(f'{{"data": {{"price": "{path}"}}}}')
    assert "s3cr3t" not in ask(asked, clock, API_KEY=KEY)
    assert "s3cr3t" not in caplog.text
