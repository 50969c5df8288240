"""Safety stops a group even when nothing can be written, and no stop is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.model import Tripped
from tests.agent.groups import until, workload
from tests.agent.reactors import FULL, Bench
from tests.agent.scripts import running, switching
from tests.sim.clock import run
from wire.model import Phase


def test_safety_stops_a_group_even_when_the_disk_is_full() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
            bench.journal.refusal = FULL
            bench.reactor.post(Tripped("GPU at 97 °C"))
            await until(lambda: not bench.alive())
            assert bench.phase is Phase.STOPPING, "further than stopping needs the journal"
            bench.journal.refusal = None
            await bench.reach(Phase.FAILED)

    run(scenario())


async def _ended_amid_a_stop() -> Bench:
    """An agent that ended on a full disk before the workload did that it had to stop."""
    bench = Bench(workload("etc", ignores_term=True))
    async with bench.run():
        bench.assign("etc")
        await bench.reach(Phase.RUNNING)
        bench.journal.refusal = FULL
        bench.reactor.post(Tripped("GPU at 97 °C"))
        await bench.reach(Phase.STOPPING)
    assert bench.alive() == ("g0.etc",)
    return bench


def test_a_safety_stop_on_a_full_disk_is_not_forgotten_by_a_restart() -> None:
    async def scenario() -> None:
        first = await _ended_amid_a_stop()
        first.journal.refusal = None
        second = Bench(world=first.world, journal=first.journal)
        async with second.run():
            await until(lambda: second.phase.stable)
            assert (second.phase, second.alive()) == (Phase.IDLE, ())

    run(scenario())


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.VACATING, Phase.TUNING])
def test_a_trip_on_a_full_disk_is_remembered_however_short_the_danger(phase: Phase) -> None:
    async def scenario() -> list[Phase]:
        bench = Bench()
        bench.journal.states.append(switching(phase).state)
        async with bench.run():
            bench.journal.refusal = FULL
            bench.reactor.post(Tripped("GPU-0: XID 79"))
            await asyncio.sleep(60.0)
            assert bench.alive() == ()
            bench.journal.refusal = None
            await bench.reach(Phase.FAILED)
            assert bench.reactor.state.reason == "GPU-0: XID 79"
        return [state.phase for state in bench.journal.states]

    assert Phase.STARTING not in run(scenario())


def test_a_group_with_nothing_on_it_is_given_up_when_the_disk_has_room() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.journal.refusal = FULL
            for celsius in range(97, 107):
                bench.reactor.post(Tripped(f"GPU-0: GPU at {celsius} °C"))
            await asyncio.sleep(60.0)
            assert (bench.phase, bench.ended) == (Phase.IDLE, [])
            assert bench.journal.attempts < 60, "one reason to stop is enough"
            bench.journal.refusal = None
            await bench.reach(Phase.FAILED)

    run(scenario())


def test_an_agent_that_starts_on_a_full_disk_stops_what_safety_wants_stopped() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.journal.states.append(running("etc").state)
        bench.world.launch(workload("etc"))
        bench.journal.refusal = FULL
        async with bench.run():
            await asyncio.sleep(60.0)
            assert bench.alive() == ("g0.etc",), "no reason to disturb it"
            bench.reactor.post(Tripped("GPU-0: GPU at 97 °C"))
            await until(lambda: not bench.alive())
            bench.journal.refusal = None
            await bench.reach(Phase.FAILED)

    run(scenario())


def test_a_stop_that_no_journal_could_hold_is_finished_by_the_next_agent_at_once() -> None:
    async def scenario() -> None:
        first = await _ended_amid_a_stop()
        second = Bench(world=first.world, journal=first.journal)
        async with second.run():
            await until(lambda: not second.alive())
            second.journal.refusal = None
            await second.reach(Phase.IDLE)

    run(scenario())
