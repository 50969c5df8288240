"""Hive OS's own miner: in maintenance it is quiet, and out of it it counts as running."""

from __future__ import annotations

import asyncio
import random
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agent.core.pins import Pins
from agent.core.workload import Workload
from agent.drivers.hive_os import HiveOs, HiveOsDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.gpu.untuned import Untuned
from agent.performer import Performer
from agent.ports import DriverError, SelfStarting
from agent.settings import GpuSettings, GroupSettings
from tests.parts import programs
from tests.parts.balancer import Balancer
from wire.model import Kind

CONF = """RIG_ID=7
RIG_PASSWD="pass word"
MAINTENANCE={maintenance}
WD_ENABLED=1
"""

MINER = """#!/bin/sh
# Simulated: like hive/bin/miner, it starts nothing in maintenance, and stops its session.
. {folder}/rig.conf
echo "$1 MAINTENANCE=$MAINTENANCE" >> {folder}/log
case $1 in
start)
    [ "${{MAINTENANCE:-0}}" -gt 0 ] && exit 1
    {python} -c 'import time; time.sleep(600)' {folder}/screenrc.miner > /dev/null 2>&1 &
    echo $! > {folder}/pid;;
stop) [ -e {folder}/stuck ] || {{ kill "$(cat {folder}/pid)"; rm {folder}/pid; }};;
esac
"""

STATS = """khs=61234
stats='{"hs": [61234], "hs_units": "khs", "ar": [12, 1], "uptime": 90, "algo": "kawpow"}'
"""


