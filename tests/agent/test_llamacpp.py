"""A real inference server under the real driver, router and switch machine: llama.cpp's own.

Its model knows the alphabet (`tests.parts.gguf`), so an answer is right or wrong, not just there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.core.model import Assigned, Desired
from agent.core.route import Hook, Route
from agent.core.workload import Deadlines, Readiness, Workload
from agent.drivers.http import Answer, Endpoint
from agent.drivers.routes import HookRouter
from agent.gpu.untuned import Untuned
from agent.journal import MemoryJournal
from agent.performer import Performer
from agent.ports import Drainable, Driver, DriverError, Occupancy
from agent.reactor import Reactor
from agent.settings import GpuSettings, GroupSettings
from tests.agent.groups import working
from tests.parts import gguf
from tests.parts.benches import LlamaBench
from tests.parts.programs import GRACE_S, LOOK_S, free_port, swept, until
from wire.model import Phase, Result

LONG_TOKENS = 3_000
"""A request of a second or more."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LlamaBench]:
    with swept(tmp_path):
        bench = LlamaBench(tmp_path)
        yield bench
        bench.close()


def api(workload: Workload) -> Endpoint:
    return Endpoint.parse(workload.api_url, workload.api_token)


async def complete(workload: Workload, prompt: str, tokens: int) -> Answer:
    """What a customer gets."""
    body = {"model": "alphabet", "prompt": prompt, "max_tokens": tokens, "temperature": 0}
    return await api(workload).post("/v1/completions", body, timeout_s=100)


async def proven(driver: Driver, workload: Workload) -> None:
    while not (await driver.probe(workload)).ready:  # noqa: ASYNC110 - drivers are asked
        await asyncio.sleep(LOOK_S)


async def until_busy(bench: LlamaBench, workload: Workload) -> None:
    driver, load = bench.reader(), None
    while load is None or not load.requests_running:
        load = await driver.read(workload)


def tokens_of(answer: Answer) -> int:
    count: int = msgspec.json.decode(answer.body)["usage"]["completion_tokens"]
    return count


def test_load_is_told_and_a_request_in_progress_outlives_the_drain(bench: LlamaBench) -> None:
    async def scenario() -> None:
        driver, workload = bench.driver(), bench.workload()
        assert isinstance(driver, Drainable)
        await driver.start(workload)
        await proven(driver, workload)
        flight = asyncio.create_task(complete(workload, "abc", LONG_TOKENS))
        await until_busy(bench, workload)
        assert not flight.done(), "it was over before it was seen"
        await driver.drain(workload)
        after = await driver.read(workload)
        assert after is not None
        assert (after.requests_running, after.requests_waiting) == (0, 0)
        assert (after.tokens_total or 0) >= LONG_TOKENS
        await driver.stop(workload, GRACE_S)
        answer = await flight
        assert (answer.status, tokens_of(answer)) == (200, LONG_TOKENS)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("readiness", "fault"),
    [
        (Readiness(prompt="xy", expect="zabc", max_tokens=4), ""),
        (Readiness(prompt="xy", expect_pattern="^zab.$", max_tokens=4), ""),
        (Readiness(prompt="xy", expect="zabcd", max_tokens=4), "the answer 'zabc' lacks 'zabcd'"),
        (Readiness(prompt="xy", expect_pattern="^z$", max_tokens=4), "does not match '^z$'"),
    ],
)
def test_the_answer_is_judged(bench: LlamaBench, readiness: Readiness, fault: str) -> None:
    async def scenario() -> str:
        driver, workload = bench.driver(), replace(bench.workload(), readiness=readiness)
        await driver.start(workload)
        try:
            await proven(driver, workload)
        except DriverError as error:
            return str(error)
        return ""

    said = asyncio.run(scenario())
    assert fault in said
    assert bool(said) == bool(fault)


class EmptyGpus:
    """The server works on the processor: no GPU is held, ever."""

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy:
        return Occupancy((), 0)


