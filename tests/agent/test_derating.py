"""Derating: set before the watch, told when it cannot be set, never left on for a start."""

from __future__ import annotations

import asyncio

import pytest

from agent.core.effects import Watch
from agent.core.model import Event, Exited, Failed
from agent.drivers.scripted_world import ScriptedWorld
from agent.gpu.untuned import Untuned
from agent.ports import TuneError
from tests.agent.groups import DEADLINES, GPU, RigBench, group, performer, until, workload
from tests.agent.test_performer import Tuner, performed
from tests.sim.clock import run
from wire.model import Phase

ENDED = "ended by itself"


def test_a_derating_is_set_before_the_watch_and_only_then() -> None:
    tuner = Tuner()
    one = workload("etc", profile="eco", exit_after_s=3.0)
    assert performed(Watch(4, "etc", 2), one, alive=(one,), tuner=tuner)[0] == Exited(4, ENDED)
    assert tuner.done == ["eco -2"]
    performed(Watch(4, "etc"), one, alive=(one,), tuner=tuner)
    assert tuner.done == ["eco -2"], "what was never derated is left as it was tuned"


@pytest.mark.parametrize(
    ("tuner", "reason"),
    [
        (Tuner("no permission"), "no permission"),
        (Tuner(hangs=True), f"not done within {DEADLINES.tune_s:g} s"),
    ],
)
def test_a_derating_that_fails_is_told_and_the_watch_goes_on(tuner: Tuner, reason: str) -> None:
    one = workload("etc", exit_after_s=9.0)
    told = list[Event]()

    async def scenario() -> None:
        world = ScriptedWorld()
        world.launch(one)
        await performer(group(one), world, tuner=tuner).perform(Watch(4, "etc", 1), told.append)

    run(scenario())
    assert told == [Failed(4, reason), Exited(4, ENDED)]


def test_a_rig_whose_limits_are_not_the_agents_says_so() -> None:
    async def scenario() -> None:
        await Untuned().derate((GPU,), "neutral", 0)
        with pytest.raises(TuneError, match="changes no power limits"):
            await Untuned().derate((GPU,), "neutral", 1)

    run(scenario())


def test_a_hot_rig_that_can_be_derated_goes_on_mining_and_recovers() -> None:
    async def scenario() -> None:
        bench = RigBench(tuner=Tuner())
        async with bench.run():
            await bench.order("etc", 1)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            bench.eyes.temperature_c = 92.0
            await until(lambda: bench.group.derate == 1)
            bench.eyes.temperature_c = 70.0
            await asyncio.sleep(60.0)
            assert (bench.group.phase, bench.group.derate) == (Phase.RUNNING, 1)
            await until(lambda: bench.group.derate == 0)
            assert bench.rig.reactors["g0"].safety_actions == {"derate": 1, "restore": 1}
            assert bench.world.alive_on(GPU) == ("g0.etc",)

    run(scenario())


def test_what_no_derating_cools_is_stopped() -> None:
    async def scenario() -> None:
        bench = RigBench(tuner=Tuner())
        async with bench.run():
            await bench.order("etc", 1)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            bench.eyes.temperature_c = 92.0
            await until(lambda: bench.group.phase is Phase.FAILED)
            assert bench.group.reason == (
                "GPU-0: GPU at 92 °C, limit 90 °C, even after 4 steps of derating"
            )
            assert bench.rig.reactors["g0"].safety_actions == {"derate": 4, "stop": 1}

    run(scenario())


def test_an_agent_that_starts_again_sets_the_derating_again() -> None:
    async def scenario() -> None:
        bench, tuner = RigBench(tuner=Tuner()), Tuner()
        async with bench.run():
            await bench.order("etc", 1)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            bench.eyes.temperature_c = 92.0
            await until(lambda: bench.group.derate == 1)
        bench.tuner = tuner
        async with bench.run():
            await until(lambda: tuner.done)
            assert tuner.done[0] == "neutral -1"
            assert bench.group.phase is Phase.RUNNING

    run(scenario())
