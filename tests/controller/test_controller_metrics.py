"""The controller's metrics: byte for byte, documented, and clean by Prometheus' own judgement."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from controller.core.books.results import DeskResult
from controller.core.charges.account import Bill
from controller.core.measured import Source
from controller.core.model import (
    Block,
    Decision,
    GroupKey,
    GroupView,
    Option,
    Plan,
    Quote,
    QuoteState,
)
from controller.core.obligation import Availability, Coverage, Fulfilment
from controller.core.requirement import Unmet
from controller.metrics.exposition import Exposition
from controller.metrics.snapshot import ControllerSnapshot
from controller.metrics.switches import SwitchTimes
from tests.controller.desk import view
from wire.model import Kind, Outcome, Phase, Result

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden/controller_metrics.txt"


def outcome(result: Result, *phases: tuple[Phase, float]) -> Outcome:
    return Outcome(
        order_id="o",
        group="g0",
        generation=2,
        result=result,
        origin="etc",
        workload="llama",
        phase_s=phases,
    )


def decision(rig: str) -> Decision:
    return Decision(
        key=GroupKey(rig, "g0"),
        current="etc",
        chosen="etc",
        kind=Kind.MINING,
        options=(
            Option(
                workload="llama",
                kind=Kind.INFERENCE,
                net_usd_per_h=0.75,
                revenue_usd_per_h=1.0,
                power_w=900.0,
                blocked=Block.DWELL,
                power_source=Source.MEASURED,
                busy_w=1000.0,
                nameplate_w=1100.0,
            ),
            Option(
                workload="etc",
                kind=Kind.MINING,
                net_usd_per_h=0.5,
                revenue_usd_per_h=0.75,
                power_w=1200.0,
            ),
            Option(
                workload=None, kind=None, net_usd_per_h=None, revenue_usd_per_h=None, power_w=None
            ),
        ),
        reason="dwell",
        blocked=Block.DWELL,
        flip_usd_per_h=0.125,
    )


def asleep_beside(view: GroupView, workload: str) -> GroupView:
    assert view.status is not None
    return replace(view, status=replace(view.status, parked=workload))


def snapshot() -> ControllerSnapshot:
    switches = SwitchTimes()
    switches.add(outcome(Result.DONE, (Phase.PREPARING, 0.25), (Phase.PROBING, 30.0)))
    switches.add(outcome(Result.ROLLED_BACK, (Phase.PREPARING, 4_000.0)))
    return ControllerSnapshot(
        version="0.1.0",
        now=1_000.0,
        rigs_online=2,
        rigs_offline=1,
        views=(
            asleep_beside(view("rig-01", active="etc"), "llama"),
            view("rig-02", active="gone", phase=Phase.DRAINING),
            replace(view("rig-03", active=None), status=None),
        ),
        plan=Plan(
            at=990.0,
            decisions=(decision("rig-01"), replace(decision("rig-02"), flip_usd_per_h=None)),
            net_usd_per_h=1.0,
            power_w={"oslo": 1200.0, "lagos": 900.0},
            contracts=(
                Coverage(
                    contract="acme",
                    owed_gpus=8,
                    bound_gpus=6,
                    serving_gpus=4,
                    lacking_gpus=2,
                    in_force=True,
                    availability=Availability(
                        promised_ratio=0.99,
                        owed_gpu_h=100.0,
                        short_gpu_h=0.5,
                        allowed_gpu_h=57.6,
                        left_s=25695.0,
                        guarded=False,
                    ),
                ),
            ),
            unmet=(
                Unmet(
                    name="contract acme",
                    unit="GPUs",
                    short=2.0,
                    excess=0.0,
                    repairs=(),
                    lacking=2.0,
                    text="contract acme lacks 2 of 8 GPUs",
                ),
            ),
            value_usd_per_h=0.75,
            bound_usd_per_h=1.0,
            requirements=(
                Fulfilment(name="desk ai", unit="GPUs", least=4.0, most=None, counted=6.0),
            ),
        ),
        plan_duration_s=0.015625,
        quotes=(
            Quote("etc_usd", 20.5, 940.0, QuoteState.FRESH),
            Quote("h100_usd_per_h", None, 0.0, QuoteState.MISSING),
        ),
        holds=2,
        switches=switches,
        results={"ai": DeskResult(15.0, 3.75), "none": DeskResult(-2.5, -4.0)},
        delivered={("rtx4090", "etc"): 0.85},
        power_cap_w={"oslo": 5000.0},
        bills=(
            Bill(
                site="oslo",
                charge="on-peak",
                month_from=date(2026, 11, 1),
                usd_per_kw_month=12.5,
                peak_w=4000.0,
                billed_w=4800.0,
                hours_left=90.0,
                steps=(),
            ),
        ),
        orders_sent=7,
        orders_resent=2,
        frames_refused=1,
    )


def rendered(now: ControllerSnapshot, accept: str = "") -> str:
    return Exposition(lambda: now)(accept)[0].decode()


def test_the_exposition_is_the_golden_one_byte_for_byte() -> None:
    assert rendered(snapshot()) == GOLDEN.read_text(encoding="utf-8")


def test_names_and_help_agree_with_the_documentation() -> None:
    text = rendered(snapshot())
    exposed = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    section = page.partition("\n## Controller\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
    assert {name: help_ for name, _, _, help_ in rows} == exposed
    assert {name: type_ for name, type_, _, _ in rows} == types
    for name, _, labels, _ in rows:
        used = re.search(rf"^{name}(?:_bucket)?\{{(.*?)\}}", text, re.MULTILINE)
        found = re.findall(r"(\w+)=", used[1]) if used else []
        assert re.findall(r"`(\w+)`", labels) == [label for label in found if label != "le"], name


def test_promtool_finds_nothing_to_mend() -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=rendered(snapshot()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_scraper_may_ask_for_openmetrics() -> None:
    exposition = Exposition(snapshot)
    body, content_type = exposition("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_what_nobody_knows_is_absent() -> None:
    unplanned = replace(snapshot(), plan=None, plan_duration_s=None)
    names = set(re.findall(r"^(rigshift_\w+)", rendered(unplanned), re.MULTILINE))
    assert not {name for name in names if "plan" in name or "option" in name}
    assert 'rigshift_quote_value{series="h100_usd_per_h"}' not in rendered(snapshot())
    assert 'workload="off"} 0.0' in rendered(snapshot())


def test_a_snapshot_is_taken_for_each_scrape() -> None:
    snapshots = iter([snapshot(), replace(snapshot(), holds=9)])
    exposition = Exposition(lambda: next(snapshots))
    assert b"rigshift_holds 2.0" in exposition("")[0]
    assert b"rigshift_holds 9.0" in exposition("")[0]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.11, 1800.0, 1e9])
def test_each_stay_is_counted_once_in_the_bucket_it_fits(seconds: float) -> None:
    switches = SwitchTimes()
    switches.add(outcome(Result.DONE, (Phase.TUNING, seconds)))
    text = rendered(replace(snapshot(), switches=switches))
    buckets = re.findall(r'seconds_bucket\{le="(.+?)",phase="tuning"\} (\S+)', text)
    assert [float(count) for bound, count in buckets] == [
        float(seconds <= float(bound)) for bound, _ in buckets
    ]
