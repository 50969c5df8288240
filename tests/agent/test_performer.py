"""Every effect ends as exactly one event with its ticket: done, failed, or out of time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.core import rhythm
from agent.core.effects import Drain, Effect, Prepare, Probe, Start, Stop, Tune, Vacate
from agent.core.model import Event, Failed, Succeeded
from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.performer import BACKOFF_MAX_S, Performer
from agent.ports import Occupancy, Readiness, TuneError
from tests.agent.groups import DEADLINES, GPU, group, performer, workload
from tests.sim.clock import run

EMPTY = Occupancy((), 0)
HELD = Occupancy((77,), 8 * 1024**3)
LEFTOVER = Occupancy((), 8 * 1024**3)
PHANTOM = Occupancy((), 0, utilization_max_ratio=1.0)


class Looks:
    """A probe that sees what the test tells it to, the last of it for ever."""

    def __init__(self, *looks: Occupancy | None) -> None:
        self.left = list(looks)
        self.count = 0

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        self.count += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


class Moody(ScriptedDriver):
    """Looks ready or not as the test tells it, the last of it for ever."""

    def __init__(self, world: ScriptedWorld, *moods: bool) -> None:
        super().__init__(world)
        self.moods = list(moods)

    async def probe(self, workload: Workload) -> Readiness:
        ready = self.moods.pop(0) if len(self.moods) > 1 else self.moods[0]
        return Readiness(ready, "as told")


class Endless(ScriptedDriver):
    """Never says that anything has ended."""

    async def stop(self, workload: Workload, grace_s: float) -> None:
        await asyncio.Future()


class Tuner:
    """A card that takes profiles, or does not."""

    def __init__(self, refusal: str = "", *, hangs: bool = False) -> None:
        self.done: list[str] = []
        self.refusal = refusal
        self.hangs = hangs

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        await self._take(profile)

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        await self._take("neutral")

    async def derate(self, gpus: tuple[str, ...], profile: str, step: int) -> None:
        await self._take(f"{profile} -{step}")

    async def _take(self, profile: str) -> None:
        if self.hangs:
            await asyncio.Future()
        if self.refusal:
            raise TuneError(self.refusal)
        self.done.append(profile)


Performed = tuple[Event, float]
"""How an effect ended, and after how many virtual seconds."""


async def perform(hands: Performer, effect: Effect) -> Performed:
    said = list[Event]()
    began_s = asyncio.get_running_loop().time()
    await hands.perform(effect, said.append)
    (event,) = said
    return event, asyncio.get_running_loop().time() - began_s


def performed(
    effect: Effect, *workloads: Workload, alive: tuple[Workload, ...] = (), **parts: Any
) -> Performed:
    """Perform one effect on a world where these are alive."""

    async def scenario() -> Performed:
        world = ScriptedWorld()
        for one in alive:
            world.launch(one)
        return await perform(performer(group(*workloads), world, **parts), effect)

    return run(scenario())


ETC = workload("etc")


@pytest.mark.parametrize(
    ("effect", "script", "reason"),
    [
        (Prepare(5, "etc"), {"prepare_fails": "image absent"}, "image absent"),
        (Drain(5, "etc"), {"drain_fails": True}, "g0.etc: cannot drain"),
        (Start(5, "etc"), {"start_fails": "no such file"}, "no such file"),
        (Start(5, "etc"), {"half_start": True}, "g0.etc: cannot start"),
        (Probe(5, "etc"), {"probe_fails": "wrong model"}, "wrong model"),
    ],
)
def test_a_drivers_refusal_is_a_failure_with_its_reason(
    effect: Effect, script: dict[str, Any], reason: str
) -> None:
    one = workload("etc", **script)
    alive = (one,) if isinstance(effect, Probe) else ()
    assert performed(effect, one, alive=alive)[0] == Failed(5, reason)


@pytest.mark.parametrize(
    ("effect", "script", "limit_s"),
    [
        (Prepare(5, "etc"), {"prepare_s": 1e6}, DEADLINES.prepare_s),
        (Drain(5, "etc"), {"drain_hangs": True}, DEADLINES.drain_s),
        (Start(5, "etc"), {"start_s": 1e6}, DEADLINES.start_s),
        (Probe(5, "etc"), {"never_ready": True}, DEADLINES.probe_s),
    ],
)
def test_every_effect_has_a_deadline(
    effect: Effect, script: dict[str, Any], limit_s: float
) -> None:
    one = workload("etc", **script)
    alive = (one,) if isinstance(effect, Probe | Drain) else ()
    event, took_s = performed(effect, one, alive=alive)
    assert isinstance(event, Failed)
    assert event.reason.partition("; ")[0] == f"not done within {limit_s:g} s"
    assert took_s == pytest.approx(limit_s)


@pytest.mark.parametrize("effect", [Prepare(3, "etc"), Drain(3, "etc"), Start(3, "etc")])
def test_what_is_done_says_so_once(effect: Effect) -> None:
    assert performed(effect, ETC)[0] == Succeeded(3)


@pytest.mark.parametrize("make", [Prepare, Drain, Tune, Start, Probe])
def test_what_has_left_the_rigs_file_cannot_be_performed(
    make: Callable[[int, str], Effect],
) -> None:
    event, _ = performed(make(3, "gone"), ETC)
    assert event == Failed(3, "gone is no longer on this rig's list for the group")


# Stop.


def test_everything_of_the_group_is_stopped_known_or_not() -> None:
    async def scenario() -> tuple[Event, tuple[str, ...]]:
        world = ScriptedWorld()
        both = (workload("etc"), workload("llama", ignores_term=True))
        for one in both:
            world.launch(one)
        event, _ = await perform(performer(group(*both), world), Stop(4))
        return event, world.alive_on(GPU)

    assert run(scenario()) == (Succeeded(4), ())


def test_one_that_does_not_die_does_not_save_the_others() -> None:
    async def scenario() -> tuple[Event, tuple[str, ...]]:
        world = ScriptedWorld()
        patient = replace(DEADLINES, stop_s=20)
        both = (
            workload("etc", stop_hangs=True),
            replace(workload("llama", stop_s=9.0), deadlines=patient),
        )
        for one in both:
            world.launch(one)
        event, _ = await perform(performer(group(*both), world), Stop(4))
        return event, world.alive_on(GPU)

    event, left = run(scenario())
    assert isinstance(event, Failed)
    assert event.reason.startswith("g0.etc: still running after KILL; it may still hold GPU-0;")
    assert left == ("g0.etc",)


def test_each_is_given_up_after_its_own_time() -> None:
    offer = replace(workload("vast"), deadlines=replace(DEADLINES, stop_s=120.0))

    async def scenario() -> Performed:
        world = ScriptedWorld()
        world.launch(workload("etc"))
        hands = performer(group(workload("etc"), offer), world, driver=Endless(world))
        return await perform(hands, Stop(4))

    event, took_s = run(scenario())
    assert isinstance(event, Failed)
    assert event.reason.startswith(f"etc: not done within {DEADLINES.stop_s:g} s; ")
    assert took_s == pytest.approx(DEADLINES.stop_s)


def test_nothing_to_stop_is_stopped() -> None:
    assert performed(Stop(4), ETC)[0] == Succeeded(4)
    assert performed(Stop(4))[0] == Succeeded(4), "nor in a group that may run nothing"


# Vacate.


@pytest.mark.parametrize(
    ("looks", "count"),
    [
        ((EMPTY,), 2),
        ((HELD, EMPTY), 3),
        ((EMPTY, HELD, EMPTY), 4),
        ((EMPTY, None, EMPTY), 4),
        ((LEFTOVER, LEFTOVER, EMPTY), 4),
    ],
)
def test_gpus_are_empty_after_empty_looks_in_a_row(
    looks: tuple[Occupancy | None, ...], count: int
) -> None:
    probe = Looks(*looks)
    assert performed(Vacate(4, 0), ETC, probe=probe)[0] == Succeeded(4)
    assert probe.count == count


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (None, "GPU-0 could not be seen"),
        (HELD, "GPU-0: processes 77 hold them"),
        (LEFTOVER, "GPU-0: 8192 MiB are still held, by no process"),
        (PHANTOM, "GPU-0: 100% busy, with no process"),
        (replace(HELD, said="GPU-0: process 77 hangs"), "GPU-0: process 77 hangs"),
        (replace(EMPTY, unseen="it is lost"), "GPU-0 could not be seen: it is lost"),
    ],
)
def test_gpus_that_are_not_seen_empty_are_not_empty(look: Occupancy | None, reason: str) -> None:
    event, took_s = performed(Vacate(4, 0), ETC, probe=Looks(look))
    assert event == Failed(4, f"after {DEADLINES.vacate_s:g} s {reason}")
    assert took_s == pytest.approx(DEADLINES.vacate_s)


def test_looks_that_alternate_never_come_to_an_end_but_the_deadline() -> None:
    probe = Looks(*[EMPTY, HELD] * 1_000)
    assert isinstance(performed(Vacate(4, 0), ETC, probe=probe)[0], Failed)


def test_the_memory_floor_counts_per_gpu() -> None:
    just_below = Occupancy((), 1_500 * 1024 * 1024)
    assert performed(Vacate(4, 0), ETC, probe=Looks(just_below))[0] == Succeeded(4)
    above = Occupancy((), 1_500 * 1024 * 1024 + 1)
    assert isinstance(performed(Vacate(4, 0), ETC, probe=Looks(above))[0], Failed)


def test_one_held_gpu_of_eight_is_not_hidden_by_seven_empty_ones() -> None:
    async def scenario() -> Performed:
        world = ScriptedWorld()
        gone = workload("gone", memory_bytes=8 * 1024**3, keeps_memory=True)
        world.launch(gone)
        world.crash(gone.key)
        eight = replace(group(ETC), gpus=(GPU, *(f"GPU-{n}" for n in range(1, 8))))
        return await perform(performer(eight, world), Vacate(4, 0))

    event, _ = run(scenario())
    assert isinstance(event, Failed)
    assert "8192 MiB are still held" in event.reason


def test_a_group_that_may_run_nothing_can_be_emptied() -> None:
    assert performed(Vacate(4, 0), probe=Looks(HELD, HELD, EMPTY))[0] == Succeeded(4)


def test_gpus_are_made_neutral_first() -> None:
    tuner = Tuner()
    assert performed(Vacate(4, 0), ETC, tuner=tuner)[0] == Succeeded(4)
    assert tuner.done == ["neutral"]
    event, _ = performed(Vacate(4, 0), ETC, tuner=Tuner("clocks read back 1740 MHz"))
    assert event == Failed(4, "clocks read back 1740 MHz")


@pytest.mark.parametrize(("restarts", "least_s", "most_s"), [(1, 0.5, 1), (3, 2, 4), (9, 15, 30)])
def test_a_restart_waits_ever_longer_up_to_a_limit(
    restarts: int, least_s: float, most_s: float
) -> None:
    _, at_once_s = performed(Vacate(4, 0), ETC)
    event, took_s = performed(Vacate(4, restarts), ETC)
    assert event == Succeeded(4), "the pause does not count against the deadline"
    assert least_s <= took_s - at_once_s <= most_s <= BACKOFF_MAX_S


def test_a_tuner_that_hangs_is_no_excuse_for_a_long_quarantine() -> None:
    event, took_s = performed(Vacate(4, 0), ETC, tuner=Tuner(hangs=True))
    assert event == Failed(4, f"after {DEADLINES.vacate_s:g} s GPU-0 could not be made neutral")
    assert took_s == pytest.approx(DEADLINES.vacate_s)


# Start.


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (None, "GPU-0 could not be seen"),
        (HELD, "GPU-0: processes 77 hold them"),
        (LEFTOVER, "GPU-0: 8192 MiB are still held, by no process"),
    ],
)
def test_nothing_starts_on_gpus_that_are_not_empty_any_more(
    look: Occupancy | None, reason: str
) -> None:
    async def scenario() -> tuple[Event, tuple[str, ...]]:
        world = ScriptedWorld()
        event, _ = await perform(performer(group(ETC), world, probe=Looks(look)), Start(4, "etc"))
        return event, world.alive_on(GPU)

    assert run(scenario()) == (Failed(4, f"the GPUs are not empty any more: {reason}"), ())


def test_a_start_that_is_repeated_is_not_held_up_by_the_workload_itself() -> None:
    assert performed(Start(4, "etc"), ETC, alive=(ETC,))[0] == Succeeded(4)


# Probe.


def test_proven_is_what_looks_ready_for_the_whole_proving_time() -> None:
    event, took_s = performed(Probe(4, "etc"), ETC, alive=(ETC,))
    assert event == Succeeded(4)
    assert took_s >= ETC.readiness.hold_s


def test_a_break_begins_the_proving_time_anew() -> None:
    async def scenario() -> Performed:
        world = ScriptedWorld()
        one = workload("etc", hold_s=4.0)
        world.launch(one)
        moods = [True] * 4 + [False] + [True]
        return await perform(
            performer(group(one), world, driver=Moody(world, *moods)), Probe(4, "etc")
        )

    event, took_s = run(scenario())
    assert event == Succeeded(4)
    assert took_s > 4.0 + 4 * rhythm.PAUSE_MIN_S


def test_a_workload_that_is_ready_now_and_then_is_not_proven() -> None:
    async def scenario() -> Performed:
        world = ScriptedWorld()
        world.launch(ETC)
        driver = Moody(world, *[True, True, False] * 1_000)
        return await perform(performer(group(ETC), world, driver=driver), Probe(4, "etc"))

    assert run(scenario())[0] == Failed(4, f"not done within {DEADLINES.probe_s:g} s; as told")


def test_a_workload_that_exits_while_it_is_probed_has_failed_at_once() -> None:
    one = workload("etc", never_ready=True, exit_after_s=3.0)
    event, took_s = performed(Probe(4, "etc"), one, alive=(one,))
    assert event == Failed(4, "it exited: ended by itself")
    assert took_s < DEADLINES.probe_s


def test_no_proving_time_needs_one_look() -> None:
    one = workload("etc", hold_s=0.0)
    assert performed(Probe(4, "etc"), one, alive=(one,)) == (Succeeded(4), 0.0)


# Watch.


def test_what_is_alive_is_found_whoever_started_it() -> None:
    async def scenario() -> frozenset[str]:
        world = ScriptedWorld()
        both = (workload("etc"), workload("llama"))
        world.launch(both[1])
        return await performer(group(*both), world).alive()

    assert run(scenario()) == {"llama"}