class Group:
    """One group that may run a sound and a damaged model, both routed by a file."""

    def __init__(self, bench: LlamaBench, directory: Path) -> None:
        sound = replace(
            bench.workload(),
            name="sound",
            deadlines=Deadlines(drain_s=60, start_s=60),
            readiness=replace(bench.readiness, hold_s=0.5, recheck_s=0.2),
        )
        self.up = {name: directory / f"{name}.up" for name in ("sound", "damaged")}
        damaged_model = gguf.write(directory / "damaged.gguf", damaged=True)
        command = [part.replace(str(bench.model), str(damaged_model)) for part in sound.command]
        port, other = sound.api_url.rpartition(":")[2], str(free_port())
        damaged = replace(
            sound,
            name="damaged",
            command=tuple(part.replace(port, other) for part in command),
            api_url=f"http://127.0.0.1:{other}",
        )
        self.workloads = tuple(self._routed(workload) for workload in (sound, damaged))
        self.journal = MemoryJournal()
        self._bench = bench
        self._generation = 0

    def _routed(self, workload: Workload) -> Workload:
        up = str(self.up[workload.name])
        route = Route(close=Hook(remove=up), open=Hook(create=up), settle_s=0.1)
        return replace(workload, route=route)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Reactor]:
        """One life of an agent; what it started goes on."""
        settings = GroupSettings(
            name="g", gpus=("GPU-a",), workloads=self.workloads, restarts_max=0
        )
        performer = Performer(
            settings,
            GpuSettings(),
            {"llamacpp": self._bench.driver()},
            probe=EmptyGpus(),
            tuner=Untuned(),
            router=HookRouter(),
            rng=random.Random(1),
        )
        reactor = Reactor(
            "g",
            settings.rules(),
            self.journal,
            performer,
            clock=asyncio.get_running_loop().time,
            changed=lambda: None,
        )
        async with working(asyncio.create_task(reactor.run())):
            await until(lambda: reactor.settled)
            yield reactor

    async def order(self, reactor: Reactor, workload: str | None) -> None:
        """Assign it and wait until the group rests."""
        self._generation += 1
        desired = Desired(generation=self._generation, order_id="o", workload=workload)
        reactor.post(Assigned(desired))
        await until(lambda: reactor.state.desired == desired and reactor.state.ended)
        await until(lambda: reactor.state.phase.stable)


def test_only_the_model_that_answers_right_gets_requests(bench: LlamaBench, tmp_path: Path) -> None:
    group = Group(bench, tmp_path)
    sound, _ = group.workloads

    async def scenario() -> None:
        async with group.agent() as reactor:
            await group.order(reactor, "sound")
            await until(group.up["sound"].exists)
        async with group.agent() as reactor:
            assert reactor.state.phase is Phase.RUNNING, "adopted by the next agent"
            await group.order(reactor, "damaged")
            assert reactor.state.active == "sound", "the one that worked before"
            rejection = reactor.state.rejected[0]
            assert rejection.workload == "damaged"
            assert "the answer 'bazyx' lacks 'defgh'" in rejection.reason
            assert reactor.state.outcomes[-1].result is Result.ROLLED_BACK
            await until(group.up["sound"].exists)
            assert not group.up["damaged"].exists()
            flight = asyncio.create_task(complete(sound, "abc", LONG_TOKENS))
            await until_busy(bench, sound)
            await group.order(reactor, None)
            assert bench.processes() == 0
            assert tokens_of(await flight) == LONG_TOKENS
            assert not group.up["sound"].exists()

    asyncio.run(scenario())


def test_a_running_server_whose_memory_goes_bad_is_ended(bench: LlamaBench, tmp_path: Path) -> None:
    group = Group(bench, tmp_path)

    async def scenario() -> None:
        async with group.agent() as reactor:
            await group.order(reactor, "sound")
            await until(group.up["sound"].exists)
            # Its memory is the file's: what is written there it finds there.
            with bench.model.open("r+b") as file:
                file.write((tmp_path / "damaged.gguf").read_bytes())
            await until(lambda: reactor.state.phase is Phase.IDLE)
            wrong = "sound erred more than 0 times, last: g.sound: the answer 'bazyx' lacks 'defgh'"
            assert reactor.state.rejected[0].reason == wrong
            assert not group.up["sound"].exists()

    asyncio.run(scenario())
