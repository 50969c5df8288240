"""All feeds of a controller, made from its settings, and what cannot be meant in them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping

from controller.core.prices.plausibility import QuoteRules
from controller.feeds import catalogue, provided, settings, sources, tariff, trusted
from controller.feeds.fields import Fields
from controller.feeds.files import FileFeed
from controller.feeds.http import HttpFeed
from controller.feeds.recorded import RecordedFeed
from controller.feeds.settings import AnswerSettings, FeedsSettings, HttpFeedSettings
from controller.feeds.tariff import TariffFeed
from controller.feeds.topic import MqttFeed
from controller.feeds.trusted import Ahead, Look
from controller.ports import Feed
from wire.configfile import ConfigError


def feeds(
    given: FeedsSettings,
    look: Look,
    ahead: Ahead,
    *,
    clock: Callable[[], float],
    wall: Callable[[], float] = time.time,
    environment: Mapping[str, str] = os.environ,
) -> list[Feed]:
    """Every feed; those that compute from others come last.

    Args:
        given: The settings.
        look: Trusted quotes, for what is computed from them.
        ahead: What has been announced, likewise.
        clock: The instant that prices count by; a replay's, if there is one.
        wall: Now, seconds since 1970: what asks the world goes by it.
        environment: Where secrets are found.

    Raises:
        ConfigError: A feed cannot work as configured, or a secret is missing.
    """
    rates = trusted.rates(look)
    asked = [*given.http, *provided.feeds(given.providers, _known(given))]
    made: list[Feed] = [RecordedFeed(feed, clock) for feed in given.recorded]
    made += [HttpFeed(feed, wall, environment=environment, rates=rates) for feed in asked]
    made += [FileFeed(feed, wall, rates=rates) for feed in given.files]
    made += [MqttFeed(feed, wall, rates=rates) for feed in given.mqtt]
    made += [TariffFeed(feed, clock, look, ahead) for feed in given.tariffs]
    return made


def count(given: FeedsSettings) -> int:
    """How many feeds are declared."""
    plain = (given.recorded, given.http, given.providers, given.files, given.mqtt, given.tariffs)
    return sum(map(len, plain))


def problems(given: FeedsSettings, rules: Mapping[str, QuoteRules]) -> Iterator[str]:
    """What in the settings cannot be meant; `rules` are those of `quotes`."""
    yield from settings.problems(given)
    for each in given.tariffs:
        yield from tariff.problems(each)
    try:
        known = _known(given)
        asked = provided.feeds(given.providers, known)
    except ConfigError as error:
        yield str(error)
        return
    for entry in given.providers:
        if entry.series not in rules:
            value = provided.value(entry, known)
            yield _without_rules(entry.series, value.stale_after_s, value.cautious)
    for answer in (*given.http, *asked, *given.files, *given.mqtt):
        yield from _unusable(answer)
    for http in (*given.http, *asked):
        yield from _too_rare(http, rules)
    tariffs = {each.series for each in given.tariffs}
    for source in sources.sources(given, known):
        for series in (*source.leans_on, *(tariffs & set(source.gives))):
            if series not in rules:
                yield f"feed {source.name}: {series!r} has no entry under `quotes`"


def _known(given: FeedsSettings) -> catalogue.Catalogue:
    """Providers, if any is wanted: reading them all takes a tenth of a second."""
    return catalogue.load(given.catalogues) if given.providers or given.catalogues else {}


def _unusable(answer: AnswerSettings) -> Iterator[str]:
    """What a feed would say on being made; whether a rate has a value is for later."""
    try:
        Fields(answer, rates=lambda _: 1.0)
    except ConfigError as error:
        yield str(error)


def _without_rules(series: str, stale_after_s: float, cautious: str) -> str:
    hint = f"stale_after_s: {stale_after_s:g}, cautious: {cautious}, min: …, max: …"
    return f"{series!r} has no entry under `quotes`, so nobody would believe it; write {{{hint}}}"


def _too_rare(http: HttpFeedSettings, rules: Mapping[str, QuoteRules]) -> Iterator[str]:
    """What is asked so rarely that its price is stale most of the time."""
    for field in http.fields:
        rule = rules.get(field.series)
        if rule and not field.rows and http.interval_s >= rule.stale_after_s:
            yield (
                f"feed {http.name}: it is asked every {http.interval_s:g} s, but {field.series!r} "
                f"is stale after {rule.stale_after_s:g} s; raise its `stale_after_s`"
            )
