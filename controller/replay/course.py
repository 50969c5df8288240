"""Recorded series laid on the ticks of a scenario, as what one pool lives through."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from controller.core.timing.terms import Moment, Prices
from controller.feeds.recorded import Recording
from controller.feeds.settings import ColumnSettings, RecordedFile
from controller.replay.library import Library, shown
from controller.replay.parts import Clock, Timeline
from controller.replay.settings import Scenario
from wire.configfile import ConfigError

TICKS_MAX = 1_000_000
"""More ticks than ten years of 300 s are a mistake."""

COLUMNS = {
    "power": ("power_usd_per_kwh", "usd_per_kwh"),
    "day_ahead": ("day_ahead_usd_per_kwh", "usd_per_kwh"),
    "mine": ("mine_revenue_usd_per_gpu_h", "usd_per_gpu_h"),
    "eco": ("eco_revenue_usd_per_gpu_h", "usd_per_gpu_h"),
    "rental": ("rental_usd_per_gpu_h", "usd_per_gpu_h"),
    "demand": ("demand_groups", "groups"),
}
"""What a series stands for, with the column that a window has for it and its unit."""
OPTIONAL = ("day_ahead", "eco")
"""Series that a farm may not have: no such market, no such profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Which series stands for what in one pool; none: nothing does."""

    power: str
    mine: str
    rental: str
    demand: str
    eco: str | None
    day_ahead: str | None
    gpus: int = 1
    """GPUs in a group: series of earnings are by GPU."""


def load(scenario: Scenario) -> tuple[Moment, ...]:
    """Every tick of a window with what it paid, and what was announced when it had passed.

    Raises:
        ConfigError: A file cannot be used or a series has a gap; the text says where.
    """
    files = scenario.recordings
    if scenario.series is not None:
        files = (_standard(scenario.series),)
    library = Library.load(files)
    has = {name: name for name in COLUMNS if library.fault(name, COLUMNS[name][1]) is None}
    _refuse_strangers(library)
    cast = Cast(
        power="power",
        mine="mine",
        rental="rental",
        demand="demand",
        eco=has.get("eco"),
        day_ahead=has.get("day_ahead"),
    )
    return moments(library, cast, scenario, ticks(library, [cast], scenario), scenario)


def _standard(path: Path) -> RecordedFile:
    columns = tuple(
        ColumnSettings(series=name, column=column, unit=unit)
        for name, (column, unit) in COLUMNS.items()
    )
    return RecordedFile(path=path, columns=columns)


def _refuse_strangers(library: Library) -> None:
    known = ", ".join(COLUMNS)
    for name, recording in library.series.items():
        if name not in COLUMNS:
            raise ConfigError(f"recordings: series {name!r} is unknown; known: {known}")
        fault = library.fault(name, COLUMNS[name][1])
        if fault and (recording.at or name not in OPTIONAL):
            raise ConfigError(f"recordings: {fault}")
    for name in COLUMNS:
        if name not in OPTIONAL and name not in library.series:
            raise ConfigError(f"recordings: series {name!r} has no value; it needs a column")


def ticks(library: Library, casts: Sequence[Cast], timeline: Timeline) -> list[float]:
    """The instant at which every tick begins. Raises `ConfigError`."""
    needed = {name for cast in casts for name in (cast.power, cast.mine, cast.rental, cast.demand)}
    begins_s = max(library.series[name].at[0] for name in needed)
    ends_s = min(library.series[cast.power].at[-1] for cast in casts) + timeline.tick_s
    if timeline.begins is not None:
        begins_s = timeline.begins.timestamp()
    if timeline.ends is not None:
        ends_s = timeline.ends.timestamp()
    count = int((ends_s - begins_s) // timeline.tick_s)
    if not 1 <= count <= TICKS_MAX:
        span = f"{shown(begins_s)} to {shown(ends_s)}"
        raise ConfigError(f"{span} are {count} ticks; 1 to {TICKS_MAX} can be replayed")
    return [begins_s + tick * timeline.tick_s for tick in range(count)]


def moments(
    library: Library, cast: Cast, clock: Clock, at_s: Sequence[float], timeline: Timeline
) -> tuple[Moment, ...]:
    """What one pool lives through, tick by tick. Raises `ConfigError` where a series has a gap."""

    def held(name: str | None) -> list[float]:
        if name is None:
            return [0.0] * len(at_s)
        return library.held(name, at_s, timeline.gap_s_max)

    named = (cast.power, cast.mine, cast.eco, cast.rental, cast.demand)
    rows = zip(*(held(name) for name in named), strict=True)
    prices = [
        Prices(
            power_usd_per_kwh=power,
            mine_usd_per_h=mine * cast.gpus,
            eco_usd_per_h=eco * cast.gpus,
            rental_usd_per_h=rental * cast.gpus,
            demand_groups=demand,
        )
        for power, mine, eco, rental, demand in rows
    ]
    day_ahead = None if cast.day_ahead is None else library.series[cast.day_ahead]
    return tuple(_moments(clock, at_s, prices, _announced(clock, day_ahead, at_s)))


def _announced(
    clock: Clock, recording: Recording | None, at_s: Sequence[float]
) -> list[tuple[tuple[float, float], ...]]:
    """Day-ahead prices by the first tick at which each was known."""
    news: list[list[tuple[float, float]]] = [[] for _ in at_s]
    if recording is not None:
        for instant, price in zip(recording.at, recording.values, strict=True):
            tick = bisect_left(at_s, _known_s(clock, instant))
            if tick < len(news):
                news[tick].append((instant, price))
    return [tuple(each) for each in news]


def _known_s(clock: Clock, instant_s: float) -> float:
    """When the price of an instant was announced."""
    local = datetime.fromtimestamp(instant_s, clock.zone)
    eve = local.date() - timedelta(days=1)
    return datetime.combine(eve, clock.known_from, clock.zone).timestamp()


def _moments(
    clock: Clock,
    at_s: Sequence[float],
    prices: Sequence[Prices],
    announced: Sequence[tuple[tuple[float, float], ...]],
) -> Iterator[Moment]:
    zone = clock.zone
    for now, paid, news in zip(at_s, prices, announced, strict=True):
        local = datetime.fromtimestamp(now, zone)
        local_s = local.hour * 3600.0 + local.minute * 60.0 + local.second
        yield Moment(at_s=now, local_s=local_s, prices=paid, announced=news)
