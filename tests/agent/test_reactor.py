"""Event, step, journal, perform: in this order, for every event, whatever drivers do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.core.model import (
    Acknowledged,
    Derated,
    Event,
    Faulted,
    Lapsed,
    Offline,
    Rules,
)
from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.reactor import JOURNAL_RETRY_S, QUEUE_MAX
from tests.agent.groups import GPU, group, performer, until, workload
from tests.agent.reactors import FULL, RULES, Bench
from tests.agent.scripts import running, switching
from tests.sim.clock import run
from wire.model import Phase, Result


class Buggy(ScriptedDriver):
    """Crashes where the test says so: a programmer's error, not the workload's."""

    def __init__(self, world: ScriptedWorld) -> None:
        super().__init__(world)
        self.broken = {"prepare"}

    async def prepare(self, workload: Workload) -> None:
        self._crash("prepare")
        await super().prepare(workload)

    async def exited(self, workload: Workload) -> str:
        self._crash("exited")
        return await super().exited(workload)

    def _crash(self, verb: str) -> None:
        if verb in self.broken:
            raise TypeError(f"a bug in {verb}")


def test_an_assignment_is_carried_out_and_its_end_is_told_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
            assert bench.alive() == ("g0.etc",)
            bench.reactor.post(Acknowledged(0))
            await asyncio.sleep(1.0)
        assert [(name, outcome.result) for name, outcome in bench.ended] == [("g0", Result.DONE)]
        assert bench.changes >= len(bench.journal.states) - 1

    run(scenario())


def test_every_state_is_in_the_journal_before_it_is_the_state() -> None:
    async def scenario() -> list[Phase]:
        bench = Bench()
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
        return [state.phase for state in bench.journal.states]

    assert run(scenario()) == [
        Phase.IDLE,
        Phase.PREPARING,
        Phase.VACATING,
        Phase.TUNING,
        Phase.STARTING,
        Phase.PROBING,
        Phase.RUNNING,
    ]


def test_stopping_the_agent_leaves_the_workload_running_and_the_next_adopts_it() -> None:
    async def scenario() -> None:
        first = Bench()
        async with first.run():
            first.assign("etc")
            await first.reach(Phase.RUNNING)
        assert first.alive() == ("g0.etc",)
        pids = await first.pids()
        second = Bench(world=first.world, journal=first.journal)
        async with second.run():
            assert second.phase is Phase.RUNNING
            assert await first.pids() == pids, "it was never restarted"
            first.world.crash("g0.etc")
            await until(lambda: second.reactor.state.restarts == 1)
            await second.reach(Phase.RUNNING)

    run(scenario())


# The journal refuses.


def test_nothing_is_performed_that_the_journal_refuses() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.journal.refusal = FULL
            bench.assign("etc")
            await asyncio.sleep(60.0)
            assert (bench.phase, bench.alive()) == (Phase.IDLE, ())
            assert bench.reactor.fault == f"journal: {FULL}"
            bench.journal.refusal = None
            await asyncio.sleep(JOURNAL_RETRY_S)
            await bench.reach(Phase.RUNNING)
            assert bench.reactor.fault == ""

    run(scenario())


def test_a_switch_stands_still_while_the_disk_is_full_and_then_goes_on() -> None:
    async def scenario() -> None:
        bench = Bench(workload("etc"), workload("llama", start_s=3.0))
        async with bench.run():
            bench.assign("llama")
            await bench.reach(Phase.STARTING)
            bench.journal.refusal = FULL
            await asyncio.sleep(60.0)
            assert bench.phase is Phase.STARTING, "what the effect came to is not lost"
            bench.journal.refusal = None
            await bench.reach(Phase.RUNNING)

    run(scenario())


@pytest.mark.parametrize(
    ("phase", "never"), [(Phase.VACATING, Phase.TUNING), (Phase.TUNING, Phase.PROBING)]
)
def test_gpus_are_looked_at_anew_when_the_disk_was_full_between_proof_and_start(
    phase: Phase, never: Phase
) -> None:
    async def scenario() -> None:
        stranger = replace(workload("stranger"), group="elsewhere")
        bench = Bench()
        async with bench.run():
            bench.journal.refused_after = phase
            bench.assign("etc")
            await bench.reach(phase)
            await asyncio.sleep(60.0)
            assert bench.phase is phase
            bench.world.launch(stranger)
            await asyncio.sleep(JOURNAL_RETRY_S / 2)
            bench.journal.refused_after = None
            bench.journal.refusal = None
            await until(lambda: bench.phase.stable)
            assert bench.alive() == (stranger.key,), "nothing was started beside it"
            assert never not in [state.phase for state in bench.journal.states]

    run(scenario())


def test_an_exit_that_the_journal_refuses_is_told_again() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
            bench.journal.refusal = FULL
            bench.world.crash("g0.etc")
            await asyncio.sleep(60.0)
            assert (bench.phase, bench.alive()) == (Phase.RUNNING, ())
            bench.journal.refusal = None
            await until(lambda: bench.reactor.state.restarts == 1)
            await bench.reach(Phase.RUNNING)

    run(scenario())


def test_a_lock_that_the_journal_refuses_at_the_point_of_no_return_is_asked_for_again() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
            bench.journal.refused_after = Phase.DRAINING
            bench.world.lock_told = False
            bench.assign("llama", 2)
            await bench.reach(Phase.DRAINING)
            await asyncio.sleep(30.0)
            assert bench.phase is Phase.DRAINING
            bench.journal.refused_after = bench.journal.refusal = None
            await bench.reach(Phase.RUNNING)
            assert bench.reactor.state.lock is not None
            assert bench.alive() == ("g0.etc",)

    run(scenario())


def test_a_lease_that_the_journal_refuses_is_left_to_its_source() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.journal.states.append(switching(Phase.VACATING).state)
        bench.world.hide(GPU)
        async with bench.run():
            bench.journal.refusal = FULL
            bench.reactor.post(Lapsed())
            await asyncio.sleep(1.0)
            bench.journal.refusal = None
            await asyncio.sleep(2 * JOURNAL_RETRY_S)
            assert not bench.reactor.state.lapsed

    run(scenario())


def test_an_agent_that_cannot_write_at_all_touches_nothing() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.journal.states.append(running("etc").state)
        bench.journal.refusal = FULL
        async with bench.run():
            await asyncio.sleep(60.0)
            assert bench.phase is Phase.IDLE, "not resumed yet"
            assert bench.alive() == ()
            bench.journal.refusal = None
            await bench.reach(Phase.RUNNING)

    run(scenario())


def test_a_disk_that_stays_full_does_not_multiply_what_is_said_again_and_again() -> None:
    async def scenario() -> int:
        bench = Bench(rules=Rules(allowed=RULES.allowed, offline=Offline.IDLE))
        async with bench.run():
            bench.journal.refusal = FULL
            for _ in range(3_600):
                bench.assign("etc")
                bench.reactor.post(Lapsed())
                await asyncio.sleep(1.0)
            return bench.journal.attempts

    assert run(scenario()) < 2 * 3 * 3_600


# Bugs and floods.


def test_a_bug_in_a_driver_fails_the_effect_and_not_the_rig() -> None:
    async def scenario() -> None:
        bench = Bench(driver=Buggy)
        async with bench.run():
            bench.assign("etc")
            await until(lambda: bench.ended)
            assert bench.ended[0][1].result is Result.ROLLED_BACK
            assert "internal error: TypeError('a bug in prepare')" in bench.ended[0][1].reason
            assert isinstance(bench.driver, Buggy)
            bench.driver.broken.clear()
            bench.assign("etc", 2)
            await bench.reach(Phase.RUNNING)

    run(scenario())


def test_a_bug_in_a_watch_is_outlived_and_the_watch_resumed() -> None:
    async def scenario() -> None:
        bench = Bench(driver=Buggy)
        assert isinstance(bench.driver, Buggy)
        bench.driver.broken = {"exited"}
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)
            await asyncio.sleep(30.0)
            assert bench.phase is Phase.RUNNING, "the workload is not to blame"
            bench.driver.broken.clear()
            bench.world.crash("g0.etc")
            await until(lambda: bench.reactor.state.restarts == 1)

    run(scenario())


def test_the_queue_is_bounded() -> None:
    async def scenario() -> int:
        bench = Bench()
        for generation in range(1, 10 * QUEUE_MAX):
            bench.assign("etc", generation)
        async with bench.run():
            await bench.reach(Phase.RUNNING)
            return bench.reactor.state.desired.generation

    assert run(scenario()) == QUEUE_MAX, "later ones were dropped; whoever posts repeats"


def test_a_flood_never_drops_what_an_effect_came_to() -> None:
    async def scenario() -> None:
        bench = Bench()

        class Flooded(ScriptedDriver):
            async def prepare(self, workload: Workload) -> None:
                for _ in range(2 * QUEUE_MAX):
                    bench.reactor.post(Acknowledged(0))

        flooded = Flooded(bench.world)
        settings = group(workload("etc"))
        bench.reactor._performer = performer(settings, bench.world, driver=flooded)
        async with bench.run():
            bench.assign("etc")
            await bench.reach(Phase.RUNNING)

    run(scenario())


def test_a_newer_word_ends_the_effect_under_way_before_the_next_begins() -> None:
    async def scenario() -> list[str]:
        log = list[str]()

        class Slow(ScriptedDriver):
            async def prepare(self, workload: Workload) -> None:
                log.append(f"begin {workload.name}")
                try:
                    await asyncio.sleep(5.0)
                finally:
                    await asyncio.sleep(1.0)
                    log.append(f"end {workload.name}")

        bench = Bench(driver=Slow)
        async with bench.run():
            bench.assign("etc", 1)
            await asyncio.sleep(1.0)
            bench.assign("llama", 2)
            await bench.reach(Phase.RUNNING)
            assert bench.alive() == ("g0.llama",)
        return log

    assert run(scenario()) == ["begin etc", "end etc", "begin llama", "end llama"]


def test_events_that_change_nothing_are_not_written() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.run():
            before = bench.journal.attempts
            nothing: tuple[Event, ...] = (Acknowledged(5), Derated(1, "hot"), Faulted("XID 31"))
            for event in nothing:
                bench.reactor.post(event)
            await asyncio.sleep(1.0)
            assert bench.journal.attempts == before

    run(scenario())
