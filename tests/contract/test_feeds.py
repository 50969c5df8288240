"""One suite over every feed: recordings, HTTP, and files that are replaced."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.feeds.files import FileFeed
from controller.feeds.http import HttpFeed
from controller.feeds.recorded import RecordedFeed
from controller.feeds.settings import (
    ColumnSettings,
    FieldSettings,
    FileFeedSettings,
    HttpFeedSettings,
    RecordedFeedSettings,
    RecordedFile,
    TimeFormat,
)
from controller.ports import Feed, FeedError
from tests.parts.provider import serving

T0 = 1_773_446_400.0
SERIES = {"power", "coin"}
ANSWER = f'{{"p": [90, {T0 + 30}], "c": ["16", {T0}]}}'
FIELDS = tuple(
    FieldSettings(
        path=f"{name}[0]",
        at_path=f"{name}[1]",
        at_format=TimeFormat.EPOCH_S,
        series=series,
        unit=unit,
    )
    for name, series, unit in (("p", "power", "usd_per_mwh"), ("c", "coin", "usd"))
)


@dataclass(frozen=True, slots=True)
class Case:
    """A feed with two series from `T0` on, and a way to make it useless."""

    feed: Callable[[], Feed]
    clock: list[float]
    break_it: Callable[[], None]


def recorded_case(directory: Path) -> Case:
    path, clock = directory / "prices.csv", [T0 + 60]
    path.write_text(f"at,p,c\n{T0},80,16\n{T0 + 30},90,\n{T0 + 3600},1e9,99\n", encoding="utf-8")
    columns = (
        ColumnSettings(column="p", series="power", unit="usd_per_mwh"),
        ColumnSettings(column="c", series="coin", unit="usd"),
    )
    file = RecordedFile(
        path=path, columns=columns, time_column="at", time_format=TimeFormat.EPOCH_S
    )
    settings = RecordedFeedSettings(name="source", files=(file,))

    def break_it() -> None:
        clock[0] = T0 - 60

    return Case(lambda: RecordedFeed(settings, lambda: clock[0]), clock, break_it)


def http_case(origin: str, break_it: Callable[[], None]) -> Case:
    clock = [T0 + 60]
    settings = HttpFeedSettings(name="source", url=f"{origin}/", fields=FIELDS)
    return Case(lambda: HttpFeed(settings, lambda: clock[0]), clock, break_it)


def file_case(path: Path) -> Case:
    clock = [T0 + 60]
    path.write_text(ANSWER)
    settings = FileFeedSettings(name="source", path=path, fields=FIELDS)
    return Case(lambda: FileFeed(settings, lambda: clock[0]), clock, path.unlink)


@pytest.fixture(params=["recorded", "http", "file"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    if request.param == "recorded":
        yield recorded_case(tmp_path)
        return
    if request.param == "file":
        yield file_case(tmp_path / "prices.json")
        return
    with serving() as provider:
        provider.says(ANSWER)
        yield http_case(provider.origin, lambda: provider.says("<html>", status=503))


def test_observations_are_complete_finite_and_oldest_first(case: Case) -> None:
    async def scenario() -> None:
        feed = case.feed()
        said = await feed.observe()
        await feed.close()
        assert feed.name == "source"
        assert [(o.series, o.value, o.at) for o in said] == [
            ("coin", 16.0, T0),
            ("power", pytest.approx(0.09), T0 + 30),
        ]
        assert {o.source for o in said} == {feed.name}
        assert all(math.isfinite(o.value) and o.at <= case.clock[0] for o in said)

    asyncio.run(scenario())


def test_without_news_it_repeats_itself(case: Case) -> None:
    async def scenario() -> None:
        feed = case.feed()
        first = await feed.observe()
        first.clear()
        case.clock[0] += 1
        assert {o.series for o in await feed.observe()} == SERIES
        await feed.close()

    asyncio.run(scenario())


def test_it_may_be_asked_by_several_at_once(case: Case) -> None:
    async def scenario() -> None:
        feed = case.feed()
        answers = await asyncio.gather(*(feed.observe() for _ in range(5)))
        assert all(answer == answers[0] for answer in answers)
        await feed.close()

    asyncio.run(scenario())


def test_nothing_usable_is_a_feed_error_in_one_sentence(case: Case) -> None:
    async def scenario() -> None:
        feed = case.feed()
        case.break_it()
        for _ in range(2):
            with pytest.raises(FeedError) as fault:
                await feed.observe()
            assert "\n" not in str(fault.value)
            assert len(str(fault.value)) > 20
        await feed.close()

    asyncio.run(scenario())


def test_closing_twice_is_harmless(case: Case) -> None:
    async def scenario() -> None:
        feed = case.feed()
        await feed.close()
        await feed.close()

    asyncio.run(scenario())
