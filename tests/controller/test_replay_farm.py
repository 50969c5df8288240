"""`rigshift replay` for whole farms: sites, classes, contracts, caps; errors that say where."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from controller.core.timing.policies import DEFAULT
from controller.replay import contest, farm, run, staging
from controller.replay.farm import Switching, Toll
from controller.replay.settings import COSTS
from tests.controller.pool import days, rough
from tests.docs.repository import ROOT

FARM = """\
tick_s: 900
recordings:
  - path: power.csv
    columns: [{series: power.north, column: north, unit: usd_per_mwh}]
  - path: power.csv
    columns: [{series: power.south, column: north, unit: usd_per_mwh, offset: 20}]
  - path: earnings.csv
    columns:
      - {series: coin, column: coin, unit: usd_per_gpu_day}
      - {series: rent, column: rent, unit: usd_per_gpu_h}
      - {series: demand, column: busy, unit: groups}
classes:
  big:
    gpus_per_group: 4
    gpu_watts: {mine: 300, eco: 200, infer_busy: 400, infer_idle: 100, off: 50}
    rental_fee_ratio: 0.2
    mine: coin
    rental: rent
    switching: {into_infer: {takes_s: 1200, usd: 0.02}}
  small:
    gpu_watts: {mine: 200, eco: 150, infer_busy: 250, infer_idle: 50, off: 20}
    rental_fee_ratio: 0.1
    mine: coin
    rental: rent
sites:
  north:
    time_zone: Europe/Oslo
    power: power.north
    power_cap_w: 4000
    pools:
      big: {groups: 2, demand: demand}
      small: {groups: 5, demand: demand}
  south:
    time_zone: Europe/Rome
    power: power.south
    pools:
      small: {groups: 3, demand: demand}
contracts:
  acme:
    site: north
    rig_class: small
    groups: 2
    start: 1970-01-02T00:00:00Z
    end: 1970-01-03T00:00:00Z
    price_usd_per_gpu_h: 0.4
    penalty_usd_per_gpu_h: 1.5
