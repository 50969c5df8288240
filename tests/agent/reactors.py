"""One reactor over a scripted world, for tests that give it facts and see what it makes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent.core.model import Assigned, Desired, Rules, State
from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.journal import MemoryJournal
from agent.reactor import Reactor
from tests.agent.groups import GPU, group, performer, until, working, workload
from wire.model import Outcome, Phase

RULES = Rules(allowed=frozenset({"etc", "llama"}))
FULL = "No space left on device"


class CountingJournal(MemoryJournal):
    """Counts how often it is asked to write."""

    def __init__(self) -> None:
        super().__init__()
        self.attempts = 0
        self.refused_after: Phase | None = None
        """The disk is full as soon as this phase is written."""

    def append(self, state: State) -> None:
        self.attempts += 1
        super().append(state)
        if state.phase is self.refused_after:
            self.refusal = FULL


class Bench:
    """One reactor over a scripted world."""

    def __init__(
        self,
        *workloads: Workload,
        rules: Rules = RULES,
        driver: type[ScriptedDriver] = ScriptedDriver,
        world: ScriptedWorld | None = None,
        journal: CountingJournal | None = None,
    ) -> None:
        self.world = world or ScriptedWorld()
        self.driver = driver(self.world)
        self.journal = journal or CountingJournal()
        self.ended: list[tuple[str, Outcome]] = []
        self.changes = 0
        listed = workloads or (workload("etc"), workload("llama"))
        self.reactor = Reactor(
            "g0",
            rules,
            self.journal,
            performer(group(*listed), self.world, driver=self.driver),
            clock=lambda: asyncio.get_running_loop().time(),
            changed=self._changed,
        )
        self.reactor.on_outcome = lambda group, outcome: self.ended.append((group, outcome))

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Bench]:
        async with working(asyncio.create_task(self.reactor.run())):
            await asyncio.sleep(0.1)
            yield self

    @property
    def phase(self) -> Phase:
        return self.reactor.state.phase

    def assign(self, workload: str | None, generation: int = 1) -> None:
        self.reactor.post(Assigned(Desired(generation=generation, workload=workload)))

    async def reach(self, phase: Phase) -> None:
        await until(lambda: self.phase is phase)

    def alive(self) -> tuple[str, ...]:
        return self.world.alive_on(GPU)

    async def pids(self) -> tuple[int, ...]:
        look = await self.world.occupancy((GPU,))
        assert look is not None
        return look.pids

    def _changed(self) -> None:
        self.changes += 1
