"""Polls the feeds and keeps the book of quotes. A feed that fails changes nothing and is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from controller.core.model import Observation, Quote
from controller.core.prices import announcements, quotes
from controller.core.prices.plausibility import QuoteRules
from controller.ports import Announcing, Feed, FeedError
from wire import logs


class Prices:
    """All series that the farm's settings name, as trusted as they are now."""

    def __init__(
        self,
        feeds: Sequence[Feed],
        rules: Mapping[str, QuoteRules],
        *,
        clock: Callable[[], float],
        interval_s: float,
    ) -> None:
        """`clock` gives the instant that prices count by; `interval_s` is the pause between polls.

        A feed that must be asked less often sees to that itself.
        """
        self.faults: dict[str, str] = {}
        """Why a feed gives nothing now, by feed."""
        self._feeds = feeds
        self._rules = rules
        self._clock = clock
        self._interval_s = interval_s
        self._book = quotes.Book()
        self._log = logs.get("prices")

    def quotes(self) -> dict[str, Quote]:
        """By series, as of now."""
        self.take(())
        return quotes.quotes(self._book, self._rules, self._clock())

    def quote(self, series: str) -> Quote:
        """One of them. Raises `KeyError` for a series without rules."""
        return quotes.quote(self._book, self._rules, series, self._clock())

    def announced(self, series: str) -> list[tuple[float, float]]:
        """Instants to come and the values announced for them, as far as they are plausible."""
        told = (
            feed.announced().get(series) for feed in self._feeds if isinstance(feed, Announcing)
        )
        curves = [coming for coming in told if coming]
        return announcements.believed(curves, self._rules[series], self.quote(series).value)

    def take(self, observations: Iterable[Observation]) -> None:
        """Enter what was said into the book."""
        self._book = quotes.observe(self._book, self._rules, observations, self._clock())

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for feed in self._feeds:
                tasks.create_task(self._poll(feed), name=f"feed:{feed.name}")

    async def look(self) -> None:
        """Ask every feed once."""
        for feed in self._feeds:
            await self._ask(feed)

    async def close(self) -> None:
        """Let go of the feeds' connections."""
        for feed in self._feeds:
            await feed.close()

    async def _poll(self, feed: Feed) -> None:
        while True:
            await self._ask(feed)
            await asyncio.sleep(self._interval_s)

    async def _ask(self, feed: Feed) -> None:
        try:
            self.take(await feed.observe())
        except FeedError as error:
            self._fault(feed, str(error))
        except Exception as error:  # noqa: BLE001 - what strangers send must not end the controller
            self._log.error("feed crashed", feed=feed.name, exc_info=error)
            self._fault(feed, f"{feed.name}: internal error: {error!r}")
        else:
            if self.faults.pop(feed.name, None) is not None:
                self._log.info("feed is back", feed=feed.name)

    def _fault(self, feed: Feed, reason: str) -> None:
        if self.faults.get(feed.name) != reason:
            self._log.warning("feed failed", feed=feed.name, error=reason)
        self.faults[feed.name] = reason
