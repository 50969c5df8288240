"""Recorded series laid on the ticks of a scenario. It fills no gaps and makes up no values."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.core.timing.terms import Moment, Prices
from controller.feeds import recorded
from controller.feeds.recorded import Recording
from controller.feeds.settings import ColumnSettings, RecordedFeedSettings, RecordedFile
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
"""Series with the column and unit that `series:` expects."""
OPTIONAL = ("day_ahead", "eco")
"""Series that a farm may not have: no such market, no such profile."""


def load(scenario: Scenario) -> tuple[Moment, ...]:
    """Every tick of a scenario with what it paid, and what was announced when it had passed.

    Raises:
        ConfigError: A file cannot be used or a series has a gap; the text says where.
    """
    files = scenario.recordings
    if scenario.series is not None:
        files = (_standard(scenario.series),)
    series = recorded.load(RecordedFeedSettings(name="replay", files=files))
    _refuse_strangers(series)
    at_s = _ticks(scenario, series)
    values = {name: _held(name, series.get(name), at_s, scenario) for name in COLUMNS}
    announced = _announced(scenario, series.get("day_ahead"), at_s)
    return tuple(_moments(scenario, at_s, values, announced))


def _standard(path: Path) -> RecordedFile:
    columns = tuple(
        ColumnSettings(series=name, column=column, unit=unit)
        for name, (column, unit) in COLUMNS.items()
    )
    return RecordedFile(path=path, columns=columns)


def _refuse_strangers(series: dict[str, Recording]) -> None:
    known = ", ".join(COLUMNS)
    for name in series:
        if name not in COLUMNS:
            raise ConfigError(f"recordings: series {name!r} is unknown; known: {known}")
    for name in COLUMNS:
        if name not in OPTIONAL and not (name in series and series[name].at):
            raise ConfigError(f"recordings: series {name!r} has no value; it needs a column")


def _ticks(scenario: Scenario, series: dict[str, Recording]) -> list[float]:
    """The instant at which every tick begins."""
    begins_s = max(series[name].at[0] for name in COLUMNS if name not in OPTIONAL)
    ends_s = series["power"].at[-1] + scenario.tick_s
    if scenario.begins is not None:
        begins_s = scenario.begins.timestamp()
    if scenario.ends is not None:
        ends_s = scenario.ends.timestamp()
    count = int((ends_s - begins_s) // scenario.tick_s)
    if not 1 <= count <= TICKS_MAX:
        span = f"{_shown(begins_s)} to {_shown(ends_s)}"
        raise ConfigError(f"{span} are {count} ticks; 1 to {TICKS_MAX} can be replayed")
    return [begins_s + tick * scenario.tick_s for tick in range(count)]


def _held(
    name: str, recording: Recording | None, at_s: list[float], scenario: Scenario
) -> list[float]:
    """Value of one series at every tick."""
    if recording is None or name == "day_ahead":
        return [0.0] * len(at_s)
    values = []
    for now in at_s:
        step = recording.before(now)
        if step is None or now - step[0] > scenario.gap_s_max:
            last = (
                "there is none before" if step is None else f"the last one is of {_shown(step[0])}"
            )
            raise ConfigError(
                f"series {name!r} has no value for {_shown(now)}: {last}; "
                "mend the file, or set `begins` and `ends`, or a longer `gap_s_max`"
            )
        values.append(step[1])
    return values


def _announced(
    scenario: Scenario, recording: Recording | None, at_s: list[float]
) -> list[tuple[tuple[float, float], ...]]:
    """Day-ahead prices by the first tick at which each was known."""
    news: list[list[tuple[float, float]]] = [[] for _ in at_s]
    if recording is not None:
        for instant, price in zip(recording.at, recording.values, strict=True):
            tick = bisect_left(at_s, _known_s(scenario, instant))
            if tick < len(news):
                news[tick].append((instant, price))
    return [tuple(each) for each in news]


def _known_s(scenario: Scenario, instant_s: float) -> float:
    """When the price of an instant was announced."""
    local = datetime.fromtimestamp(instant_s, scenario.zone)
    eve = local.date() - timedelta(days=1)
    return datetime.combine(eve, scenario.known_from, scenario.zone).timestamp()


def _moments(
    scenario: Scenario,
    at_s: list[float],
    values: dict[str, list[float]],
    announced: list[tuple[tuple[float, float], ...]],
) -> Iterator[Moment]:
    zone = scenario.zone
    for tick, now in enumerate(at_s):
        local = datetime.fromtimestamp(now, zone)
        yield Moment(
            at_s=now,
            local_s=local.hour * 3600.0 + local.minute * 60.0 + local.second,
            prices=Prices(
                power_usd_per_kwh=values["power"][tick],
                mine_usd_per_h=values["mine"][tick],
                eco_usd_per_h=values["eco"][tick],
                rental_usd_per_h=values["rental"][tick],
                demand_groups=values["demand"][tick],
            ),
            announced=announced[tick],
        )


def _shown(instant_s: float) -> str:
    return datetime.fromtimestamp(instant_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