@dataclass
class Hive:
    """A simulated Hive OS in a folder."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "rig.conf"

    def driver(self) -> HiveOsDriver:
        session = str(self.folder / "screenrc.miner")
        return HiveOsDriver(
            HiveOs(self.conf, self.folder / "miner", screen=session, look_interval_s=0.01)
        )

    def workload(self, name: str = "hive") -> Workload:
        return Workload(
            name=name,
            kind=Kind.MINING,
            driver="hiveos",
            group="g0",
            gpus=("GPU-0",),
            stats_script=str(self.folder / "h-stats.sh"),
        )

    def log(self) -> list[str]:
        return (self.folder / "log").read_text().splitlines()


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[Hive]:
    (tmp_path / "rig.conf").write_text(CONF.format(maintenance=1))
    (tmp_path / "rig.conf").chmod(0o600)
    miner = tmp_path / "miner"
    miner.write_text(MINER.format(folder=tmp_path, python=sys.executable))
    miner.chmod(0o755)
    (tmp_path / "h-stats.sh").write_text(STATS)
    with programs.swept(tmp_path):
        yield Hive(tmp_path)
        pid = tmp_path / "pid"
        if pid.exists():
            subprocess.run(["kill", pid.read_text().strip()], check=False)


def test_runs_from_start_to_stop(hive: Hive) -> None:
    async def scenario() -> None:
        driver, workload = hive.driver(), hive.workload()
        await driver.prepare(workload)
        assert not await driver.alive(workload)
        await driver.start(workload)
        assert await driver.alive(workload)
        assert (await driver.probe(workload)).ready
        reading = await driver.read(workload)
        assert reading is not None
        assert (reading.hashrate_hps, reading.shares_accepted) == (61_234_000.0, 12)
        watch = asyncio.create_task(driver.exited(workload))
        await driver.stop(workload, 1.0)
        assert await watch == "Hive OS is in maintenance"
        assert not await driver.alive(workload)

    asyncio.run(scenario())
    assert hive.log() == ["start MAINTENANCE=0", "stop MAINTENANCE=1"]


@pytest.mark.parametrize("value", ["0", "", '"0"', "no"])
def test_out_of_maintenance_it_may_start_at_any_moment_so_it_runs(hive: Hive, value: str) -> None:
    hive.conf.write_text(CONF.format(maintenance=value))
    assert asyncio.run(hive.driver().alive(hive.workload()))


@pytest.mark.parametrize("value", ["1", '"1"', "'2'"])
def test_in_maintenance_it_is_quiet(hive: Hive, value: str) -> None:
    hive.conf.write_text(CONF.format(maintenance=value))
    assert not asyncio.run(hive.driver().alive(hive.workload()))


def test_a_file_that_never_spoke_of_maintenance_is_given_a_line(hive: Hive) -> None:
    hive.conf.write_text("RIG_ID=7\n")
    (hive.folder / "pid").write_text("")
    driver, workload = hive.driver(), hive.workload()
    assert asyncio.run(driver.alive(workload))
    (hive.folder / "stuck").touch()
    asyncio.run(driver.stop(workload, 1.0))
    assert hive.conf.read_text() == "RIG_ID=7\nMAINTENANCE=1\n"


def test_the_rest_of_the_file_and_its_mode_stay(hive: Hive) -> None:
    (hive.folder / "stuck").touch()
    hive.conf.write_text(CONF.format(maintenance=0))
    asyncio.run(hive.driver().stop(hive.workload(), 1.0))
    lines = hive.conf.read_text().splitlines()
    assert {"RIG_ID=7", 'RIG_PASSWD="pass word"', "WD_ENABLED=1", "MAINTENANCE=1"} <= set(lines)
    assert "MAINTENANCE=0" not in lines
    assert stat.S_IMODE(hive.conf.stat().st_mode) == 0o600
    assert sorted(path.name for path in hive.folder.glob("rig.conf*")) == ["rig.conf"]


def test_a_miner_that_does_not_end_is_told(hive: Hive) -> None:
    async def scenario() -> None:
        driver, workload = hive.driver(), hive.workload()
        await driver.start(workload)
        (hive.folder / "stuck").touch()
        with pytest.raises(DriverError, match="still runs after `miner stop`"):
            await driver.stop(workload, 1.0)

    asyncio.run(scenario())


def test_says_what_it_cannot_prepare(hive: Hive, tmp_path: Path) -> None:
    elsewhere = HiveOsDriver(HiveOs(tmp_path / "absent.conf", tmp_path / "miner"))
    with pytest.raises(DriverError, match="no Hive OS"):
        asyncio.run(elsewhere.prepare(hive.workload()))
    with pytest.raises(DriverError, match=r"absent\.conf cannot be read"):
        asyncio.run(elsewhere.alive(hive.workload()))


def test_what_hive_os_starts_beside_another_workload_is_ended(hive: Hive) -> None:
    async def scenario() -> None:
        driver, workload = hive.driver(), hive.workload()
        assert isinstance(driver, SelfStarting)
        made = _performer(driver, workload)
        assert await made.keep_out(("llama", None)) == []
        hive.conf.write_text(CONF.format(maintenance=0))
        (hive.folder / "pid").write_text("")
        (hive.folder / "stuck").touch()
        assert await made.keep_out((workload.name,)) == [], "it is what shall run"
        assert await made.keep_out(("llama",)) == [workload.name]
        assert not await driver.alive(workload)

    asyncio.run(scenario())


def _performer(driver: HiveOsDriver, workload: Workload) -> Performer:
    group = GroupSettings(name="g0", gpus=("GPU-0",), workloads=(workload,))
    return Performer(
        group,
        GpuSettings(),
        {"hiveos": driver},
        probe=ScriptedWorld(),
        tuner=Untuned(),
        router=Balancer(),
        rng=random.Random(1),
    )


def test_a_flight_sheet_with_another_wallet_is_refused(hive: Hive) -> None:
    """Flight sheets come from Hive OS's own server, past the rig's file."""

    async def scenario() -> None:
        sheet = hive.folder / "wallet.conf"
        pinned = replace(hive.workload(), pins=Pins(wallets=("farm",), pools=("pool.example:1",)))
        sheet.write_text('CUSTOM_URL="pool.example:1"\nCUSTOM_TEMPLATE="farm.%WORKER_NAME%"\n')
        await hive.driver().prepare(pinned)
        sheet.write_text('CUSTOM_URL="evil.example:1"\nCUSTOM_TEMPLATE="someone.rig"\n')
        with pytest.raises(DriverError, match=r"unapproved pool evil\.example:1 in .*wallet\.conf"):
            await hive.driver().prepare(pinned)
        found = await hive.driver().unapproved(pinned)
        assert {each.kind for each in found} == {"wallet", "pool"}

    asyncio.run(scenario())
