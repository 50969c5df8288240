"""A demo vLLM parked for a demo miner and woken again: real processes, simulated GPUs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.bedside import Bedside
from agent.core.model import Assigned, Desired
from agent.core.workload import Deadlines, Park, Workload
from agent.demo.memory import SLEEPING_BYTES
from agent.drivers.http import Endpoint
from agent.drivers.launched import endpoint
from agent.gpu import simulated
from agent.gpu.untuned import Untuned
from agent.host import Host
from agent.journal import FileJournal
from agent.performer import Performer
from agent.reactor import Reactor
from agent.service import rig_clock
from agent.settings import GpuSettings, GroupSettings
from agent.telemetry import Telemetry
from tests.agent.groups import working
from tests.agent.looking import until
from tests.agent.test_servers_nap import VllmBench
from tests.parts.balancer import Balancer
from tests.parts.benches import GPUS, MinerBench
from tests.parts.programs import swept
from wire.model import Phase

DEADLINES = Deadlines(drain_s=20, park_s=20, stop_s=20, start_s=30, probe_s=60)


class Rig:
    """One group with a server that is parked, and a miner."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._benches = {"llm": VllmBench(directory), "etc": MinerBench(directory)}
        self._park = {"llm": Park.SLEEP_2}
        self.workloads = tuple(self._workload(name) for name in self._benches)
        self._generation = 0

    def _workload(self, name: str) -> Workload:
        found = self._benches[name].workload()
        readiness = replace(found.readiness, hold_s=0.2)
        return replace(
            found,
            name=name,
            park=self._park.get(name),
            deadlines=DEADLINES,
            readiness=readiness,
        )

    @property
    def api(self) -> Endpoint:
        """The server's own."""
        return endpoint(self.workloads[0])

    def close(self) -> None:
        for bench in self._benches.values():
            bench.close()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[tuple[Reactor, Bedside]]:
        """One life of an agent; what it started goes on."""
        gpu = GpuSettings(
            source="simulated",
            simulated_dir=self.directory / "gpus",
            fast_interval_s=0.05,
            slow_interval_s=0.1,
        )
        telemetry = Telemetry(gpu, GPUS, host=Host(self.directory, rig_clock), rig_time_s=rig_clock)
        group = GroupSettings(name="g", gpus=GPUS, workloads=self.workloads)
        performer = Performer(
            group,
            gpu,
            {bench.short_name: bench.driver() for bench in self._benches.values()},
            probe=telemetry,
            tuner=Untuned(),
            router=Balancer(),
            rng=random.Random(1),
        )
        journal = FileJournal(self.directory / "g.log")
        reactor = Reactor(
            "g", group.rules(), journal, performer, clock=rig_clock, changed=lambda: None
        )
        async with (
            working(asyncio.create_task(telemetry.run())),
            working(asyncio.create_task(reactor.run())),
        ):
            await until(lambda: reactor.resumed)
            yield reactor, Bedside(reactor, performer)
        journal.close()

    async def order(self, reactor: Reactor, workload: str | None) -> None:
        """Assign it and wait until the group rests."""
        self._generation += 1
        desired = Desired(generation=self._generation, order_id="o", workload=workload)
        reactor.post(Assigned(desired))
        await until(lambda: reactor.state.desired == desired and reactor.state.phase.stable)
        await until(lambda: reactor.state.active == workload and reactor.state.phase.stable)

    def claims(self) -> dict[str, tuple[int, bool, int]]:
        """By workload: pid, whether it sleeps, and bytes on the first GPU."""
        found = simulated.claims(self.directory / "gpus", GPUS[0])
        return {
            one.workload.partition(".")[2]: (one.pid, one.asleep, one.memory_bytes) for one in found
        }


def parked(reactor: Reactor) -> str | None:
    return reactor.state.parked


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with swept(tmp_path):
        rig = Rig(tmp_path)
        yield rig
        rig.close()


def test_a_server_sleeps_beside_a_miner_and_comes_back_with_its_weights(rig: Rig) -> None:
    async def scenario() -> None:
        async with rig.agent() as (reactor, _):
            await rig.order(reactor, "llm")
            server = rig.claims()["llm"][0]
            await rig.order(reactor, "etc")
            assert parked(reactor) == "llm"
            assert rig.claims()["llm"] == (server, True, SLEEPING_BYTES)
            assert not rig.claims()["etc"][1]
        async with rig.agent() as (reactor, bedside):
            assert parked(reactor) == "llm", "the next agent finds it asleep"
            assert reactor.state.phase is Phase.RUNNING
            await bedside.look()
            assert parked(reactor) == "llm"
            await rig.order(reactor, "llm")
            assert parked(reactor) is None
            (found,) = rig.claims().values()
            assert (found[0], found[1]) == (server, False), "the same process"
            await rig.order(reactor, None)
            assert rig.claims() == {}
        assert simulated.double_occupancies(rig.directory / "gpus") == 0

    asyncio.run(scenario())


def test_a_server_that_somebody_wakes_is_ended_beside_the_miner(rig: Rig) -> None:
    async def scenario() -> None:
        async with rig.agent() as (reactor, bedside):
            await rig.order(reactor, "llm")
            await rig.order(reactor, "etc")
            miner = rig.claims()["etc"]
            assert (await rig.api.post("/wake_up", timeout_s=30)).ok
            await bedside.look()
            await until(lambda: reactor.state.parked is None)
            assert rig.claims() == {"etc": miner}
            await rig.order(reactor, None)

    asyncio.run(scenario())