"""
DAYS = 8
EXAMPLE = ROOT / "docs" / "examples" / "replay-farm.yaml"
PEAK = ROOT / "docs" / "examples" / "replay-peak.yaml"


def written(folder: Path, text: str = FARM) -> Path:
    moments = days(DAYS, rough(seed=12), tick_s=900.0)
    power, earnings = ["ts_utc,north"], ["ts_utc,coin,rent,busy"]
    for moment in moments[::4]:
        at, paid = f"1970-01-{int(moment.at_s // 86400) + 1:02}", moment.prices
        at += f"T{int(moment.at_s % 86400 // 3600):02}:00:00Z"
        power.append(f"{at},{1e3 * paid.power_usd_per_kwh:.3f}")
        earnings.append(f"{at},{24 * paid.mine_usd_per_h:.4f},0.5,{paid.demand_groups:.4f}")
    (folder / "power.csv").write_text("\n".join(power) + "\n")
    (folder / "earnings.csv").write_text("\n".join(earnings) + "\n")
    path = folder / "farm.yaml"
    path.write_text(text)
    return path


def replayed(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict[str, Any]:
    assert main(["replay", *map(str, argv), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def complaint(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    assert main(["replay", str(path), "--policy", "always-mine"]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_a_farm_is_judged_as_a_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = replayed(capsys, written(tmp_path))
    assert (found["scenario"], found["cost"], found["clairvoyant"]) == ("farm", "own", "bound")
    assert (found["from"], found["tick_s"]) == ("1970-01-01T00:00:00Z", 900.0)
    assert (found["groups"], found["gpus"]) == (10, 16)
    assert len(found["policies"]) > 3
    span_days = DAYS - 3 * 900 / 86_400
    for policy in found["policies"]:
        assert policy["violations"] == 0
        missed_usd = found["clairvoyant_usd"] - policy["profit_usd"]
        assert missed_usd >= 0
        missed = missed_usd * 100 / (16 * span_days)
        assert policy["regret_cents_per_gpu_day"] == pytest.approx(missed, abs=1e-3)
        assert policy["worst_week_share"] is not None
        assert 0 < policy["switches_per_group_day"] < 30


def test_the_figures_are_those_of_its_pools_together(tmp_path: Path) -> None:
    done = run.replay(written(tmp_path), policies=["greedy"])
    (result,) = done.report.policies
    pools = done.played["greedy"]
    assert [lot.name for lot in done.stage.lots] == ["north/big", "north/small", "south/small"]
    profit = sum(float(pool.profit_usd.sum()) for pool in pools)
    assert result.profit_usd == pytest.approx(profit, abs=1e-5)
    switches = sum(pool.switches for pool in pools)
    group_days = done.stage.span.group_days
    assert result.switches_per_group_day == pytest.approx(switches / group_days, abs=1e-4)
    best = sum(float(each.profit_usd.sum()) for each in done.best)
    assert done.report.clairvoyant_usd == pytest.approx(best, abs=1e-5)


def test_processes_change_no_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, policies = written(tmp_path), ["greedy", "always-mine"]
    alone = run.replay(path, policies=policies)
    monkeypatch.setattr(contest, "ALONE_TICKS_MAX", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    together = run.replay(path, policies=policies)
    assert together.report == alone.report
    for name in policies:
        for one, other in zip(together.played[name], alone.played[name], strict=True):
            assert one.orders == other.orders


def test_without_caps_and_contracts_foresight_is_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FARM[: FARM.index("contracts:")].replace("    power_cap_w: 4000\n", "")
    free = replayed(capsys, written(tmp_path, text), "--policy", "greedy")
    assert free["clairvoyant"] == "exact"
    roomy = FARM[: FARM.index("contracts:")].replace("4000", "40000")
    assert replayed(capsys, written(tmp_path, roomy), "--policy", "greedy") == free
    tight = replayed(capsys, written(tmp_path, FARM[: FARM.index("contracts:")]))
    assert tight["clairvoyant"] == "bound"
    assert tight["clairvoyant_usd"] < free["clairvoyant_usd"]


def test_groups_of_several_gpus_earn_and_draw_as_many_times(tmp_path: Path) -> None:
    stage = staging.load(written(tmp_path), None)
    big, small, south = stage.lots
    assert big.pool.terms.watts.mine == 1200.0
    assert big.pool.moments[0].prices.mine_usd_per_h == pytest.approx(4 * 0.06, abs=1e-4)
    assert small.pool.moments[0].prices.mine_usd_per_h == pytest.approx(0.06, abs=1e-4)
    more_usd = south.pool.moments[0].prices.power_usd_per_kwh
    assert more_usd == pytest.approx(small.pool.moments[0].prices.power_usd_per_kwh + 0.02)
    (contract,) = small.pool.contracts
    assert (contract.groups, contract.first_tick, contract.end_tick) == (2, 96, 192)
    assert (contract.price_usd_per_h, contract.penalty_usd_per_h) == (0.4, 1.5)
    assert not big.pool.contracts


def test_seconds_become_the_ticks_of_the_known_costs() -> None:
    assert Switching().switches(300.0) == COSTS["base"].switches()
    quick = Switching(
        into_infer=Toll(takes_s=300, usd=0.002), out_of_infer=Toll(takes_s=60, usd=0.002)
    )
    assert quick.switches(300.0) == COSTS["fast"].switches()
    slow = Switching(
        into_infer=Toll(takes_s=900, usd=0.05), out_of_infer=Toll(takes_s=360, usd=0.05)
    )
    assert slow.switches(300.0) == COSTS["slow"].switches()
    long = Switching().switches(3600.0)
    assert long["mine", "infer"].ticks == 1
    assert (long["infer", "mine"].ticks, long["infer", "mine"].revenue_min) == (0, 6.0)
    at_once = Switching(into_infer=Toll(takes_s=0, usd=0)).switches(300.0)
    assert at_once["off", "infer"].ticks == 0


def test_costs_may_be_chosen_for_all_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path)
    by_cost = {
        cost: replayed(capsys, path, "--cost", cost, "--policy", "always-mine")["clairvoyant_usd"]
        for cost in ("fast", "own", "slow")
    }
    assert by_cost["slow"] < by_cost["own"] < by_cost["fast"]


def test_orders_of_several_pools_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "orders.csv"
    replayed(capsys, written(tmp_path), "--policy", "greedy", "--decisions", out)
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["ts_utc", "group", "option", "pool"]
    first = [(row["pool"], row["group"]) for row in rows if row["ts_utc"] == rows[0]["ts_utc"]]
    assert first == [
        *(("north/big", str(group)) for group in range(2)),
        *(("north/small", str(group)) for group in range(5)),
        *(("south/small", str(group)) for group in range(3)),
    ]
    assert [row["ts_utc"] for row in rows] == sorted(row["ts_utc"] for row in rows)


def test_the_example_of_the_documents_can_be_replayed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = replayed(capsys, EXAMPLE, "--policy", DEFAULT, "--policy", "always-infer")
    shares = {policy["name"]: policy["share_of_clairvoyant"] for policy in found["policies"]}
    assert shares[DEFAULT] > shares["always-infer"]
    assert {policy["violations"] for policy in found["policies"]} == {0}
    assert farm.load(EXAMPLE).sites["lyon"].power_cap_w == 9000.0


def test_a_month_s_peak_is_paid_for_and_the_default_weighs_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The figures of docs/decision.md, of those that weigh the charge and those that do not."""
    found = replayed(capsys, PEAK, "--policy", DEFAULT, "--policy", "greedy")
    by_name = {policy["name"]: policy for policy in found["policies"]}
    careful, careless = by_name[DEFAULT], by_name["greedy"]
    assert found["clairvoyant"] == "bound"
    assert found["clairvoyant_usd"] > careful["profit_usd"] > 1.5 * careless["profit_usd"] > 0.0
    assert careful["demand_charge_usd"] < 0.9 * careless["demand_charge_usd"]
    assert careful["worst_week_share"] is None


