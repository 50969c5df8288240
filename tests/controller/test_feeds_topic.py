"""Prices from a topic of a real Mosquitto: news, silence, nonsense, and brokers that go away."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from controller.core.model import Observation
from controller.feeds.settings import FieldSettings, MqttFeedSettings, TimeFormat
from controller.feeds.topic import MqttFeed
from controller.ports import FeedError
from tests.parts import mosquitto
from tests.parts.mosquitto import Mosquitto
from wire.configfile import ConfigError

DESK = "desk"
TOPIC = f"rigshift/v1/{DESK}/up"
"""The one that the shipped access list lets `desk` write and `controller` read."""
WAIT_S = 30.0
PRICE = FieldSettings(series="power", unit="usd_per_mwh", path="price")
DATED = FieldSettings(
    series="power", unit="usd_per_mwh", path="price", at_path="at", at_format=TimeFormat.EPOCH_S
)


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with mosquitto.running([DESK]) as broker:
        yield broker


def settings(broker: Mosquitto, **changes: Any) -> MqttFeedSettings:
    password_file = broker.folder / "controller.password"
    password_file.write_text(broker.passwords["controller"])
    given = {
        "url": broker.url,
        "topic": TOPIC,
        "username": "controller",
        "password_file": password_file,
        "ca_file": broker.ca_file,
        "fields": (PRICE,),
        "wait_s": 0.2,
    }
    return MqttFeedSettings(name="desk", **{**given, **changes})


@asynccontextmanager
async def listening(settings: MqttFeedSettings) -> AsyncIterator[MqttFeed]:
    feed = MqttFeed(settings, time.time)
    try:
        yield feed
    finally:
        await feed.close()


async def publish(broker: Mosquitto, payload: str, *, retain: bool = False) -> None:
    tls = ssl.create_default_context(cafile=broker.ca_file)
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, username=DESK, password=broker.passwords[DESK], tls_context=tls
    ) as client:
        await client.publish(TOPIC, payload, qos=1, retain=retain)


async def told(feed: MqttFeed) -> list[Observation] | str:
    try:
        return await feed.observe()
    except FeedError as error:
        return str(error)


async def awaited(feed: MqttFeed, wanted: str | float) -> list[Observation] | str:
    """What it says once it says that."""
    async with asyncio.timeout(WAIT_S):
        while True:
            said = await told(feed)
            if isinstance(wanted, str) and wanted in said:
                return said
            if not isinstance(said, str) and said[0].value == wanted:
                return said
            await asyncio.sleep(0.02)


def test_news_and_nonsense_on_the_topic(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with listening(settings(broker)) as feed:
            await awaited(feed, "has said nothing yet")
            before = time.time()
            await publish(broker, '{"price": 41}')
            await awaited(feed, 0.041)
            (said,) = await feed.observe()
            assert before <= said.at <= time.time()
            assert await feed.observe() == [said]
            await publish(broker, "<html>Blocked</html>")
            fault = await awaited(feed, "said broken JSON")
            assert fault == f"{broker.url}/{TOPIC} said broken JSON: '<html>Blocked</html>'"
            await publish(broker, '{"price": "n/a"}')
            await awaited(feed, "`price` is no finite number but 'n/a'")
            await publish(broker, '{"price": -5}')
            await awaited(feed, -0.005)

    asyncio.run(scenario())


def test_what_is_retained_counts_only_if_it_says_of_when_it_is(broker: Mosquitto) -> None:
    async def scenario() -> None:
        await publish(broker, '{"price": 41, "at": 1773490200}', retain=True)
        try:
            async with listening(settings(broker, wait_s=WAIT_S)) as feed:
                assert "a retained message without an instant; give `at_path`" in await told(feed)
            async with listening(settings(broker, wait_s=WAIT_S, fields=(DATED,))) as feed:
                (said,) = await feed.observe()
                assert (said.value, said.at) == (0.041, 1_773_490_200.0)
        finally:
            await publish(broker, "", retain=True)

    asyncio.run(scenario())


def test_a_longer_message_is_refused(broker: Mosquitto) -> None:
    async def scenario() -> None:
        async with listening(settings(broker, bytes_max=20)) as feed:
            await awaited(feed, "has said nothing yet")
            await publish(broker, '{"price": 41}' + " " * 20)
            await awaited(feed, "said more than 20 bytes")

    asyncio.run(scenario())


def test_a_broker_that_goes_away_is_named_and_comes_back() -> None:
    async def scenario(broker: Mosquitto) -> None:
        async with listening(settings(broker)) as feed:
            await awaited(feed, "has said nothing yet")
            await publish(broker, '{"price": 41}')
            await awaited(feed, 0.041)
            broker.stop()
            await awaited(feed, "broker away or unwilling")
            await asyncio.to_thread(broker.start)
            await awaited(feed, 0.041)

    with mosquitto.running([DESK]) as broker:
        asyncio.run(scenario(broker))


def test_a_wrong_password_is_named(broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("guessed")

    async def scenario() -> None:
        async with listening(settings(broker, password_file=tmp_path / "wrong")) as feed:
            said = await awaited(feed, "Not authorized")
            assert "guessed" not in str(said)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "mqtt://broker.example"}, "without TLS only to this very machine"),
        ({"url": "https://broker.example"}, "write `mqtts://host:port`"),
        ({"ca_file": Path("/none.pem")}, "/none.pem: no readable PEM certificates"),
        ({"password_file": Path("/none")}, "/none: the broker's password cannot be read"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    broker: Mosquitto, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        MqttFeed(settings(broker, **changes), time.time)
    assert str(refused.value).startswith("feed desk: ")
    assert message in str(refused.value)
