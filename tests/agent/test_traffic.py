"""When requests are turned away and let in again, and what happens when that cannot be told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from agent.core.effects import Drain, Effect, Prepare, Start, Stop, Vacate, Watch
from agent.core.model import Erred, Event, Exited, Failed, Noted, Succeeded
from agent.core.route import Hook, Route
from agent.core.workload import Readiness, Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.performer import Performer
from agent.ports import DriverError
from agent.ports import Readiness as Look
from tests.agent.groups import DEADLINES, group, performer, until, workload
from tests.parts.balancer import Balancer
from tests.sim.clock import run

ROUTE = Route(close=Hook(remove="/up"), open=Hook(create="/up"), settle_s=1.5)
LLAMA = replace(workload("llama"), route=ROUTE)
KNOWING = replace(
    LLAMA, readiness=Readiness(prompt="Capital of France?", expect="Paris", recheck_s=60.0)
)


class Bench:
    """One group whose workload runs and gets requests."""

    def __init__(
        self,
        *workloads: Workload,
        driver: type[ScriptedDriver] = ScriptedDriver,
        gone: bool = False,
    ) -> None:
        self.world, self.balancer = ScriptedWorld(), Balancer()
        self.said = list[Event]()
        listed = workloads or (LLAMA,)
        self.driver = driver(self.world)
        self.hands: Performer = performer(
            group(*listed), self.world, driver=self.driver, router=self.balancer
        )
        self.balancer.sends_to = {listed[0].name}
        self._began = () if gone else listed[:1]

    def begin(self) -> None:
        """Processes belong to a running loop."""
        for one in self._began:
            self.world.launch(one)

    async def perform(self, effect: Effect) -> float:
        """Virtual seconds that it took."""
        began_s = asyncio.get_running_loop().time()
        await self.hands.perform(effect, self.said.append)
        return asyncio.get_running_loop().time() - began_s


def on(bench: Bench, act: Callable[[Bench], Awaitable[object]]) -> Bench:
    """What is left of a bench after acting on it."""

    async def scenario() -> None:
        bench.begin()
        await act(bench)

    run(scenario())
    return bench


def after(effect: Effect, *workloads: Workload, **refuses: int) -> tuple[Bench, float]:
    bench, took_s = Bench(*workloads), list[float]()
    bench.balancer.refuses.update(refuses)

    async def act(bench: Bench) -> None:
        took_s.append(await bench.perform(effect))

    return on(bench, act), took_s[0]


# Draining.


class Recording(ScriptedDriver):
    """Notes whether requests still came when it was told to drain, and how long after."""

    sends_to: Callable[[], set[str]]
    drained_s: float
    seen: set[str]

    async def drain(self, workload: Workload) -> None:
        self.seen, self.drained_s = self.sends_to(), asyncio.get_running_loop().time()
        await super().drain(workload)


def test_the_route_is_closed_and_has_settled_before_the_server_is_drained() -> None:
    bench = Bench(driver=Recording)
    driver = bench.driver
    assert isinstance(driver, Recording)
    driver.sends_to = lambda: set(bench.balancer.sends_to)
    on(bench, lambda bench: bench.perform(Drain(3, "llama")))
    assert bench.said == [Succeeded(3)]
    assert driver.seen == set()
    assert driver.drained_s >= ROUTE.settle_s


def test_a_route_that_stays_open_is_told_and_ends_with_the_deadline() -> None:
    bench, took_s = after(Drain(3, "llama"), close=1000)
    why = "llama still gets requests, closing its route is tried again: close is refused"
    assert bench.said == [
        Noted(3, why),
        Failed(3, f"not done within {DEADLINES.drain_s:g} s; {why}"),
    ]
    assert took_s == pytest.approx(DEADLINES.drain_s)


def test_a_route_that_is_closed_late_is_closed_all_the_same() -> None:
    bench, took_s = after(Drain(3, "llama"), close=2)
    assert isinstance(bench.said[0], Noted)
    late = Noted(3, "llama gets no more requests and finishes what it has begun")
    assert bench.said[1:] == [late, Succeeded(3)]
    assert bench.balancer.sends_to == set()
    assert took_s >= ROUTE.settle_s


def test_without_a_route_nothing_settles() -> None:
    bench, took_s = after(Drain(3, "etc"), workload("etc"))
    assert (bench.said, took_s) == ([Succeeded(3)], 0.0)
    assert bench.balancer.told == []


# Stopping, emptying, starting.


@pytest.mark.parametrize("effect", [Stop(4), Vacate(4, 0)])
def test_what_is_stopped_or_gone_gets_no_requests(effect: Effect) -> None:
    bench = Bench(gone=isinstance(effect, Vacate))
    on(bench, lambda bench: bench.perform(effect))
    assert bench.said == [Succeeded(4)]
    assert bench.balancer.sends_to == set()


@pytest.mark.parametrize("effect", [Stop(4), Vacate(4, 0)])
def test_a_balancer_that_refuses_holds_up_no_stop(effect: Effect) -> None:
    bench = Bench(gone=isinstance(effect, Vacate))
    bench.balancer.refuses["close"] = 1000
    on(bench, lambda bench: bench.perform(effect))
    assert bench.said == [Succeeded(4)]


def test_nothing_starts_that_gets_requests_already() -> None:
    bench, _ = after(Start(4, "llama"), close=1)
    assert bench.said == [Failed(4, "close is refused")]
    bench = Bench(gone=True)
    on(bench, lambda bench: bench.perform(Start(4, "llama")))
    assert bench.said == [Succeeded(4)]
    assert bench.balancer.sends_to == set()


@pytest.mark.parametrize("verb", ["check", "close"])
def test_a_route_that_cannot_be_used_stops_nothing_that_works(verb: str) -> None:
    bench, _ = after(Prepare(4, "llama"), workload("etc"), LLAMA, **{verb: 1})
    assert bench.said == [Failed(4, f"{verb} is refused")]


def test_a_route_is_tried_before_anything_is_stopped_for_it() -> None:
    bench, _ = after(Prepare(4, "llama"), workload("etc"), LLAMA)
    assert bench.said == [Succeeded(4)]
    assert bench.balancer.told == ["check llama", "close llama"]


def test_a_route_that_another_workload_has_too_is_left_as_it_is() -> None:
    bench, _ = after(Prepare(4, "llama"), replace(LLAMA, name="old"), LLAMA)
    assert bench.said == [Succeeded(4)]
    assert bench.balancer.told == ["check llama"]
    assert bench.balancer.sends_to == {"old"}, "it goes on getting requests"


# Running.


def watched(bench: Bench, until_: Callable[[Bench], object]) -> list[Event]:
    """All that is said of a workload until something is so; then it crashes."""

    async def act(bench: Bench) -> None:
        bench.balancer.sends_to.clear()
        watch = asyncio.create_task(bench.perform(Watch(9, "llama")))
        await until(lambda: until_(bench) or watch.done())
        bench.world.crash(LLAMA.key)
        await watch

    return on(bench, act).said


def test_what_is_proven_gets_requests() -> None:
    bench = Bench()
    assert watched(bench, lambda bench: bench.balancer.sends_to) == [Exited(9, "crashed")]
    assert bench.balancer.told == ["open llama"]


def test_opening_is_tried_until_it_is_done_and_both_is_told() -> None:
    bench = Bench()
    bench.balancer.refuses["open"] = 3
    trouble = Noted(9, "llama runs but gets no requests, tried again: open is refused")
    assert watched(bench, lambda bench: bench.balancer.sends_to) == [
        *[trouble] * 3,
        Noted(9, "llama is proven and gets requests again"),
        Exited(9, "crashed"),
    ]


class Wrong(ScriptedDriver):
    """Answers as told, the last of it for ever; a text is what is wrong."""

    answers: list[str | bool]

    async def probe(self, workload: Workload) -> Look:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, str):
            raise DriverError(answer)
        return Look(answer, "as told")


def rechecked(workload: Workload, *answers: str | bool) -> tuple[list[Event], float]:
    bench = Bench(workload, driver=Wrong)
    assert isinstance(bench.driver, Wrong)
    bench.driver.answers = list(answers)
    took_s = list[float]()

    async def act(bench: Bench) -> None:
        watch = asyncio.create_task(bench.perform(Watch(9, "llama")))
        loop = asyncio.get_running_loop()
        await until(lambda: any(isinstance(e, Erred) for e in bench.said) or loop.time() > 500)
        took_s.append(loop.time())
        watch.cancel()
        await asyncio.wait([watch])

    return on(bench, act).said, took_s[0]


def test_a_running_workload_that_answers_wrongly_again_and_again_has_erred() -> None:
    said, took_s = rechecked(KNOWING, True, "Rome", "Rome", "Rome")
    assert said == [Erred(9, "Rome")]
    assert took_s == pytest.approx(122.0, abs=0.5), "two looks a minute apart, two more at once"


@pytest.mark.parametrize(
    "answers",
    [(True,), ("Rome", "Rome", True), (False,), ("Rome", False, "Rome", True)],
    ids=["right", "wrong twice", "silent", "now and then"],
)
def test_what_is_not_wrong_for_certain_goes_on(answers: tuple[str | bool, ...]) -> None:
    assert rechecked(KNOWING, *answers)[0] == []


@pytest.mark.parametrize(
    "readiness",
    [
        Readiness(prompt="Hello", recheck_s=1.0),
        Readiness(prompt="Hello", expect="Paris", recheck_s=0.0),
    ],
)
def test_only_a_known_answer_is_looked_at_again(readiness: Readiness) -> None:
    assert rechecked(replace(KNOWING, readiness=readiness), "Rome")[0] == []