def test_a_site_takes_the_lines_of_the_controller_s_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "    demand_charges:\n      - {usd_per_kw_month: 14, interval_s: 1800}\n"
    text = FARM.replace("    power: power.north\n", f"    power: power.north\n{lines}")
    path = written(tmp_path, text)
    (charged,) = replayed(capsys, path, "--policy", "greedy")["policies"]
    assert charged["demand_charge_usd"] > 0.0
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["replay", str(path), "--policy", "greedy"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "demand charge" in told
    assert f"${charged['demand_charge_usd']:.2f}" in told


WRONG = [
    ("gpus_per_group: 4", "gpus_per_rig: 4", "@ classes.big.gpus_per_rig: "),
    ("gpus_per_group: 4", "gpus_per_group: 0", "@ classes.big.gpus_per_group: 1 or"),
    ("mine: coin\n    rental: rent\n    sw", "mine: con\n    rental: rent\n    sw",
     "@ classes.big.mine: no recording has the series 'con'; there are power.north"),
    ("power: power.north", "power: coin", "@ sites.north.power: series 'coin' is in"),
    ("column: north, unit", "column: noth, unit", "power.csv:1: column 'noth' is missing"),
    ("big: {groups: 2", "huge: {groups: 2", "@ sites.north.pools.huge: no such class"),
    ("groups: 5", "groups: 1", "@ sites.north.pools.small.groups: contracts owe up"),
    ("cap_w: 4000", "cap_w: 400", "@ sites.north.power_cap_w: contracts and standing"),
    ("cap_w: 4000", "cap_w: .nan", "@ sites.north.power_cap_w: watts above 0"),
    ("takes_s: 1200", "takes_s: .inf", "@ classes.big.switching.into_infer.takes_s: 0"),
    ("usd: 0.02", "usd: -1", "@ classes.big.switching.into_infer.usd: dollars"),
    ("Europe/Rome", "Europe/Rom", "@ sites.south.time_zone: 'Europe/Rom' is unknown"),
    ("site: north", "site: east", "@ contracts.acme.site: no such site; known: north"),
    ("class: small", "class: hug", "@ contracts.acme.rig_class: north has none;"),
    ("power: power.south", "power: power.south\n    demand_charges: [{usd_per_kw_month: -1}]",
     "@ sites.south.demand_charges: demand charge 'demand': `usd_per_kw_month` must be"),
    ("end: 1970-01-03", "end: 1970-01-01", "@ contracts.acme.end: after its start"),
    ("03T00:00:00Z", "03T00:00:00", "@ contracts.acme.end: lacks its zone"),
    ("price_usd_per_gpu_h: 0.4", "price_usd_per_gpu_h: .nan",
     "@ contracts.acme.price_usd_per_gpu_h: dollars from 0 up"),
    ("groups: 2\n    start", "groups: 0\n    start", "@ contracts.acme.groups: 1 or"),
    ("tick_s: 900", "tick_s: 900\nends: 1970-01-20T00:00:00Z",
     "power.csv:193: column north: series 'power.north' has no value for 1970-01-09T00:15:00Z"),
    ("tick_s: 900", "tick_s: 700", "@ tick_s: seconds that divide an hour"),
    ("sites:", "places:", "the file: object missing required field `sites`"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG)
def test_what_cannot_be_meant_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str, said: str
) -> None:
    assert right in FARM
    text = FARM.replace(right, wrong, 1)
    lines = zip(FARM.splitlines(), text.splitlines(), strict=False)
    changed = 1 + next(number for number, (a, b) in enumerate(lines) if a != b)
    said = said.replace("@", f"farm.yaml:{changed}:")
    assert said in complaint(capsys, written(tmp_path, text))


def test_a_farm_without_groups_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FARM[: FARM.index("sites:")] + "sites: {}\n"
    assert "farm.yaml:25: sites: name at least one site" in complaint(
        capsys, written(tmp_path, text)
    )


def test_an_unknown_cost_of_a_farm_is_told_with_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(written(tmp_path)), "--cost", "free"]) == 2
    assert "known: own, fast, base, slow" in capsys.readouterr().err
