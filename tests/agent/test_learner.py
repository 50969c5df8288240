"""The learner beside a whole rig: what it watches, when it waits, whom it tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from agent.core.learning import SETTLE_S, Lessons
from agent.learner import Learner
from tests.agent.groups import GPU, RigBench, until, workload
from tests.sim.clock import run
from wire import messages
from wire.model import GpuReading, Outcome, Phase, Result, Sample, WorkloadReading


class Page:
    """A memory that a test can look into."""

    def __init__(self) -> None:
        self.lessons: Lessons = {}

    def read(self) -> Lessons:
        return self.lessons

    def write(self, lessons: Lessons) -> None:
        self.lessons = lessons


class Watts:
    """A sampler: fresh looks at one GPU and at what the miner says."""

    def __init__(self, bench: RigBench) -> None:
        self._bench = bench
        self.power_w = 200.0
        self.ok = True

    def latest(self) -> Sample:
        told = WorkloadReading("g0", "etc", hashrate_hps=6e7, algorithm="etchash")
        active = self._bench.group.active
        return Sample(
            at_s=self._bench.clock(),
            ok=self.ok,
            gpus=(GpuReading(GPU, power_w=self.power_w),),
            workloads=(replace(told, workload=active),) if active else (),
        )


def learner(bench: RigBench, page: Page, heard: list[messages.Learned]) -> tuple[Learner, Watts]:
    watts = Watts(bench)

    async def tell(body: messages.Learned) -> None:
        heard.append(body)

    made = Learner(bench.settings, bench.rig.reactors, watts, page, tell)
    bench.rig.on_outcome(made.ended)
    return made, watts


def test_only_what_has_settled_is_learned_and_each_workload_apart() -> None:
    async def scenario() -> None:
        bench, page = RigBench(workload("etc"), workload("llama")), Page()
        async with bench.run():
            pupil, watts = learner(bench, page, [])
            watts.power_w = 15.0
            await looks(pupil, SETTLE_S + 35.0)
            await bench.order("etc", 1)
            await until(lambda: bench.group.phase is Phase.RUNNING)
            watts.power_w = 900.0
            await looks(pupil, SETTLE_S - 15.0)
            watts.power_w = 200.0
            await looks(pupil, 55.0)
            by_name = {entry.workload: entry for entry in pupil.measured()}
            still, etc = by_name[None].gpu_busy_w, by_name["etc"].gpu_busy_w
            assert still is not None
            assert etc is not None
            assert still.value == 15.0
            assert (etc.value, etc.spread) == (200.0, 0.0), "900 W were before it had settled"
            assert Phase.PROBING in dict(by_name["etc"].phase_s)
            assert "llama" not in by_name

    run(scenario())


async def looks(pupil: Learner, for_s: float) -> None:
    """A look every 10 s of virtual time."""
    for _ in range(int(for_s // 10) + 1):
        pupil.observe()
        await asyncio.sleep(10.0)


def test_the_same_look_counts_once_and_none_while_looking_fails() -> None:
    async def scenario() -> None:
        bench = RigBench(workload("etc"))
        async with bench.run():
            pupil, watts = learner(bench, Page(), [])
            await looks(pupil, SETTLE_S - 20.0)
            watts.ok = False
            await looks(pupil, 100.0)
            assert pupil.measured() == ()
            watts.ok = True
            for _ in range(5):
                pupil.observe()
            figure = pupil.measured()[0].gpu_busy_w
            assert figure is not None
            assert figure.samples == 1

    run(scenario())


def test_another_profile_is_another_lesson() -> None:
    async def scenario() -> None:
        page = Page()
        bench = RigBench(workload("etc", profile="eco"))
        async with bench.run():
            pupil, _ = learner(bench, page, [])
            pupil.ended("g0", switch_to("etc"))
            assert [entry.profile for entry in pupil.measured()] == ["eco"]
            await pupil.share()
        changed = RigBench(workload("etc", profile="neutral"))
        async with changed.run():
            pupil, _ = learner(changed, page, [])
            assert pupil.measured() == (), "what eco drew says nothing of neutral"

    asyncio.run(scenario())


def switch_to(name: str) -> Outcome:
    return Outcome("o", "g0", 1, Result.DONE, None, name, ((Phase.STARTING, 2.0),))


def test_what_was_learned_is_written_and_told_and_outlives_the_agent() -> None:
    async def scenario() -> None:
        bench, page, heard = RigBench(workload("etc")), Page(), list[messages.Learned]()
        async with bench.run():
            pupil, _ = learner(bench, page, heard)
            pupil.ended("g0", switch_to("etc"))
            await pupil.share()
            told = heard[0].measured
            assert [entry.workload for entry in told] == ["etc"]
            again, _ = learner(bench, page, heard)
            assert again.measured() == told

    asyncio.run(scenario())


def test_the_uplink_says_it_only_while_the_controller_is_heard() -> None:
    async def scenario() -> None:
        bench = RigBench(workload("etc"), boot_grace_s=300.0)
        async with bench.run():
            await bench.rig.uplink.tell(messages.Learned(()))
            await asyncio.sleep(1.0)
            assert not bench.bodies(messages.Learned)
            await bench.order(None, 1)
            await bench.rig.uplink.tell(messages.Learned(()))
            await until(lambda: bench.bodies(messages.Learned))

    run(scenario())
