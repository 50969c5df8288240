"""`rigshift replay`: scenario files in, figures and decisions out, errors that say where."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.cli import main
from controller.core.timing import ledger
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.terms import OFF, OPTIONS, Moment
from controller.replay import course, report, settings
from controller.replay.report import ImpossibleError, Sums
from controller.replay.stage import Span
from controller.replay.staging import window_terms
from tests.controller.pool import PRICES, Told, days, rough
from tests.docs.repository import ROOT
from wire.configfile import ConfigError

WINDOW = """\
# As such files come: a comment, a flow mapping, and the word off, which YAML 1.1 takes for false.
series: window.csv
tick_s: 900
time_zone: Europe/Brussels
groups: 3            # equal one-GPU groups
information_delay_s: 900
day_ahead_known_from: "13:00"   # local time of the day before; empty column: no day-ahead market
gpu_watts: {mine: 310, eco: 235, infer_busy: 370, infer_idle: 45, off: 30}
rental_fee_ratio: 0.2
"""
EXAMPLE = ROOT / "docs" / "examples" / "replay.yaml"
HEAD = (
    "ts_utc,power_usd_per_kwh,day_ahead_usd_per_kwh,mine_revenue_usd_per_gpu_h,"
    "eco_revenue_usd_per_gpu_h,rental_usd_per_gpu_h,demand_groups"
)


def rows(moments: list[Moment]) -> list[str]:
    lines = []
    for moment in moments:
        p = moment.prices
        values = (p.mine_usd_per_h, p.eco_usd_per_h, p.rental_usd_per_h, p.demand_groups)
        price = f"{p.power_usd_per_kwh:.6f},"
        told = ",".join(f"{value:.6f}" for value in values)
        lines.append(f"{stamp(moment)},{price},{told}")
    return lines


def stamp(moment: Moment) -> str:
    return str(np.datetime64(int(moment.at_s), "s")) + "Z"


def window(folder: Path, text: str = WINDOW, lines: list[str] | None = None) -> Path:
    lines = rows(days(8, rough(seed=8))) if lines is None else lines
    (folder / "window.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    (folder / "window.yaml").write_text(text)
    return folder / "window.yaml"


def replayed(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict[str, Any]:
    assert main(["replay", *map(str, argv), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def complaint(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    assert main(["replay", *map(str, argv)]) == 2
    return capsys.readouterr().err


def test_a_window_is_replayed_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = replayed(capsys, window(tmp_path), "--cost", "slow")
    assert (found["scenario"], found["tick_s"], found["cost"]) == ("window", 900.0, "slow")
    assert (found["from"], found["to"]) == ("1970-01-01T00:00:00Z", "1970-01-09T00:00:00Z")
    policies = found["policies"]
    assert [policy["name"] for policy in policies] == list(POLICIES)
    assert [policy["name"] for policy in policies if policy["default"]] == [DEFAULT]
    for policy in policies:
        assert set(policy) == {
            "name",
            "default",
            "profit_usd",
            "share_of_clairvoyant",
            "regret_cents_per_gpu_day",
            "switches_per_group_day",
            "worst_week_share",
            "demand_charge_usd",
            "violations",
        }
        assert policy["profit_usd"] <= found["clairvoyant_usd"]
        assert policy["violations"] == 0
        share = policy["profit_usd"] / found["clairvoyant_usd"]
        assert policy["share_of_clairvoyant"] == pytest.approx(share, abs=1e-5)
        missed = (found["clairvoyant_usd"] - policy["profit_usd"]) * 100 / (3 * 8)
        assert policy["regret_cents_per_gpu_day"] == pytest.approx(missed, abs=1e-3)
        assert policy["worst_week_share"] <= share + 0.2


def test_decisions_played_again_bring_what_was_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = window(tmp_path), tmp_path / "d.csv"
    found = replayed(capsys, path, "--decisions", out)
    with out.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [list(line.values()) for line in lines[:3]] == [
        ["1970-01-01T00:00:00Z", str(group), "off"] for group in range(3)
    ]
    scenario = settings.load(path)
    moments = course.load(scenario)
    orders = np.full((len(moments), 3), OFF)
    ticks = {stamp(moment): tick for tick, moment in enumerate(moments)}
    for line in lines:
        orders[ticks[line["ts_utc"]] :, int(line["group"])] = OPTIONS.index(line["option"])
    pool = window_terms(scenario, scenario.costs["base"])
    played = ledger.play(moments, pool, Told(*orders.tolist()))
    assert played.profit_usd.sum() == pytest.approx(found["policies"][0]["profit_usd"], abs=1e-5)
    days_of_groups = 3 * 8
    switches = found["policies"][0]["switches_per_group_day"] * days_of_groups
    assert played.switches == pytest.approx(switches, abs=0.01)


def test_a_window_cut_short_gives_the_same_decisions_up_to_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = rows(days(4, rough(seed=9)))
    told = []
    for kept in (lines, lines[:217]):
        path, out = window(tmp_path, lines=kept), tmp_path / "d.csv"
        replayed(capsys, path, "--policy", DEFAULT, "--decisions", out)
        last = lines[216].split(",")[0]
        told.append([row for row in out.read_text().splitlines()[1:] if row[:20] <= last])
    assert told[0] == told[1]


def test_a_farms_own_files_columns_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    found = replayed(capsys, EXAMPLE, "--policy", "greedy", "--policy", DEFAULT)
    assert [policy["name"] for policy in found["policies"]] == ["greedy", DEFAULT]
    shares = {policy["name"]: policy["share_of_clairvoyant"] for policy in found["policies"]}
    assert 0.9 < shares["greedy"] < 1.0
    assert 0.95 < shares[DEFAULT] < 1.0


def test_costs_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = WINDOW + "switch_costs:\n  lab: {into_infer_ticks: 4, infer_usd: 0.5}\n"
    path = window(tmp_path, text)
    dear = replayed(capsys, path, "--cost", "lab", "--policy", "always-infer")
    cheap = replayed(capsys, path, "--cost", "fast", "--policy", "always-infer")
    assert dear["clairvoyant_usd"] < cheap["clairvoyant_usd"]


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(window(tmp_path)), "--policy", "greedy"]) == 0
    out = capsys.readouterr().out
    assert "perfect foresight earns $" in " ".join(out.split())
    assert "greedy" in out
    assert "%" in out


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("groups: 3 ", "groups: 0 "), "groups: 1 to 100000"),
        (("groups: 3 ", "gruops: 3\ngroups: 3 "), "window.yaml:5: gruops: "),
        (("900", "700"), "tick_s: seconds that divide an hour"),
        (("_delay_s: 900", "_delay_s: 1800"), "information_delay_s: a tick is known when"),
        (("Europe/Brussels", "Europe/Brussel"), "time_zone: 'Europe/Brussel' is unknown"),
        (('"13:00"', '"13 h"'), "day_ahead_known_from: a local time in quotes"),
        (("off: 30", "off: -30"), "gpu_watts.off: watts from 0 up"),
        ((", off: 30", ""), "window.yaml:8: gpu_watts: "),
        (("ratio: 0.2", "ratio: 20"), "rental_fee_ratio: from 0 to below 1"),
        (("series: window.csv\n", ""), "exactly one of `series` and `recordings`"),
        (("window.csv", "widow.csv"), "widow.csv: cannot be read"),
        (("tick_s: 900", "tick_s: 900\nbegins: 1969-12-31T00:00:00Z"), "'power' has no value for"),
        (("tick_s: 900", "tick_s: 900\nends: 1969-12-31T00:00:00Z"), "are -96 ticks"),
    ],
)
def test_a_wrong_scenario_is_an_error_that_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    assert change[0] in WINDOW
    path = window(tmp_path, WINDOW.replace(*change), rows(days(1, rough(1))))
    assert said in complaint(capsys, path).replace("\n", " ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1970-01-01T00:15:00Z,cheap,,1,1,1,1", "window.csv:3: column power_usd_per_kwh: 'cheap'"),
        ("1970-01-01T00:15:00Z,nan,,1,1,1,1", "window.csv:3: column power_usd_per_kwh: 'nan'"),
        ("1970-01-01T00:00:00Z,1,,1,1,1,1", "window.csv:3: its time is not after"),
        ("1970-01-01T00:15:00,1,,1,1,1,1", "window.csv:3: column ts_utc"),
        ("1970-01-01T00:15:00Z,1,,1,1,1", "window.csv:3: 6 cells where the first line has 7"),
        ("1970-01-01T05:00:00Z,1,,1,1,1,1", "'power' has no value for 1970-01-01T01:15:00Z"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    path = window(tmp_path, lines=["1970-01-01T00:00:00Z,1,,1,1,1,1", line])
    assert said in complaint(capsys, path)


def test_unknown_names_are_told_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = window(tmp_path)
    assert "known: look-ahead, " in complaint(capsys, path, "--policy", "best")
    assert "known: fast, base, slow" in complaint(capsys, path, "--cost", "free")
    assert "no such file" in complaint(capsys, tmp_path / "none.yaml")
    several = ("--policy", "greedy", "--policy", "threshold", "--decisions", tmp_path / "d.csv")
    assert "play look-ahead too, or one policy only" in complaint(capsys, path, *several)
    nowhere = ("--policy", "greedy", "--decisions", tmp_path / "none" / "d.csv")
    assert "cannot be written" in complaint(capsys, path, *nowhere)


def test_day_ahead_prices_become_known_at_their_local_hour(tmp_path: Path) -> None:
    told = [line.replace(",,", ",0.5,") for line in rows(days(3, rough(1), tick_s=900.0))]
    moments = course.load(settings.load(window(tmp_path, lines=told)))
    known = {instant: moment.at_s for moment in moments for instant, _ in moment.announced}
    # Brussels is an hour ahead: day 2 begins at 23:00 and is told at 12:00 of day 1, UTC.
    assert known[23 * 3600.0] == 12 * 3600.0
    assert known[22.75 * 3600.0] == 0.0
    assert known[47 * 3600.0] == 36 * 3600.0


def test_more_than_perfect_foresight_is_refused() -> None:
    played, best = Sums(np.array([2.0, 1.0]), 0), Sums(np.array([1.0, 1.9]), 0)
    with pytest.raises(
        ImpossibleError, match=r"cheat earned \$3\.000000, more than perfect foresight"
    ):
        report.judge("cheat", played, best, Span(1, 1, 2, 300.0), default=False)


def test_the_worst_week_is_of_seven_days_on_end() -> None:
    most = np.ones(10)
    got = np.array([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 1])
    span = Span(groups=2, gpus=2, ticks=10, tick_s=86_400.0)
    result = report.judge("p", Sums(got, 10), Sums(most, 0), span, default=False)
    assert result.worst_week_share == 0.0
    assert result.share_of_clairvoyant == 0.3
    assert result.switches_per_group_day == 0.5
    assert result.regret_cents_per_gpu_day == 35.0
    short = Span(groups=2, gpus=2, ticks=10, tick_s=3600.0)
    result = report.judge("p", Sums(got, 0), Sums(most, 0), short, default=False)
    assert result.worst_week_share is None
    none = report.judge("p", Sums(-got, 0), Sums(-got, 0), span, default=False)
    assert none.share_of_clairvoyant is None


def test_a_series_that_is_none_is_refused(tmp_path: Path) -> None:
    text = WINDOW.replace("series: window.csv", "recordings: [{path: window.csv, columns: []}]")
    with pytest.raises(ConfigError, match="series 'power' has no value; it needs a column"):
        course.load(settings.load(window(tmp_path, text)))
    column = "{series: gas, column: power_usd_per_kwh, unit: usd_per_kwh}"
    strange = text.replace("columns: []", f"columns: [{column}]")
    with pytest.raises(ConfigError, match="series 'gas' is unknown; known: power, day_ahead"):
        course.load(settings.load(window(tmp_path, strange)))


def test_without_a_lower_limit_nobody_mines_at_it(tmp_path: Path) -> None:
    columns = ", ".join(
        f"{{series: {name}, column: {course.COLUMNS[name][0]}, unit: {course.COLUMNS[name][1]}}}"
        for name in ("power", "mine", "rental", "demand")
    )
    told = f"recordings: [{{path: window.csv, columns: [{columns}]}}]"
    path = window(tmp_path, WINDOW.replace("series: window.csv", told), rows(days(1, rough(1))))
    moments = course.load(settings.load(path))
    assert {moment.prices.eco_usd_per_h for moment in moments} == {0.0}
    assert replace(moments[0].prices, power_usd_per_kwh=0.1, demand_groups=1.5) == replace(
        PRICES, eco_usd_per_h=0.0
    )
