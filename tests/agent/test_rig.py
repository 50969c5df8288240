"""One rig under one roof: safety looks on, and no driver's bug takes the others with it."""

from __future__ import annotations

import asyncio

from agent.core.model import Desired, State
from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import DriverError
from tests.agent.groups import GPU, RigBench, until, workload
from tests.sim.clock import run
from wire import messages, model
from wire.model import Phase, Result


async def mining(bench: RigBench) -> None:
    await bench.order("etc", 1)
    await until(lambda: bench.group.phase is Phase.RUNNING)


def test_lasting_heat_stops_the_group_and_it_stays_stopped() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await mining(bench)
            bench.eyes.temperature_c = 97.0
            await until(lambda: bench.group.phase is Phase.FAILED, within_s=20.0)
            assert bench.world.alive_on(GPU) == ()
            assert "GPU-0: GPU at 97 °C" in bench.group.reason
            bench.eyes.temperature_c = 40.0
            await asyncio.sleep(60.0)
            assert bench.group.phase is Phase.FAILED
            await bench.order("llama", 2)
            await until(lambda: bench.group.phase is Phase.RUNNING)

    run(scenario())


def test_eyes_that_see_nothing_stop_nothing() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            await mining(bench)
            bench.eyes.temperature_c, bench.eyes.ok = 97.0, False
            await asyncio.sleep(60.0)
            assert bench.group.phase is Phase.RUNNING

    run(scenario())


def test_heat_where_nothing_runs_is_no_quarantine() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            bench.eyes.temperature_c = 97.0
            await asyncio.sleep(60.0)
            assert bench.group.phase is Phase.IDLE

    run(scenario())


def test_a_lost_gpu_is_given_up_where_nothing_runs_too_and_no_order_gets_past_it() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            bench.eyes.error = "it is lost; power-cycle the rig"
            await until(lambda: bench.group.phase is Phase.FAILED)
            assert bench.group.reason == "GPU-0: it is lost; power-cycle the rig"
            await bench.order("etc", 1)
            await until(lambda: bench.bodies(messages.Outcomes))
            (ended,) = bench.bodies(messages.Outcomes)[0].outcomes
            assert ended.result is Result.QUARANTINED
            assert "etc" not in {state.active for state in bench.journal.states}

    run(scenario())


def test_what_a_tenants_program_does_moves_nothing_until_the_tenant_has_gone() -> None:
    async def scenario() -> None:
        etc = workload("etc", locked_after_s=1.0, locked_for_s=120.0)
        async with RigBench(etc, workload("llama")).run() as bench:
            await mining(bench)
            await until(lambda: bench.group.lock)
            for count in range(1, 9):
                bench.eyes.xids = ((31, count),)
                await asyncio.sleep(5.0)
            assert bench.group.lock
            await until(lambda: not bench.group.lock)
            reactor = bench.rig.reactors["g0"]
            assert (bench.group.phase, reactor.safety_actions) == (Phase.RUNNING, {})
            bench.eyes.xids = ((31, 9),)
            await until(lambda: reactor.safety_actions == {"restart": 1})

    run(scenario())


def test_a_demand_that_a_full_disk_refuses_does_not_keep_the_rig_busy() -> None:
    async def scenario() -> None:
        async with RigBench().run() as bench:
            bench.journal.refusal = "No space left on device"
            bench.eyes.error = "it is lost"
            await asyncio.sleep(60.0)
            assert bench.rig.reactors["g0"].handled < 200
            bench.journal.refusal = None
            await until(lambda: bench.group.phase is Phase.FAILED)

    run(scenario())


def test_what_a_workload_says_of_itself_is_read_while_it_is_active() -> None:
    async def scenario() -> None:
        etc = workload("etc", hashrate_hps=61e6)
        async with RigBench(etc, workload("llama")).run() as bench:
            await mining(bench)
            await until(bench.rig.readings)
            assert bench.rig.readings() == (
                model.WorkloadReading(group="g0", workload="etc", hashrate_hps=61e6),
            )
            await bench.order(None, 2)
            await until(lambda: bench.group.phase is Phase.IDLE)
            await until(lambda: not bench.rig.readings())

    run(scenario())


def test_a_bug_in_reading_or_a_reading_that_hangs_does_not_end_the_rig() -> None:
    class Faulty(ScriptedDriver):
        hangs = False

        async def read(self, workload: Workload) -> model.WorkloadReading | None:
            if self.hangs:
                await asyncio.sleep(1e9)
            raise TypeError("hashrate is a list")

    async def scenario() -> None:
        bench = RigBench()
        bench._driver = faulty = Faulty(bench.world)
        async with bench.run():
            await mining(bench)
            await asyncio.sleep(60.0)
            faulty.hangs = True
            await asyncio.sleep(60.0)
            assert bench.group.phase is Phase.RUNNING
            assert bench.rig.readings() == ()
            await bench.order("llama", 2)
            await until(lambda: bench.group.active == "llama")

    run(scenario())


def test_a_workload_that_has_left_the_rigs_file_does_not_end_the_rig() -> None:
    """The journal remembers `old`, which the engineer has since removed from the list."""

    async def scenario() -> None:
        bench = RigBench()
        bench.journal.states.append(
            State(
                phase=Phase.PREPARING,
                ticket=9,
                active="old",
                target="older",
                desired=Desired(generation=3, workload="older"),
            )
        )
        async with bench.run():
            await until(lambda: bench.group.phase.stable)
            assert bench.group.active is None
            await until(lambda: bench.bodies(messages.Outcomes))
            (ended,) = bench.bodies(messages.Outcomes)[0].outcomes
            assert ended.result is Result.ROLLED_BACK
            assert "older is no longer on this rig's list" in ended.reason
            await bench.order("etc", 4)
            await until(lambda: bench.group.active == "etc")

    run(scenario())


class Intruding(ScriptedDriver):
    """Its workloads may be started by somebody else."""

    def __init__(self, world: ScriptedWorld) -> None:
        super().__init__(world)
        self.obeys = False

    async def keep_out(self, workload: Workload, grace_s: float) -> bool:
        if workload.name != "etc" or not await self.alive(workload):
            return False
        if not self.obeys:
            raise DriverError(f"{workload.key}: still runs")
        await self.stop(workload, grace_s)
        return True


def test_what_somebody_else_has_started_is_ended_again() -> None:
    async def scenario() -> None:
        bench = RigBench()
        driver = bench._driver = Intruding(bench.world)
        async with bench.run():
            await bench.order("llama", 1)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            etc = bench.settings.workload("g0", "etc")
            bench.world.launch(etc)
            await asyncio.sleep(60.0)
            assert await driver.alive(etc), "it does not obey, and the rig goes on trying"
            driver.obeys = True
            await asyncio.sleep(60.0)
            assert not await driver.alive(etc)
            assert bench.group.active == "llama"

    run(scenario())
