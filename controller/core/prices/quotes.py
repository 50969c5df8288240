"""Many observations of a series become one trusted quote, or none. No feed fault moves a price.

A source's word counts while it is fresh, within the band and within one step of the level; the
median of such words is the level. The quote is the level that has held for `rises_persist_s`:
news for the worse counts at once, news for the better must be repeated that long first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_high, median_low

from controller.core.model import Observation, Quote, QuoteState
from controller.core.prices import plausibility
from controller.core.prices.plausibility import AHEAD_S_MAX, SOURCES_MAX, Cautious, QuoteRules

LEVELS_MAX = 256
"""Rising levels remembered for one series; past it the newest replaces the one before."""

NEVER = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one source said last, and why it does not count, if so."""

    source: str
    value: float | None = None
    at: float = NEVER
    heard_at: float = NEVER
    """When it said so last, by our clock."""
    fault: str = ""
    """Why its newest word was refused; what it said before does not count then either."""
    doubted_since: float | None = None
    """Since when it has been more than one step from the level; none: it is not."""


@dataclass(frozen=True, slots=True)
class Level:
    """The series has been at this value, or a better one, since this instant."""

    value: float
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that is remembered about one series."""

    readings: tuple[Reading, ...] = ()
    """By source."""
    levels: tuple[Level, ...] = ()
    """From the trusted level to the newest, each better than the one before."""
    agreed_at: float = NEVER
    """Instant of the newest word behind the newest level, by its source."""
    heard_at: float = NEVER
    """When that word was heard last, by our clock."""


@dataclass(frozen=True, slots=True)
class Book:
    """What is remembered about every series. A value: `observe` makes a new one."""

    pages: Mapping[str, Page] = field(default_factory=dict)


def observe(
    book: Book, rules: Mapping[str, QuoteRules], observations: Iterable[Observation], now: float
) -> Book:
    """Take in what was said, in any order; call it every tick, with nothing new too.

    Series without rules are left out: nobody has said what would be plausible for them.
    """
    said: dict[str, list[Observation]] = {series: [] for series in rules}
    for observation in observations:
        if observation.series in said:
            said[observation.series].append(observation)
    return Book(
        {
            series: _turn(book.pages.get(series, Page()), rules[series], words, now)
            for series, words in said.items()
        }
    )


def quote(book: Book, rules: Mapping[str, QuoteRules], series: str, now: float) -> Quote:
    """What to believe of `series` now. Raises `KeyError` for a series without rules."""
    rule, page = rules[series], book.pages.get(series, Page())
    news = "; ".join(filter(None, (_news(reading) for reading in page.readings)))
    if not page.levels:
        reason = news or f"{series}: nothing heard yet"
        return Quote(series, None, now, QuoteState.MISSING, reason)
    level, age_s = page.levels[0], now - page.agreed_at
    if age_s > rule.stale_after_s or age_s < -AHEAD_S_MAX:
        reason = f"{series}: nothing usable for {age_s:.0f} s"
        if age_s < 0:
            reason = f"{series}: the clock was set back, so nobody knows how old the price is"
        return Quote(series, None, page.agreed_at, QuoteState.STALE, _join(reason, news))
    if not _proven(level, page.heard_at, rule):
        held_s = max(0.0, page.heard_at - level.since)
        reason = f"{series}: first value, held {held_s:.0f} of {rule.rises_persist_s:.0f} s"
        return Quote(series, None, page.agreed_at, QuoteState.MISSING, _join(reason, news))
    usable = len(_voters(page.readings, rule, now))
    if usable < rule.quorum:
        reason = _join(f"{series}: {usable} of {rule.quorum} sources usable", news)
        return Quote(series, level.value, page.agreed_at, QuoteState.HELD, reason)
    return Quote(series, level.value, page.agreed_at, QuoteState.FRESH, news)


def quotes(book: Book, rules: Mapping[str, QuoteRules], now: float) -> dict[str, Quote]:
    """The quote of every series that has rules."""
    return {series: quote(book, rules, series, now) for series in rules}


def _turn(page: Page, rule: QuoteRules, words: list[Observation], now: float) -> Page:
    """The page after this tick."""
    if not words and _stands(page, rule, now):
        return page
    readings = {reading.source: reading for reading in page.readings}
    for word in sorted(words, key=lambda word: _order(word, rule)) if len(words) > 1 else words:
        if word.source in readings or len(readings) < SOURCES_MAX:
            known = readings.get(word.source, Reading(source=word.source))
            readings[word.source] = _heard(known, word, rule, now)
    level = page.levels[-1].value if page.levels else None
    doubted = tuple(_doubted(readings[source], rule, level, now) for source in sorted(readings))
    return _levelled(page, doubted, rule, now)


def _stands(page: Page, rule: QuoteRules, now: float) -> bool:
    """Whether silence leaves a page as it is: its only source counts, as it did before.

    What the whole of `_turn` would come to, for the usual page and most ticks.
    """
    if len(page.readings) != 1 or not page.levels:
        return False
    (reading,) = page.readings
    return (
        reading.doubted_since is None
        and not reading.fault
        and (reading.at, reading.heard_at) == (page.agreed_at, page.heard_at)
        and 0.0 <= now - reading.at <= rule.stale_after_s
        and reading.value == page.levels[-1].value
    )


def _order(word: Observation, rule: QuoteRules) -> tuple[float, float]:
    """By instant; of several values for one instant the most cautious comes last and stands."""
    sign = -1.0 if rule.cautious is Cautious.LOW else 1.0
    at = math.inf if math.isnan(word.at) else word.at
    return at, math.inf if math.isnan(word.value) else sign * word.value


def _heard(known: Reading, word: Observation, rule: QuoteRules, now: float) -> Reading:
    fault = plausibility.fault(word, rule, now)
    if fault:
        return replace(known, fault=fault)
    if word.at < known.at:
        return known
    # Silence proves nothing: what was doubted before it has not been repeated throughout.
    silent = now - known.heard_at > rule.stale_after_s
    return Reading(
        source=known.source,
        value=word.value,
        at=min(word.at, now),
        heard_at=now,
        doubted_since=None if silent else known.doubted_since,
    )


def _doubted(reading: Reading, rule: QuoteRules, level: float | None, now: float) -> Reading:
    value = reading.value
    if value is None or level is None or plausibility.one_step(level, value, rule):
        return reading if reading.doubted_since is None else replace(reading, doubted_since=None)
    return reading if reading.doubted_since is not None else replace(reading, doubted_since=now)


def _voters(readings: Sequence[Reading], rule: QuoteRules, now: float) -> list[Reading]:
    """Readings that count now."""
    fresh = [r for r in readings if not r.fault and now - r.at <= rule.stale_after_s]
    doubted = sum(reading.doubted_since is not None for reading in fresh)
    if doubted >= max(2, rule.quorum):
        return fresh
    return [
        reading
        for reading in fresh
        if reading.doubted_since is None
        or reading.heard_at - reading.doubted_since >= rule.step_persist_s
    ]


def _levelled(page: Page, readings: tuple[Reading, ...], rule: QuoteRules, now: float) -> Page:
    voters = _voters(readings, rule, now)
    if len(voters) < rule.quorum:
        return replace(page, readings=readings)
    level = _median([r.value for r in voters if r.value is not None], page, rule)
    heard_at = max(reading.heard_at for reading in voters)
    levels = _pushed(_standing(page, rule, now), level, rule, now)
    start = max((i for i, at in enumerate(levels) if _proven(at, heard_at, rule)), default=0)
    agreed_at = max(reading.at for reading in voters)
    return Page(readings=readings, levels=levels[start:], agreed_at=agreed_at, heard_at=heard_at)


def _median(values: list[float], page: Page, rule: QuoteRules) -> float:
    """Of two middle values the one nearer the level: an average would let one wild source in."""
    if len(values) == 1:
        return values[0]
    low, high = median_low(values), median_high(values)
    if not page.levels:
        return low if rule.cautious is Cautious.LOW else high
    level = page.levels[-1].value
    return low if abs(low - level) <= abs(high - level) else high


def _standing(page: Page, rule: QuoteRules, now: float) -> tuple[Level, ...]:
    """Levels to go on from; after a silence only the one that was trusted."""
    if now - page.agreed_at <= rule.stale_after_s:
        return page.levels
    return tuple(level for level in page.levels[:1] if _proven(level, page.heard_at, rule))


def _pushed(
    levels: tuple[Level, ...], value: float, rule: QuoteRules, now: float
) -> tuple[Level, ...]:
    """Where it was better than `value`, it was at least `value`: such levels give their time."""
    sign = 1.0 if rule.cautious is Cautious.LOW else -1.0
    worse = tuple(level for level in levels if sign * level.value < sign * value)
    since = levels[len(worse)].since if len(worse) < len(levels) else now
    return (*worse[: LEVELS_MAX - 1], Level(value, since))


def _proven(level: Level, heard_at: float, rule: QuoteRules) -> bool:
    return heard_at - level.since >= rule.rises_persist_s


def _news(reading: Reading) -> str:
    if reading.fault or reading.doubted_since is None:
        return reading.fault
    return f"source {reading.source} jumps to {reading.value:g}, which is doubted"


def _join(first: str, second: str) -> str:
    return f"{first}; {second}" if second else first
