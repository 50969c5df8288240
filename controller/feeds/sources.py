"""Which source gives which series, and leans on which, as the settings have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from controller.feeds import provided, units
from controller.feeds.catalogue import Catalogue
from controller.feeds.settings import (
    AnswerSettings,
    FeedsSettings,
    Measure,
    RecordedFeedSettings,
    TariffSettings,
)


@dataclass(frozen=True, slots=True)
class Source:
    """One feed, from outside."""

    name: str
    gives: dict[str, str]
    """Canonical units, by series."""
    leans_on: tuple[str, ...] = ()
    """Series that must be known before it can say anything."""


def sources(given: FeedsSettings, known: Catalogue) -> list[Source]:
    """All of them. Raises `ConfigError` for a provider's entry that cannot be used."""
    answering: list[AnswerSettings] = [*given.http, *provided.feeds(given.providers, known)]
    answering += [*given.files, *given.mqtt]
    return [
        *(_recorded(each) for each in given.recorded),
        *(_answering(each) for each in answering),
        *(_tariff(each) for each in given.tariffs),
    ]


def only(given: FeedsSettings, wanted: Iterable[Source]) -> FeedsSettings:
    """The settings of these sources alone."""
    names = {source.name for source in wanted}
    series = {name for source in wanted for name in source.gives}
    return replace(
        given,
        recorded=tuple(each for each in given.recorded if each.name in names),
        http=tuple(each for each in given.http if each.name in names),
        files=tuple(each for each in given.files if each.name in names),
        mqtt=tuple(each for each in given.mqtt if each.name in names),
        tariffs=tuple(each for each in given.tariffs if each.name in names),
        providers=tuple(each for each in given.providers if each.series in series),
    )


def _recorded(settings: RecordedFeedSettings) -> Source:
    columns = (column for file in settings.files for column in file.columns)
    return Source(settings.name, {each.series: _canonical(each.unit) for each in columns})


def _answering(settings: AnswerSettings) -> Source:
    gives = {each.series: _canonical(each.unit) for each in settings.fields}
    return Source(settings.name, gives, tuple(_rates(settings.fields)))


def _tariff(settings: TariffSettings) -> Source:
    rate = settings.rate_usd
    leans_on = (settings.base, rate if isinstance(rate, str) else "")
    gives = {settings.series: _canonical(settings.unit)}
    return Source(settings.name, gives, tuple(filter(None, leans_on)))


def _rates(measures: Iterable[Measure]) -> Iterator[str]:
    return (each.rate_usd for each in measures if isinstance(each.rate_usd, str))


def _canonical(unit: str) -> str:
    """What it becomes; an unknown one stays as it is, for its feed to refuse."""
    return units.KNOWN[unit].canonical if unit in units.KNOWN else unit
