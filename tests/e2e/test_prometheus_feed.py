"""A feed asks a real Prometheus, through the shipped provider."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from controller.core.model import Observation
from controller.feeds import catalogue, provided
from controller.feeds.http import HttpFeed
from controller.feeds.settings import ProviderFeedSettings
from controller.ports import FeedError
from tests.e2e.prometheus import prometheus

WAIT_S = 60.0


def asked(url: str, query: str, *, wait_s: float = 0.0) -> Observation | str:
    """What the feed says, or its fault; patient with a server that is only starting."""
    entry = ProviderFeedSettings(
        provider="prometheus",
        series="demand",
        parameters={"url": url, "query": query, "unit": "groups"},
    )
    settings = provided.feed(entry, catalogue.load())

    async def scenario() -> Observation | str:
        feed = HttpFeed(settings, time.time)
        try:
            (said,) = await feed.observe()
        except FeedError as error:
            return str(error)
        finally:
            await feed.close()
        return said

    deadline = time.monotonic() + wait_s
    while isinstance(said := asyncio.run(scenario()), str) and time.monotonic() < deadline:
        time.sleep(0.1)
    return said


@pytest.mark.timeout(120)
def test_a_query_is_a_price_only_if_it_gives_one_series(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(
        "global: {}\n"
    )  # Nothing to scrape; it knows the time.
    with prometheus(tmp_path) as url:
        before = time.time()
        said = asked(url, "vector(3.25) + 1", wait_s=WAIT_S)
        assert isinstance(said, Observation)
        assert said.value == 4.25
        assert before - 1 <= said.at <= time.time()
        assert "`length(data.result)` should be '1', is '0'" in str(asked(url, "absent_here"))
        two = 'label_replace(vector(1), "a", "b", "", "") or vector(2)'
        assert "`length(data.result)` should be '1', is '2'" in str(asked(url, two))
        assert "`data.result[0].value[1]` is no finite number" in str(asked(url, "vector(0) / 0"))
        assert "answered 400 Bad Request" in str(asked(url, "vector("))
