"""Wallets injected into real units: a drop-in, an environment, a child of the unit's own script."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from agent.core.pins import Finding, Pins
from agent.core.workload import Workload
from agent.drivers.bus import SystemdBus
from agent.drivers.registry import drivers
from agent.drivers.units import UnitLauncher
from agent.ports import DriverError, Pinned
from tests.systemd.rig import RigMachine
from wire.model import Kind

pytestmark = pytest.mark.timeout(300)

UNIT = "pinned.service"
SLEEP = "[Service]\nTimeoutStopSec=1\nExecStart=/bin/sh -c 'sleep 1000' miner --user farm.rig\n"
HIDDEN = (
    "[Service]\nExecStart=\n"
    "ExecStart=/bin/sh -c 'A=me; /bin/sh -c \"sleep 1000; :\" miner --user some$${A} & wait'\n"
)

WORKLOAD = Workload(
    name="w",
    kind=Kind.MINING,
    driver="xmrig",
    group="g",
    unit=UNIT,
    api_url="http://127.0.0.1:9",
    pins=Pins(wallets=("farm",)),
)


@pytest.fixture
def unit(rig: RigMachine) -> Iterator[RigMachine]:
    folder = rig.machine.tree / "etc/systemd/system"
    (folder / UNIT).write_text(SLEEP)
    (folder / f"{UNIT}.d").mkdir(exist_ok=True)
    change(rig, "")
    yield rig
    rig.machine.run("systemctl", "stop", UNIT)


def change(rig: RigMachine, drop_in: str) -> None:
    """What somebody with root does, or an update of the miner's package."""
    folder = rig.machine.tree / "etc/systemd/system" / f"{UNIT}.d"
    (folder / "override.conf").write_text(drop_in)
    rig.machine.run("systemctl", "daemon-reload")


def test_a_unit_as_it_should_be_is_let_alone(unit: RigMachine) -> None:
    async def scenario() -> None:
        launcher = UnitLauncher(SystemdBus(unit.machine.bus()))
        driver = drivers(launcher)["xmrig"]
        assert isinstance(driver, Pinned)
        await driver.prepare(WORKLOAD)
        await driver.start(WORKLOAD)
        assert [each for each in await driver.unapproved(WORKLOAD) if UNIT in each.where] == []
        launcher.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("drop_in", "where"),
    [
        ("ExecStart=\nExecStart=/bin/sleep 1000 --user someone\n", "ExecStart= of pinned.service"),
        ("Environment=WALLET=someone\n", "the environment of ExecStart= of pinned.service"),
        ("ExecStartPre=-/bin/echo --user someone\n", "ExecStartPre= of pinned.service"),
    ],
)
def test_a_drop_in_is_refused(unit: RigMachine, drop_in: str, where: str) -> None:
    async def scenario() -> None:
        launcher = UnitLauncher(SystemdBus(unit.machine.bus()))
        with pytest.raises(DriverError, match=f"unapproved wallet so… in .*{where}"):
            await drivers(launcher)["xmrig"].prepare(WORKLOAD)
        launcher.close()

    change(unit, f"[Service]\n{drop_in}")
    asyncio.run(scenario())


def test_a_child_of_the_units_script_is_found_while_it_runs(unit: RigMachine) -> None:
    """Systemd tells the command lines of all processes of a unit, whoever may see them."""

    async def found() -> tuple[Finding, ...]:
        launcher = UnitLauncher(SystemdBus(unit.machine.bus()))
        driver = drivers(launcher)["xmrig"]
        assert isinstance(driver, Pinned)
        await driver.prepare(WORKLOAD)
        await driver.start(WORKLOAD)
        while not (seen := await driver.unapproved(WORKLOAD)):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.05)
        launcher.close()
        return seen

    change(unit, HIDDEN)
    assert any(f"of {UNIT}" in each.where for each in asyncio.run(found()))
