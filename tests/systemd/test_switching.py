"""The agent under a real systemd: ready, switching between real units, and never two at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, UNITS, RigMachine
from wire.model import Phase

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def agent(rig: RigMachine) -> Iterator[None]:
    rig.machine.run("systemctl", "start", AGENT)
    yield
    assert rig.doubles() == 0, "two workloads were on one GPU"


def test_reaches_ready_and_says_how_it_stands(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            for group in ("g0", "g1"):
                await here.assign(group, None)
                await here.reached(group, Phase.IDLE)

    # Type=notify: the start only ends with READY=1.
    assert rig.machine.show(AGENT, "ActiveState") == "active"
    asyncio.run(scenario())
    awaited("status", lambda: rig.machine.show(AGENT, "StatusText") == "g0 idle; g1 idle")


def test_switches_between_two_units_both_ways(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            for workload in ("etc", "llama", "etc"):
                await here.assign("g0", workload)
                await here.running("g0", workload)
                assert rig.active() == {UNITS[workload]}
            awaited("status", lambda: rig.machine.show(AGENT, "StatusText").startswith("g0 run"))
            await here.assign("g0", None)
            await here.reached("g0", Phase.IDLE)
            assert rig.active() == set()

    asyncio.run(scenario())
