"""Prices from an MQTT topic. A retained message that does not say of when it is does not count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from controller.core.model import Observation
from controller.feeds import answering
from controller.feeds.answering import Answers
from controller.feeds.documents import DocumentError
from controller.feeds.request import quoted
from controller.feeds.settings import MqttFeedSettings
from controller.feeds.units import Rates
from controller.ports import FeedError
from wire import mqtt
from wire.configfile import ConfigError
from wire.mqtt import Listener, Published
from wire.transport import LinkError


class MqttFeed:
    """Keeps the newest message of one topic; it connects at the first look."""

    def __init__(
        self, settings: MqttFeedSettings, clock: Callable[[], float], *, rates: Rates | None = None
    ) -> None:
        """Check what can be checked without connecting.

        Raises:
            ConfigError: The settings cannot work, or the password cannot be read.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._answers = Answers(settings, rates, quote=quoted)
        self._dated = all(field.at_path for field in settings.fields)
        self._shown = f"{settings.url}/{settings.topic}"
        self._heard = asyncio.Event()
        self._turn = asyncio.Lock()
        self._listener: Listener | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers.fail(f"{self._shown} has said nothing yet")
        self._password = _password(settings)
        try:
            mqtt.check(settings.url, settings.ca_file)
        except LinkError as error:
            raise ConfigError(f"feed {self.name}: {error}") from error

    async def observe(self) -> list[Observation]:
        """What the newest message says for now. Raises `FeedError`."""
        async with self._turn:
            if self._listener is None:
                await self._begin()
        assert self._listener is not None
        if trouble := self._listener.trouble:
            raise FeedError(f"{self._shown}: broker away or unwilling: {trouble}")
        return self._answers.said(self._clock(), self._shown)

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        """By series: instants to come and their prices, as far as the last message told."""
        return self._answers.announced(self._clock())

    async def close(self) -> None:
        """Leave the broker."""
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._listener is not None:
            await self._listener.close()
        self._reader = self._listener = None

    async def _begin(self) -> None:
        """Connect, and wait a moment for what is retained."""
        self._listener = await mqtt.open_listener(
            url=self._settings.url,
            topic=self._settings.topic,
            username=self._settings.username,
            password=self._password,
            ca_file=self._settings.ca_file,
        )
        self._reader = asyncio.create_task(self._read(self._listener), name=f"topic:{self.name}")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.wait_s):
                await self._heard.wait()

    async def _read(self, listener: Listener) -> None:
        while True:
            self._take(await listener.receive())
            self._heard.set()

    def _take(self, published: Published) -> None:
        if published.retained and not self._dated:
            self._answers.fail(
                f"{self._shown}: a retained message without an instant; give `at_path`, "
                "for nobody knows how old it is"
            )
            return
        if len(published.payload) > self._settings.bytes_max:
            self._answers.fail(f"{self._shown} said more than {self._settings.bytes_max} bytes")
            return
        try:
            document = answering.parse(self._settings, published.payload)
        except DocumentError as error:
            text = error.text or published.payload.decode("utf-8", errors="replace")
            self._answers.fail(f"{self._shown} said {error.what}: {quoted(text)}")
        else:
            self._answers.take(document, self._clock())


def _password(settings: MqttFeedSettings) -> str:
    if settings.password_file is None:
        return ""
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        what = f"{settings.password_file}: the broker's password cannot be read"
        raise ConfigError(f"feed {settings.name}: {what}") from error
