"""Whatever dies at whatever moment: workloads go on, never two at once, and the rig recovers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from tests.systemd.machine import awaited
from tests.systemd.rig import AGENT, ROAD, STUBBORN, UNITS, RigMachine
from wire.model import Phase

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def agent(rig: RigMachine) -> Iterator[None]:
    rig.machine.run("systemctl", "start", AGENT)
    yield
    assert rig.doubles() == 0, "two workloads were on one GPU"


def other(workload: str) -> str:
    return next(name for name in UNITS if name != workload)


@pytest.mark.parametrize("phase", ROAD[:-1])
def test_recovers_from_a_death_in_any_phase(rig: RigMachine, phase: Phase) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            # Only a server has something to drain.
            await here.assign("g0", "llama")
            await here.running("g0", "llama")
            watch = asyncio.create_task(
                asyncio.to_thread(rig.kill_agent_in, phase, rig.journaled().ticket)
            )
            await here.assign("g0", "etc")
            died_in = await watch
            assert ROAD.index(died_in) >= ROAD.index(phase)
            assert len(rig.active()) <= 1
            await here.running("g0", "etc")
            assert rig.active() == {UNITS["etc"]}

    asyncio.run(scenario())


def test_a_death_at_rest_leaves_the_workload_alone(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            before = rig.machine.show(UNITS["etc"], "MainPID")
            rig.kill_agent()
            awaited("new agent", lambda: rig.machine.show(AGENT, "SubState") == "running")
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            assert rig.machine.show(UNITS["etc"], "MainPID") == before

    asyncio.run(scenario())


def test_the_watchdog_ends_an_agent_that_stands_still(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "etc")
            await here.running("g0", "etc")
            before = rig.machine.show(UNITS["etc"], "MainPID")
            pid = rig.machine.pid(AGENT)
            os.kill(pid, signal.SIGSTOP)
            awaited("another agent", lambda: rig.machine.pid(AGENT) not in (0, pid))
            awaited("ready agent", lambda: rig.machine.show(AGENT, "SubState") == "running")
            assert "Watchdog timeout" in rig.agent_log()
            assert rig.machine.show(UNITS["etc"], "MainPID") == before
            await here.assign("g0", "llama")
            await here.running("g0", "llama")

    asyncio.run(scenario())


def test_a_unit_that_cannot_be_stopped_holds_up_its_group_only(rig: RigMachine) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g1", "stubborn")
            await here.running("g1", "stubborn")
            await here.assign("g1", "calm")
            failed = await here.reached("g1", Phase.FAILED)
            assert "stubborn.service could not be stopped" in failed.reason
            assert "calm.service" not in rig.active()
            await here.assign("g0", "llama")
            await here.running("g0", "llama")
            awaited("word of it", lambda: "g1 failed: " in rig.machine.show(AGENT, "StatusText"))
            # Once somebody has dealt with it, a new order is all it takes.
            rig.machine.run("systemctl", "kill", "--signal=KILL", STUBBORN)
            await here.assign("g1", "calm")
            await here.running("g1", "calm")
            await here.assign("g1", None)
            await here.reached("g1", Phase.IDLE)

    asyncio.run(scenario())


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.STARTING, Phase.PROBING])
def test_a_power_cut_amid_a_switch_ends_well(rig: RigMachine, phase: Phase) -> None:
    async def scenario() -> None:
        async with rig.controlled() as here:
            await here.assign("g0", "llama")
            await here.running("g0", "llama")
            watch = asyncio.create_task(
                asyncio.to_thread(rig.kill_agent_in, phase, rig.journaled().ticket)
            )
            await here.assign("g0", "etc")
            await watch
            rig.machine.cut_power()
            here.forget()
            await asyncio.to_thread(rig.machine.boot)
            await here.running("g0", "etc")
            assert rig.active() == {UNITS["etc"]}

    asyncio.run(scenario())
