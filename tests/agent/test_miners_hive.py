"""Miners packed for Hive OS: what their own scripts say, and scripts that go wrong."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.drivers import proc
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.hive import HiveSource
from agent.drivers.miners.source import NoReportError
from agent.ports import DriverError
from tests.parts.apis import SaysItRuns
from tests.parts.programs import running, until
from wire.model import Kind, WorkloadGpu, WorkloadReading

TIMEOUT_S = 30.0
"""Long enough that no test here depends on it."""

STATS = {
    "hs": [30617.284, 30617.283],
    "hs_units": "khs",
    "temp": [60, 61],
    "fan": [50, 52],
    "uptime": 444,
    "ver": "0.10.21",
    "ar": [12, 1],
    "algo": "ethash",
    "bus_numbers": [1, 10],
}


def script(directory: Path, text: str) -> Workload:
    """A workload with a script of this text, where Hive OS would have it."""
    folder = directory / "custom" / "superminer"
    folder.mkdir(parents=True)
    (folder / "h-stats.sh").write_text(text)
    return Workload(
        name="w",
        kind=Kind.MINING,
        driver="hive",
        group="g",
        command=("/bin/true",),
        stats_script=str(folder / "h-stats.sh"),
    )


def saying(directory: Path, khs: object, stats: object) -> Workload:
    return script(directory, f"khs={khs}\nstats='{json.dumps(stats)}'\n")


def read(workload: Workload, timeout_s: float = TIMEOUT_S) -> WorkloadReading | None:
    return asyncio.run(MinerDriver(SaysItRuns(), HiveSource(timeout_s=timeout_s)).read(workload))


def failing(workload: Workload, timeout_s: float = TIMEOUT_S) -> str:
    async def scenario() -> str:
        with pytest.raises(NoReportError) as caught:
            await HiveSource(timeout_s=timeout_s).report(workload)
        return str(caught.value)

    assert read(workload, timeout_s) is None
    return asyncio.run(scenario())


def test_reads_what_a_script_sets(tmp_path: Path) -> None:
    assert read(saying(tmp_path, 61234.567, STATS)) == WorkloadReading(
        "g",
        "w",
        hashrate_hps=61234567,
        shares_accepted=12,
        shares_rejected=1,
        algorithm="ethash",
        uptime_s=444,
        gpus=(WorkloadGpu(1, 30617284), WorkloadGpu(10, 30617283)),
    )


@pytest.mark.parametrize(
    ("units", "hps"),
    [("hs", 2.5), ("khs", 2500), ("mhs", 2.5e6), ("ghs", 2.5e9), (None, 2500), ("furlongs", None)],
)
def test_units_are_of_the_gpus_not_of_the_total(
    tmp_path: Path, units: str | None, hps: float | None
) -> None:
    found = read(saying(tmp_path, "1.5", {"hs": [2.5], "hs_units": units}))
    assert found is not None
    assert found.hashrate_hps == 1500
    assert found.gpus == (WorkloadGpu(None, hps),)


def test_texts_and_nulls_are_taken_as_they_are(tmp_path: Path) -> None:
    stats = {"hs": ["1", None], "hs_units": "hs", "ar": ["7", None], "bus_numbers": ["3", None]}
    found = read(saying(tmp_path, "0", stats | {"uptime": "12", "algo": None}))
    assert found is not None
    assert (found.hashrate_hps, found.shares_accepted, found.shares_rejected) == (0, 7, None)
    assert (found.uptime_s, found.algorithm) == (12, None)
    assert found.gpus == (WorkloadGpu(3, 1), WorkloadGpu(None, None))


@pytest.mark.parametrize("ending", ["", "exit 0", "exit 3", "return 0", "local x=1", "false"])
def test_a_script_may_leave_as_it_likes(tmp_path: Path, ending: str) -> None:
    text = f"echo noise\nlocal raw=5\nkhs=$raw\nstats='{{\"ar\":[1,0]}}'\necho more >&2\n{ending}\n"
    found = read(script(tmp_path, text))
    assert found is not None
    assert (found.hashrate_hps, found.shares_accepted) == (5000, 1)


def test_a_script_finds_what_it_expects(tmp_path: Path) -> None:
    workload = script(
        tmp_path,
        '. "$(dirname "$BASH_SOURCE")/h-manifest.conf"\n. h-manifest.conf\n'
        'khs=$VERSION\nstats="{\\"algo\\":\\"$CUSTOM_ALGO $MINER_API_PORT $CUSTOM_MINER '
        '$API_TIMEOUT ${MINER_DIR##*/} ${RIGSHIFT_SECRET-unset}\\"}"\n',
    )
    (Path(workload.stats_script).parent / "h-manifest.conf").write_text("VERSION=3\n")
    found = read(
        replace(workload, api_url="tcp://127.0.0.1:4028", environment={"CUSTOM_ALGO": "kawpow"})
    )
    assert found is not None
    assert found.hashrate_hps == 3000
    assert found.algorithm == "kawpow 4028 superminer 2 custom unset"


@pytest.mark.parametrize(
    "text",
    ["", "khs=\nstats=\n", "khs=null\nstats=null\n", "khs=fast\nstats='<html>'\n", "stats='[]'\n"],
)
def test_nothing_said_is_no_reading(tmp_path: Path, text: str) -> None:
    assert "set neither `khs` nor `stats`" in failing(script(tmp_path, text))


def test_a_total_alone_is_a_reading(tmp_path: Path) -> None:
    assert read(script(tmp_path, "khs=7\n")) == WorkloadReading("g", "w", hashrate_hps=7000)


@pytest.mark.parametrize("text", ["kill -9 $$\n", "exec true\n"])
def test_a_script_that_ends_the_shell_says_nothing(tmp_path: Path, text: str) -> None:
    assert "ended without a word" in failing(script(tmp_path, text))


def test_endless_words_are_refused(tmp_path: Path) -> None:
    text = "khs=1\nstats=$(head -c 300000 /dev/zero | tr '\\0' x)\n"
    assert "wrote more than" in failing(script(tmp_path, text))


def test_a_slow_script_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    workload = script(tmp_path, f"sleep 1000 &\necho $! > {pid_file}\nwait\n")

    async def scenario() -> int:
        report = asyncio.create_task(HiveSource(timeout_s=TIMEOUT_S).report(workload))
        await until(lambda: pid_file.exists() and pid_file.read_text().strip())
        pid = int(pid_file.read_text())
        assert running(pid)
        report.cancel()
        await asyncio.wait([report])
        assert report.cancelled()
        return pid

    pid = asyncio.run(scenario())
    asyncio.run(until(lambda: not running(pid)))
    assert proc.look(pid) is None or not running(pid)


def test_says_that_a_script_took_too_long(tmp_path: Path) -> None:
    assert "took more than 0.05 s" in failing(script(tmp_path, "sleep 1000\n"), timeout_s=0.05)


def test_prepare_wants_a_script_that_can_be_read(tmp_path: Path) -> None:
    driver = MinerDriver(SaysItRuns(), HiveSource())
    workload = script(tmp_path, "")
    asyncio.run(driver.prepare(workload))
    for path in ("", "h-stats.sh"):
        with pytest.raises(DriverError, match="`stats_script` must be the absolute path"):
            asyncio.run(driver.prepare(replace(workload, stats_script=path)))
    with pytest.raises(DriverError, match="absent cannot be read"):
        asyncio.run(driver.prepare(replace(workload, stats_script=str(tmp_path / "absent"))))
    with pytest.raises(DriverError, match="cannot be read"):
        asyncio.run(driver.prepare(replace(workload, stats_script=str(tmp_path))))


def test_ready_with_a_share_and_some_hashrate(tmp_path: Path) -> None:
    driver = MinerDriver(SaysItRuns(), HiveSource())
    look = asyncio.run(driver.probe(saying(tmp_path, 61234.567, STATS)))
    assert look.ready
    assert look.reason == "12 accepted shares, 61.2 MH/s"
