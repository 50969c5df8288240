"""Recorded feed: step functions that never look ahead, units, alignment, faults by line."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.core.model import Observation
from controller.feeds import recorded, units
from controller.feeds.recorded import RecordedFeed
from controller.feeds.settings import (
    Align,
    ColumnSettings,
    FeedsSettings,
    Measure,
    RecordedFeedSettings,
    RecordedFile,
    TimeFormat,
)
from controller.ports import FeedError
from wire import configfile
from wire.configfile import ConfigError

POWER = ColumnSettings(column="eur", series="power", unit="eur_per_mwh", usd_per_eur=1.1)
COIN = ColumnSettings(column="close", series="coin", unit="usd")
MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)
T0 = MIDNIGHT.timestamp()
HOUR = 3600.0

GOOD = """\
ts_utc,eur,close,ignored
2026-03-14T00:00:00Z,100,16.5,x
2026-03-14T01:00:00Z,-20,,x
2026-03-14T02:00:00Z,0,16.25,x
"""


def settings(path: Path, text: str, **changes: object) -> RecordedFeedSettings:
    path.write_text(text, encoding="utf-8")
    given = {"columns": (POWER, COIN), **changes}
    return RecordedFeedSettings(
        name="files",
        files=(RecordedFile(path=path, **given),),  # type: ignore[arg-type]
    )


def said(feed: RecordedFeed) -> dict[str, tuple[float, float]]:
    """Value and instant by series."""
    observations = asyncio.run(feed.observe())
    return {o.series: (round(o.value, 9), o.at - T0) for o in observations}


@pytest.mark.parametrize(
    ("now_h", "power", "coin"),
    [
        (0.0, (0.11, 0.0), (16.5, 0.0)),
        (0.999, (0.11, 0.0), (16.5, 0.0)),
        (1.0, (-0.022, HOUR), (16.5, 0.0)),
        (2.0, (0.0, 2 * HOUR), (16.25, 2 * HOUR)),
        (99.0, (0.0, 2 * HOUR), (16.25, 2 * HOUR)),
    ],
)
def test_newest_row_at_or_before_the_clock(
    tmp_path: Path, now_h: float, power: tuple[float, float], coin: tuple[float, float]
) -> None:
    feed = RecordedFeed(settings(tmp_path / "a.csv", GOOD), lambda: T0 + now_h * HOUR)
    assert said(feed) == {"power": power, "coin": coin}


def test_before_the_first_row_nothing_is_known(tmp_path: Path) -> None:
    feed = RecordedFeed(settings(tmp_path / "a.csv", GOOD), lambda: T0 - 0.001)
    with pytest.raises(FeedError, match="files: the recordings begin after"):
        asyncio.run(feed.observe())


def test_observations_name_the_feed_and_come_oldest_first(tmp_path: Path) -> None:
    feed = RecordedFeed(settings(tmp_path / "a.csv", GOOD), lambda: T0 + HOUR)
    coin, power = asyncio.run(feed.observe())
    assert coin == Observation("coin", "files", 16.5, T0)
    assert power == Observation("power", "files", power.value, T0 + HOUR)


def test_align_lays_a_file_on_other_hours(tmp_path: Path) -> None:
    text = GOOD.replace("2026-03-14", "2025-10-20")
    align = Align(
        recorded=datetime(2025, 10, 20, 1, tzinfo=UTC),
        replayed=datetime(2026, 3, 14, 5, tzinfo=UTC),
    )
    feed = RecordedFeed(
        settings(tmp_path / "a.csv", text, align=align), lambda: T0 + 5 * HOUR + 1800
    )
    assert said(feed)["power"] == (-0.022, 5 * HOUR)


def test_hours_are_placed_by_align(tmp_path: Path) -> None:
    text = "hour,eur\n24,10\n25,20\n"
    changes = {"columns": (POWER,), "time_column": "hour", "time_format": TimeFormat.HOURS}
    align = Align(recorded=24.0, replayed=MIDNIGHT)
    feed = RecordedFeed(
        settings(tmp_path / "a.csv", text, align=align, **changes), lambda: T0 + HOUR
    )
    assert said(feed) == {"power": (0.022, HOUR)}
    with pytest.raises(ConfigError, match="`align` must place them"):
        recorded.load(settings(tmp_path / "a.csv", text, **changes))


def test_equal_hours_in_seconds_and_milliseconds(tmp_path: Path) -> None:
    for form, factor in ((TimeFormat.EPOCH_S, 1), (TimeFormat.EPOCH_MS, 1000)):
        text = f"ts_utc,eur\n{T0 * factor:.0f},10\n"
        loaded = recorded.load(
            settings(tmp_path / "a.csv", text, columns=(POWER,), time_format=form)
        )
        assert loaded["power"].at == (T0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"a\.csv:1: column 'ts_utc' is missing; columns: none"),
        ("ts_utc,eur\n", r"a\.csv:1: column 'close' is missing; columns: ts_utc, eur"),
        (GOOD.replace(",-20,", ",--,"), r"a\.csv:3: column eur: '--' is no finite number"),
        (GOOD.replace(",-20,", ",nan,"), r"a\.csv:3: column eur: 'nan' is no finite number"),
        (GOOD.replace(",-20,", ",1_0,"), r"a\.csv:3: column eur: '1_0' is no finite number"),
        (GOOD.replace(",-20,", ","), r"a\.csv:3: 3 cells where the first line has 4"),
        (GOOD.replace("T02:", "T01:"), r"a\.csv:4: its time is not after the row before"),
        (GOOD.replace("02:00:00Z", "02:00:00"), r"a\.csv:4: column ts_utc: .* lacks its zone"),
        (GOOD.replace("2026-03-14T02", "yesterday"), r"a\.csv:4: column ts_utc: "),
        (GOOD + '"', r"a\.csv:5: not valid CSV"),
    ],
)
def test_bad_rows_are_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recorded.load(settings(tmp_path / "a.csv", text))


def test_missing_file_and_doubled_series(tmp_path: Path) -> None:
    file = RecordedFile(path=tmp_path / "none.csv", columns=(COIN,))
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read"):
        recorded.load(RecordedFeedSettings(name="files", files=(file,)))
    good = settings(tmp_path / "a.csv", GOOD).files[0]
    with pytest.raises(ConfigError, match=r"series 'power' is recorded twice"):
        recorded.load(RecordedFeedSettings(name="files", files=(good, good)))
    with pytest.raises(ConfigError, match="two columns name the same series"):
        recorded.load(settings(tmp_path / "a.csv", GOOD, columns=(COIN, COIN)))


@pytest.mark.parametrize(
    ("measure", "number", "expected"),
    [
        (Measure(series="s", unit="usd_per_kwh"), 0.2, 0.2),
        (Measure(series="s", unit="usd_per_mwh"), 200, 0.2),
        (Measure(series="s", unit="eur_per_mwh", usd_per_eur=1.1, offset=30), 70, 0.11),
        (Measure(series="s", unit="usd_per_gpu_day"), 2.4, 0.1),
        (Measure(series="s", unit="groups", scale=0.01), 250, 2.5),
        (Measure(series="s", unit="percent"), 4.5, 0.045),
    ],
)
def test_units_become_canonical(measure: Measure, number: float, expected: float) -> None:
    assert units.conversion(measure, where="x")(number) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (
            Measure(series="s", unit="kwh"),
            r"x: unit 'kwh' is unknown; write one of usd, usd_per_kwh, ",
        ),
        (Measure(series="s", unit="eur"), r"x: unit 'eur' needs `rate_usd`: dollars per eur"),
        (Measure(series="s", unit="usd", usd_per_eur=1.1), r"'usd' takes no rate"),
        (Measure(series="s", unit="usd", scale=0), "the scale not 0"),
        (Measure(series="s", unit="eur", usd_per_eur=float("inf")), "must be finite"),
    ],
)
def test_impossible_units_are_configuration_errors(measure: Measure, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        units.conversion(measure, where="x")


YAML = """\
recorded:
  - name: files
    files:
      - path: {path}
        time_column: hour
        time_format: hours
        align: {{recorded: 24, replayed: 2026-03-14T00:00:00Z}}
        columns:
          - {{column: eur, series: power, unit: eur_per_mwh, usd_per_eur: 1.1, offset: 30}}
"""


def test_settings_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("hour,eur\n24,70\n", encoding="utf-8")
    text = YAML.format(path=path)
    feeds = configfile.parse(text, FeedsSettings, name="c.yaml")
    assert said(RecordedFeed(feeds.recorded[0], lambda: T0)) == {"power": (0.11, 0.0)}
    with pytest.raises(ConfigError, match=r"c\.yaml:9: .*unknown field `colour`"):
        configfile.parse(
            text.replace("columns:", "columns: []\n        colour:"), FeedsSettings, name="c.yaml"
        )
