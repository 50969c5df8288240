"""All feeds of a controller."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from controller.feeds.settings.answers import (
    AnswerSettings,
    FileFeedSettings,
    HttpFeedSettings,
    MqttFeedSettings,
    Text,
)
from controller.feeds.settings.recorded import RecordedFeedSettings
from controller.feeds.settings.tariffs import TariffSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFeedSettings:
    """A series from a provider that is known by name; `feeds list` tells which there are."""

    provider: str
    """Its name, e.g. `awattar`."""
    series: str
    """Series that the values belong to."""
    value: str = ""
    """Which of its values; empty: its first."""
    parameters: dict[str, str | int | float | Text] = field(default_factory=dict)
    """What it asks for, by name; secrets as `{file: …}` or `{env: …}`."""
    rate_usd: float | str | None = None
    """Dollars per one of its currency: a fixed rate, or the series that says it."""
    scale: float = 1.0
    """Further factor on its numbers, e.g. 0.01 for what 100 GPUs earn together."""
    interval_s: float | None = None
    """Pause between two questions; none: as its limit and the number of its feeds demand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedsSettings:
    """All feeds of a controller; names are unique among them."""

    recorded: tuple[RecordedFeedSettings, ...] = ()
    http: tuple[HttpFeedSettings, ...] = ()
    providers: tuple[ProviderFeedSettings, ...] = ()
    files: tuple[FileFeedSettings, ...] = ()
    mqtt: tuple[MqttFeedSettings, ...] = ()
    tariffs: tuple[TariffSettings, ...] = ()
    catalogues: tuple[Path, ...] = ()
    """Files with further providers, written like those under `controller/feeds/providers`."""


def problems(feeds: FeedsSettings) -> Iterator[str]:
    """What in these settings cannot be meant; each one sentence."""
    answering: list[AnswerSettings] = [*feeds.http, *feeds.files, *feeds.mqtt]
    names = Counter(feed.name for feed in answering)
    names.update(feed.name for feed in feeds.recorded)
    names.update(feed.name for feed in feeds.tariffs)
    yield from (f"feed {name!r} stands twice; rename one" for name, n in names.items() if n > 1)
    for recorded in feeds.recorded:
        if not recorded.files:
            yield f"feed {recorded.name}: files: name at least one"
    for answer in answering:
        yield from _answer_problems(answer)
    for http in feeds.http:
        if not (0 < http.interval_s < math.inf and 0 < http.timeout_s < math.inf):
            yield f"feed {http.name}: `interval_s` and `timeout_s` must be above 0"
        if http.login and not 0 < http.login.lifetime_s < math.inf:
            yield f"feed {http.name}: login: `lifetime_s` must be above 0"
    for mqtt in feeds.mqtt:
        if not mqtt.topic or "#" in mqtt.topic or "+" in mqtt.topic:
            yield f"feed {mqtt.name}: topic: write one topic, without `#` and `+`"
        if not 0 < mqtt.wait_s < math.inf:
            yield f"feed {mqtt.name}: `wait_s` must be above 0"


def _answer_problems(answer: AnswerSettings) -> Iterator[str]:
    where = f"feed {answer.name}"
    if not answer.fields:
        yield f"{where}: fields: name at least one"
    if len(answer.delimiter) != 1:
        yield f"{where}: delimiter: write a single character"
    if answer.bytes_max < 1:
        yield f"{where}: `bytes_max` must be above 0"
    for each in answer.fields:
        spot = f"{where}: field {each.series}"
        if each.rows and not each.at_path:
            yield f"{spot}: `rows` needs `at_path`: which of them holds now?"
        if each.until_path and not each.rows:
            yield f"{spot}: `until_path` goes with `rows`"
        if each.holds_s is not None and not (each.rows and 0 < each.holds_s < math.inf):
            yield f"{spot}: `holds_s` must be above 0, and goes with `rows`"
        if not math.isfinite(each.at_shift_s):
            yield f"{spot}: `at_shift_s` must be finite"
