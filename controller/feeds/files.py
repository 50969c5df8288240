"""Prices from a file that somebody replaces; read at every look, never beyond its limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.core.model import Observation
from controller.feeds import answering
from controller.feeds.answering import Answers
from controller.feeds.documents import DocumentError
from controller.feeds.request import quoted
from controller.feeds.settings import FileFeedSettings
from controller.feeds.units import Rates
from controller.ports import FeedError


class FileFeed:
    """Says what the file holds for now."""

    def __init__(
        self, settings: FileFeedSettings, clock: Callable[[], float], *, rates: Rates | None = None
    ) -> None:
        """Check the paths and units; the file itself may come later.

        Raises:
            ConfigError: The settings cannot work.
        """
        self.name = settings.name
        self._settings = settings
        self._clock = clock
        self._answers = Answers(settings, rates, quote=quoted)

    async def observe(self) -> list[Observation]:
        """What the file says for now. Raises `FeedError`."""
        now, shown = self._clock(), str(self._settings.path)
        try:
            body = await asyncio.to_thread(self._read)
            self._answers.take(answering.parse(self._settings, body), now)
        except OSError as error:
            self._answers.fail(f"{shown} cannot be read: {error.strerror}")
        except DocumentError as error:
            text = f": {quoted(error.text)}" if error.text else ""
            self._answers.fail(f"{shown} holds {error.what}{text}")
        except FeedError as error:
            self._answers.fail(str(error))
        return self._answers.said(now, shown)

    def announced(self) -> dict[str, list[tuple[float, float]]]:
        """By series: instants to come and their prices, as far as the file tells."""
        return self._answers.announced(self._clock())

    async def close(self) -> None:
        """Nothing is held open."""

    def _read(self) -> bytes:
        limit = self._settings.bytes_max
        with self._settings.path.open("rb") as file:
            body = file.read(limit + 1)
        if len(body) > limit:
            raise FeedError(f"{self._settings.path} holds more than {limit} bytes")
        return body
