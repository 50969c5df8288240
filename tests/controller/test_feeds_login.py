"""A token fetched before the question: once while it holds, anew when refused, and never told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from controller.core.model import Observation
from controller.feeds import catalogue, provided
from controller.feeds.http import HttpFeed
from controller.feeds.settings import (
    FieldSettings,
    HttpFeedSettings,
    LoginSettings,
    ProviderFeedSettings,
    Text,
)
from controller.ports import FeedError
from tests.parts.provider import Provider, serving
from wire.configfile import ConfigError

NOW = 1_773_490_200.0
PASSWORD = "p4ss&word="
TOKEN = "t0ken.of.the.hour"


@pytest.fixture
def desk() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
def gate() -> Iterator[Provider]:
    with serving() as provider:
        provider.says(json.dumps({"id_token": TOKEN}))
        yield provider


def settings(desk: Provider, gate: Provider, **changes: Any) -> HttpFeedSettings:
    form = {"grant_type": Text(value="password"), "password": Text(env="PASSWORD")}
    given = {
        "url": f"{desk.origin}/price",
        "login": LoginSettings(
            url=f"{gate.origin}/token", form=form, token_path="id_token", lifetime_s=3000
        ),
        "fields": (FieldSettings(series="power", path="p", unit="usd_per_kwh"),),
        "interval_s": 300.0,
    }
    return HttpFeedSettings(name="desk", **{**given, **changes})


def ask(settings: HttpFeedSettings, *moments: float) -> list[list[Observation] | str]:
    async def scenario() -> list[list[Observation] | str]:
        now = [NOW]
        feed = HttpFeed(settings, lambda: now[0], environment={"PASSWORD": PASSWORD})
        said: list[list[Observation] | str] = []
        for moment in moments or (NOW,):
            now[0] = moment
            try:
                said.append(await feed.observe())
            except FeedError as error:
                said.append(str(error))
        await feed.close()
        assert not any(secret in str(said) for secret in (PASSWORD, TOKEN))
        return said

    return asyncio.run(scenario())


def test_the_token_is_fetched_with_the_form_and_sent(desk: Provider, gate: Provider) -> None:
    desk.says('{"p": 0.1}')
    assert ask(settings(desk, gate)) == [[Observation("power", "desk", 0.1, NOW)]]
    assert parse_qs(gate.bodies[0].decode()) == {
        "grant_type": ["password"],
        "password": [PASSWORD],
    }
    assert gate.headers[0]["Content-Type"] == "application/x-www-form-urlencoded"
    assert desk.headers[0]["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in gate.headers[0]


def test_it_is_fetched_again_only_when_it_has_run_out(desk: Provider, gate: Provider) -> None:
    desk.says('{"p": 0.1}')
    ask(settings(desk, gate), NOW, NOW + 300, NOW + 2999)
    assert (len(gate.paths), len(desk.paths)) == (1, 3)
    ask(settings(desk, gate), NOW, NOW + 3000)
    assert (len(gate.paths), len(desk.paths)) == (3, 5)
    ask(settings(desk, gate), NOW, NOW - 90_000)
    assert (len(gate.paths), len(desk.paths)) == (5, 7)


def test_a_refused_token_is_not_used_again(desk: Provider, gate: Provider) -> None:
    desk.says(f"expired: {TOKEN}", status=401)
    (said, _) = ask(settings(desk, gate), NOW, NOW + 300)
    assert "answered 401 Unauthorized: 'expired: ***'" in str(said)
    assert (len(gate.paths), len(desk.paths)) == (2, 2)


@pytest.mark.parametrize(
    ("body", "changes", "message"),
    [
        (
            '{"error": "wrong p4ss&word="}',
            {"status": 400},
            '400 Bad Request: \'{"error": "wrong ***',
        ),
        ("<html>", {}, "/token answered no JSON to the login"),
        ('{"access_token": "x"}', {}, "/token gave no token: `id_token` is null or missing"),
        (
            '{"id_token": "a\\r\\nb: c"}',
            {},
            "/token gave no token, but something else in its place",
        ),
        ('{"id_token": true}', {}, "`id_token` is true, no number"),
        ("", {"status": 302, "headers": {"Location": "https://x/"}}, "redirects are not followed"),
    ],
)
def test_without_a_token_nothing_is_asked(
    desk: Provider, gate: Provider, body: str, changes: dict[str, Any], message: str
) -> None:
    gate.says(body, **changes)
    (said,) = ask(settings(desk, gate))
    assert message in str(said)
    assert desk.paths == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"login": LoginSettings(url="http://gate.example/")}, "a secret needs https://"),
        ({"login": LoginSettings(url="gate")}, "write https://host/path"),
        (
            {"login": LoginSettings(url="https://x/", form={"a": Text(env="NONE")})},
            "environment variable NONE is empty",
        ),
        ({"login": LoginSettings(url="https://x/", token_path="a[")}, "no JMESPath"),
        ({"headers": {"authorization": Text(value="x")}}, "leave that header out"),
    ],
)
def test_a_login_that_cannot_work_is_refused_at_once(
    desk: Provider, gate: Provider, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match="feed desk: login: ") as refused:
        HttpFeed(settings(desk, gate, **changes), lambda: NOW, environment={"PASSWORD": PASSWORD})
    assert message in str(refused.value)


def test_ercots_form_is_as_documented() -> None:
    entry = ProviderFeedSettings(
        provider="ercot-api",
        series="power.west",
        parameters={
            "point": "HB_WEST",
            "username": Text(env="A"),
            "password": Text(env="B"),
            "key": Text(env="C"),
        },
    )
    login = provided.feed(entry, catalogue.load()).login
    assert login is not None
    assert login.form["username"] == Text(env="A")
    assert login.form["password"] == Text(env="B")
    assert login.form["grant_type"] == Text(value="password")
    with pytest.raises(ConfigError, match="parameter 'password' is missing"):
        provided.feed(
            ProviderFeedSettings(
                provider="ercot-api",
                series="x",
                parameters={"point": "HB_WEST", "username": Text(env="A"), "key": Text(env="C")},
            ),
            catalogue.load(),
        )
