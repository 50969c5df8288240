"""A server that sleeps instead of ending: when, for how long, and what ends it for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import durable
from agent.bedside import Bedside
from agent.core.model import Erred, Exited, Rules, State, Tripped
from agent.core.workload import Park, Workload
from agent.journal import SCHEMA, FileJournal
from tests.agent.groups import GPU, until, workload
from tests.agent.reactors import Bench, CountingJournal
from tests.sim.clock import run
from wire.model import Phase

RULES = Rules(allowed=frozenset({"etc", "llm"}), sleeper="llm")
LLM, ETC = "g0.llm", "g0.etc"


def server(**script: Any) -> Workload:
    """One that is parked."""
    deadlines = replace(workload("llm").deadlines, park_s=5.0)
    return replace(workload("llm", **script), park=Park.SLEEP_1, deadlines=deadlines)


def bench(journal: CountingJournal | None = None, **script: Any) -> Bench:
    return Bench(server(**script), workload("etc"), rules=RULES, journal=journal)


@asynccontextmanager
async def parked(**script: Any) -> AsyncIterator[Bench]:
    """A miner runs where a server sleeps, if it does."""
    at = bench(**script)
    async with at.run():
        at.assign("llm")
        await at.reach(Phase.RUNNING)
        at.assign("etc", 2)
        await until(lambda: at.reactor.state.active == "etc")
        await at.reach(Phase.RUNNING)
        yield at


def pid(at: Bench) -> int | None:
    return at.world.pid(LLM)


def sleeps(at: Bench) -> bool:
    return at.reactor.state.parked == "llm" and bool(at.world.asleep(LLM))


def test_a_server_is_put_to_sleep_for_another_workload_and_woken_as_the_same_process() -> None:
    async def scenario() -> None:
        async with parked() as at:
            before = pid(at)
            assert sleeps(at)
            assert at.world.awake_on(GPU) == (ETC,)
            at.assign("llm", 3)
            await until(lambda: at.reactor.state.active == "llm" and at.phase is Phase.RUNNING)
            assert at.reactor.state.parked is None
            assert at.alive() == (LLM,)
            assert pid(at) == before

    run(scenario())


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({"drain_fails": "requests hang"}, "requests hang"),
        ({"sleep_fails": "no sleep mode"}, "no sleep mode"),
        ({"sleep_s": 6.0}, "not done within 5 s"),
        ({"sleep_lies": True}, "`park_memory_bytes` allows 1536 MiB"),
        ({"sleeping_bytes": 4 * 1024**3}, "4096 MiB are still held while llm sleeps"),
        ({"wakes_after_s": 0.01}, "it is awake"),
    ],
)
def test_what_does_not_prove_that_it_sleeps_is_ended_before_the_other_starts(
    script: dict[str, Any], why: str
) -> None:
    async def scenario() -> None:
        async with parked(**script) as at:
            assert at.reactor.state.parked is None
            assert at.alive() == (ETC,)
            assert any(why in state.reason for state in at.journal.states)

    run(scenario())


def test_standing_still_leaves_nobody_asleep() -> None:
    async def scenario() -> None:
        async with parked() as at:
            at.assign(None, 3)
            await at.reach(Phase.IDLE)
            assert at.alive() == ()
        async with bench().run() as at:
            at.assign("llm")
            await at.reach(Phase.RUNNING)
            at.assign(None, 2)
            await at.reach(Phase.IDLE)
            assert at.alive() == ()

    run(scenario())


@pytest.mark.parametrize("fact", [Erred, Exited])
def test_a_workload_that_ends_otherwise_takes_the_sleeper_with_it(fact: Any) -> None:
    async def scenario() -> None:
        async with parked() as at:
            at.reactor.post(fact(at.reactor.state.ticket, "bad"))
            await until(lambda: at.reactor.state.parked is None)
            await at.reach(Phase.RUNNING)
            assert at.alive() == (ETC,)

    run(scenario())


def test_a_safety_trip_ends_the_sleeper_too() -> None:
    async def scenario() -> None:
        async with parked() as at:
            at.reactor.post(Tripped("GPU at 99 °C"))
            await at.reach(Phase.FAILED)
            assert at.alive() == ()

    run(scenario())


@pytest.mark.parametrize("script", [{"wake_fails": True}, {"wake_s": 9.0}])
def test_a_server_that_does_not_wake_is_started_anew(script: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with parked(**script) as at:
            before = pid(at)
            at.assign("llm", 3)
            await until(lambda: at.reactor.state.active == "llm" and at.phase is Phase.RUNNING)
            assert at.reactor.state.rejected == ()
            assert pid(at) != before
            assert any("is started anew" in state.reason for state in at.journal.states)

    run(scenario())


def test_a_sleeper_that_wakes_by_itself_is_ended_and_the_other_goes_on() -> None:
    async def scenario() -> None:
        async with parked(wakes_after_s=30.0) as at:
            bedside = Bedside(at.reactor, at.reactor._performer)
            ticket = at.reactor.state.ticket
            await bedside.look()
            assert sleeps(at)
            await until(lambda: not at.world.asleep(LLM))
            await bedside.look()
            await until(lambda: at.reactor.state.parked is None)
            assert at.alive() == (ETC,)
            assert at.reactor.state.ticket == ticket, "the miner notices nothing"
            assert "llm sleeps no more: it is awake" in at.reactor.state.reason

    run(scenario())


def test_a_sleeper_that_wakes_and_cannot_be_ended_stops_the_group() -> None:
    async def scenario() -> None:
        async with parked(wakes_after_s=30.0, stop_hangs=True) as at:
            await until(lambda: not at.world.asleep(LLM))
            await Bedside(at.reactor, at.reactor._performer).look()
            await at.reach(Phase.FAILED)
            assert at.alive() == (LLM,)
            assert "shall sleep, but it is awake, and goes on" in at.reactor.state.tripped

    run(scenario())


def test_a_sleeper_that_has_ended_is_forgotten() -> None:
    async def scenario() -> None:
        async with parked() as at:
            at.world.crash(LLM)
            await Bedside(at.reactor, at.reactor._performer).look()
            await until(lambda: at.reactor.state.parked is None)
            assert at.phase is Phase.RUNNING

    run(scenario())


@pytest.mark.parametrize(
    ("before", "then", "alive"),
    [
        (None, Phase.RUNNING, (LLM, ETC)),
        ("wakes", Phase.RUNNING, (ETC,)),
        ("ends", Phase.RUNNING, (ETC,)),
    ],
)
def test_the_next_agent_asks_the_sleeper_before_anything_else(
    before: str | None, then: Phase, alive: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        async with parked() as at:
            state = at.reactor.state
        if before == "wakes":
            at.world.wake(LLM)
        elif before == "ends":
            at.world.crash(LLM)
        journal = CountingJournal()
        journal.append(state)
        later = Bench(server(), workload("etc"), rules=RULES, journal=journal, world=at.world)
        async with later.run():
            await later.reach(then)
            assert set(later.alive()) == set(alive)
            assert later.reactor.state.active == "etc"
            assert sleeps(later) == (before is None)

    run(scenario())


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.STARTING])
def test_falling_asleep_and_waking_are_not_gone_on_with_after_a_crash(phase: Phase) -> None:
    async def scenario() -> None:
        at = bench(sleep_s=2.0, wake_s=2.0)
        async with at.run():
            at.assign("llm")
            await at.reach(Phase.RUNNING)
            at.assign("etc", 2)
            if phase is Phase.STARTING:
                await until(lambda: at.reactor.state.active == "etc" and at.phase is Phase.RUNNING)
                at.assign("llm", 3)
                await until(lambda: at.phase is phase and at.reactor.state.active == "llm")
            else:
                await at.reach(phase)
            state = at.reactor.state
            assert state.parked == state.active == "llm"
        journal = CountingJournal()
        journal.append(state)
        later = Bench(server(), workload("etc"), rules=RULES, journal=journal, world=at.world)
        async with later.run():
            assert later.journal.states[1].phase is Phase.STOPPING
            await later.reach(Phase.RUNNING)
            assert later.reactor.state.parked is None
            assert len(later.alive()) == 1

    run(scenario())


def test_a_file_that_lists_the_sleeper_no_more_has_the_group_emptied() -> None:
    async def scenario() -> None:
        async with parked() as at:
            state = at.reactor.state
        journal = CountingJournal()
        journal.append(state)
        rules = Rules(allowed=frozenset({"etc"}))
        later = Bench(workload("etc"), rules=rules, journal=journal, world=at.world)
        async with later.run():
            await later.reach(Phase.FAILED)
            assert later.alive() == (LLM,), "nobody knows how to end it"
            assert "hold them" in later.reactor.state.reason

    run(scenario())


def test_a_file_that_lets_it_sleep_no_more_has_it_ended() -> None:
    async def scenario() -> None:
        async with parked() as at:
            state = at.reactor.state
        journal = CountingJournal()
        journal.append(state)
        rules = replace(RULES, sleeper=None)
        listed = workload("llm"), workload("etc")
        later = Bench(*listed, rules=rules, journal=journal, world=at.world)
        async with later.run():
            await later.reach(Phase.RUNNING)
            assert later.alive() == (ETC,)

    run(scenario())


def test_a_journal_of_an_older_agent_names_no_sleeper(tmp_path: Path) -> None:
    line = msgspec.json.encode([SCHEMA, {"phase": "running", "active": "etc", "target": "etc"}])
    (tmp_path / "g0.log").write_bytes(durable.line(line))
    loaded = FileJournal(tmp_path / "g0.log").load()
    assert loaded == State(phase=Phase.RUNNING, active="etc", target="etc")


def test_who_is_awake_by_order_is_not_looked_after() -> None:
    async def scenario() -> None:
        async with parked() as at:
            bedside = Bedside(at.reactor, at.reactor._performer)
            at.world.wake(LLM)
            at.reactor.state = replace(at.reactor.state, active="llm", phase=Phase.PROBING)
            await bedside.look()
            await asyncio.sleep(1)
            assert LLM in at.alive()

    run(scenario())
