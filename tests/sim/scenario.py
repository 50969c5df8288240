"""One seed from start to rest: build the world, let it misbehave, then see that it recovers."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.sim import checks, clock
from tests.sim.faults import Network, Schedule, draw
from tests.sim.headquarters import SimController
from tests.sim.rigs import SimMachine, Trace
from wire.memory import MemoryNetwork
from wire.model import Phase
from wire.signing import Signer

REST_S_MAX = 900.0
"""Once nothing goes wrong any more, everything rests after at most this long, virtual seconds."""

LOOK_INTERVAL_S = 5.0


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed came to."""

    seed: int
    virtual_s: float
    assignments: int
    results: dict[str, int]
    deaths: int
    trace: str
    """Hash of everything that was planned and made durable, with its instant."""


def simulate(seed: int) -> Report:
    """Run one seed. Raises `ViolationError` when a promise is broken."""
    return clock.run(_Scenario(draw(seed)).run())


class _Scenario:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._trace = Trace([], lambda: asyncio.get_running_loop().time())

    async def run(self) -> Report:
        schedule = self._schedule
        network = MemoryNetwork(
            Network(
                rng=random.Random(f"{schedule.seed}/net"),
                loss=schedule.loss,
                repeat=schedule.repeat,
                delay_s=schedule.delay_s,
                partitions=schedule.partitions,
                calm_s=schedule.calm_s,
            )
        )
        signer = Signer(random.Random(f"{schedule.seed}/key").randbytes(32))
        self._controller = SimController(schedule, network, signer, self._trace)
        self._machines = {
            name: SimMachine(name, schedule, network, signer.public_key, self._trace)
            for name in schedule.rig_names
        }
        lives = [asyncio.create_task(life.live()) for life in self._lives()]
        self._set_timers()
        try:
            await self._until_rest(lives)
            self._check_end()
        finally:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
        return self._report()

    def _lives(self) -> Iterator[SimController | SimMachine]:
        yield self._controller
        yield from self._machines.values()

    def _set_timers(self) -> None:
        schedule, controller, machines = self._schedule, self._controller, self._machines
        for at, who in schedule.kills:
            self._at(at, (controller if who == "controller" else machines[who]).kill)
        for at, who in schedule.reboots:
            self._at(at, machines[who].boot)
        for at, who in schedule.exits:
            self._at(at, machines[who].crash_workloads)
        for start, end, who in schedule.disk_full:
            self._at(start, self._refuse(who, "No space left on device"))
            self._at(end, self._refuse(who, None))
        for start, end, who in schedule.hot:
            self._at(start, lambda who=who: setattr(machines[who].eyes, "hot", True))
            self._at(end, lambda who=who: setattr(machines[who].eyes, "hot", False))
        for start, end, who in schedule.blind:
            gpu = f"{who}-gpu0"
            self._at(start, lambda who=who, gpu=gpu: machines[who].world.hide(gpu))
            self._at(end, lambda who=who, gpu=gpu: machines[who].world.show(gpu))
        for at, by_s in schedule.wall_steps:
            self._at(at, lambda by_s=by_s: controller.step_wall_clock(by_s))
        for at in schedule.operator_s:
            self._at(at, controller.hold_something)

    def _at(self, at: float, action: Callable[[], object]) -> None:
        asyncio.get_running_loop().call_at(at, action)

    def _refuse(self, who: str, reason: str | None) -> Callable[[], None]:
        def act() -> None:
            if who == "controller":
                self._controller.store.refusal = reason
            else:
                self._machines[who].refuse(reason)

        return act

    async def _until_rest(self, lives: list[asyncio.Task[None]]) -> None:
        loop = asyncio.get_running_loop()
        await self._pass(lives, self._schedule.calm_s)
        resting = 0
        while resting < 3:
            if loop.time() > self._schedule.calm_s + REST_S_MAX:
                raise checks.ViolationError(f"no rest: {'; '.join(self._unrest())}")
            await self._pass(lives, LOOK_INTERVAL_S)
            resting = 0 if any(True for _ in self._unrest()) else resting + 1

    async def _pass(self, lives: list[asyncio.Task[None]], seconds: float) -> None:
        """Let time pass; a life that ends is a checker's cry or a bug."""
        done, _ = await asyncio.wait(lives, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for life in done:
            life.result()

    def _unrest(self) -> Iterator[str]:
        """What keeps the fleet from being at rest as assigned."""
        fleet = self._controller.fleet
        if fleet is None or not fleet.views():
            yield "no fleet"
            return
        if {view.key.rig for view in fleet.views()} != set(self._machines):
            yield "some rig has not said hello"
        for view in fleet.views():
            rig = self._machines[view.key.rig].rig
            if rig is None or not view.online:
                yield f"{view.key} is away"
                continue
            state = rig.reactors[view.key.group].state
            if state.desired.generation != view.generation or state.outcomes:
                yield f"{view.key}: generation {view.generation}, rig {state.desired.generation}"
            elif not _at_rest(state.phase, state.active, view.assigned):
                yield f"{view.key}: {state.phase} {state.active}, assigned {view.assigned}"

    def _check_end(self) -> None:
        fleet = self._controller.fleet
        assert fleet is not None
        checks.ended_once(fleet.assignments, self._controller.store.outcomes(limit=100_000))
        for machine in self._machines.values():
            for group in machine.settings.groups:
                checks.exclusive(group.gpus[0], machine.world.alive_on(group.gpus[0]))

    def _report(self) -> Report:
        ended = self._controller.store.outcomes(limit=100_000)
        results: dict[str, int] = {}
        for entry in ended:
            results[entry.outcome.result] = results.get(entry.outcome.result, 0) + 1
        return Report(
            seed=self._schedule.seed,
            virtual_s=asyncio.get_running_loop().time(),
            assignments=len(ended),
            results=results,
            deaths=sum(life.deaths for life in self._lives()),
            trace=hashlib.sha256("\n".join(self._trace.lines).encode()).hexdigest(),
        )


def _at_rest(phase: Phase, active: str | None, assigned: str | None) -> bool:
    if phase is Phase.FAILED:
        return True
    return phase.stable and active == assigned
