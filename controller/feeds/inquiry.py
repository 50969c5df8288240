"""Asks one feed once and tells what it would say. It believes everything: nothing is decided by it.

What a feed leans on, such as a rate of exchange, is asked before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller.core.model import Observation, Quote, QuoteState
from controller.feeds import assembly, catalogue, curves
from controller.feeds.settings import FeedsSettings, ProviderFeedSettings, Text
from controller.feeds.sources import Source, only, sources
from controller.ports import Announcing, Feed, FeedError
from wire.configfile import ConfigError


@dataclass(frozen=True, slots=True)
class Said:
    """What one feed said."""

    source: Source
    observations: tuple[Observation, ...] = ()
    announced: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    fault: str = ""
    """Why it said nothing."""


async def ask(
    name: str,
    given: FeedsSettings,
    *,
    clock: Callable[[], float],
    environment: Mapping[str, str] = os.environ,
) -> list[Said]:
    """Ask the feeds that are called `name`, or give that series, and first what they lean on.

    Raises:
        ConfigError: There is none, or it cannot work as configured.
    """
    known = sources(given, catalogue.load(given.catalogues))
    wanted = [source for source in known if source.name == name or name in source.gives]
    if not wanted:
        names = ", ".join(source.name for source in known) or "none"
        raise ConfigError(f"no feed and no series is called {name!r}; feeds: {names}")
    ordered = list(
        {each.name: each for source in wanted for each in _before(source, known)}.values()
    )
    heard: dict[str, Observation] = {}
    ahead: dict[str, list[tuple[float, float]]] = {}
    feeds = assembly.feeds(
        only(given, ordered),
        lambda series: _quote(series, heard, clock()),
        lambda series: ahead.get(series, []),
        clock=clock,
        wall=clock,
        environment=environment,
    )
    by_name = {feed.name: feed for feed in feeds}
    try:
        said = [await _asked(source, by_name[source.name], heard, ahead) for source in ordered]
    finally:
        for feed in feeds:
            await feed.close()
    return said


def entry(provider: str, given: Sequence[str]) -> ProviderFeedSettings:
    """An entry from `KEY=VALUE` texts; a value `env:NAME` or `file:PATH` is a secret.

    Raises:
        ConfigError: A text is none.
    """
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise ConfigError(f"{text!r}: write KEY=VALUE, e.g. zone=de or token=env:MY_TOKEN")
        pairs[key] = value
    return ProviderFeedSettings(
        provider=provider,
        series="answer",
        value=pairs.pop("value", ""),
        rate_usd=_rate(pairs.pop("rate_usd", "")),
        parameters={key: _parameter(value) for key, value in pairs.items()},
    )


def told(said: Said) -> Iterator[str]:
    """Lines for people."""
    yield said.source.name
    if said.fault:
        yield f"  nothing: {said.fault}"
    for each in said.observations:
        unit = said.source.gives[each.series]
        yield f"  {each.series}  {each.value:.6g} {unit}  from {curves.shown(each.at)}"
        coming = said.announced.get(each.series, ())
        if coming:
            low, high = min(coming, key=_price), max(coming, key=_price)
            yield f"    announced: {len(coming)} more, to the one of {curves.shown(coming[-1][0])}"
            yield f"    lowest {low[1]:.6g} at {curves.shown(low[0])}"
            yield f"    highest {high[1]:.6g} at {curves.shown(high[0])}"


async def _asked(
    source: Source,
    feed: Feed,
    heard: dict[str, Observation],
    ahead: dict[str, list[tuple[float, float]]],
) -> Said:
    try:
        observations = await feed.observe()
    except FeedError as error:
        return Said(source, fault=str(error))
    heard |= {each.series: each for each in observations}
    announced = feed.announced() if isinstance(feed, Announcing) else {}
    ahead |= announced
    return Said(source, tuple(observations), announced)


def _before(
    source: Source, known: list[Source], above: frozenset[str] = frozenset()
) -> Iterator[Source]:
    """What it leans on, then itself; a circle is left where it closes."""
    for series in source.leans_on:
        for other in known:
            if series in other.gives and other.name not in above | {source.name}:
                yield from _before(other, known, above | {source.name})
    yield source


def _rate(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise ConfigError(f"rate_usd={text}: write a number") from None


def _parameter(text: str) -> str | Text:
    source, colon, where = text.partition(":")
    if colon and source == "env":
        return Text(env=where)
    if colon and source == "file":
        return Text(file=Path(where))
    return text


def _quote(series: str, heard: Mapping[str, Observation], now: float) -> Quote:
    if series not in heard:
        return Quote(series, None, now, QuoteState.MISSING, f"{series}: nothing heard")
    return Quote(series, heard[series].value, heard[series].at, QuoteState.FRESH, "")


def _price(coming: tuple[float, float]) -> float:
    return coming[1]
