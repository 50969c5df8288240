"""One seed from start to rest: build the world, let it misbehave, then see that it recovers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agent import journal
from agent.core import rhythm
from controller import sessions
from controller.core.model import GroupKey, GroupView
from controller.core.policy.contract import ContractSettings
from controller.fleet import Fleet
from tests.sim import clock, disk
from tests.sim.attacks import Attacker
from tests.sim.checks import contracts as promises
from tests.sim.checks import rest as checks
from tests.sim.drawing import draw
from tests.sim.faults import CALM_S, Schedule
from tests.sim.headquarters import SimController
from tests.sim.misfortune import arrange
from tests.sim.network import SimNetwork, Weather
from tests.sim.rigs import EXPIRY_S, SimMachine
from tests.sim.signatures import KnownSigner
from tests.sim.trace import Trace
from tests.sim.witness import Witness
from wire.model import Assignment, Phase
from wire.signing import KEY_BYTES

REST_S_MAX = 240.0
"""Once nothing goes wrong any more, everything rests after at most this long, virtual seconds."""

LOOK_INTERVAL_S = 0.5
LOOKS_AT_REST = 2
"""So many looks in a row must find everything at rest."""

OUTCOMES_MAX = 100_000

PAUSE_S = 0.25
"""Between two looks at something that changes by itself: virtual time is not to be saved."""

COMPACT_LINES = 6
"""A journal longer than this is written anew."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one seed came to."""

    seed: int
    virtual_s: float
    assignments: int
    results: dict[str, int]
    mishaps: int
    deaths: int
    trace: str
    """Hash of everything that was planned and made durable, with its instant."""


def simulate(seed: int) -> Report:
    """Run one seed. Raises `ViolationError` when a promise is broken."""
    with disk.mounted(), _in_the_small():
        return clock.run(_Scenario(draw(seed)).run())


@contextmanager
def _in_the_small() -> Iterator[None]:
    """Limits are so low that they are met within a simulation, and looks no more than it needs."""
    kept = journal.COMPACT_LINES, sessions.TTL_S, rhythm.PAUSE_MIN_S
    journal.COMPACT_LINES, sessions.TTL_S, rhythm.PAUSE_MIN_S = COMPACT_LINES, EXPIRY_S, PAUSE_S
    try:
        yield
    finally:
        journal.COMPACT_LINES, sessions.TTL_S, rhythm.PAUSE_MIN_S = kept


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Scenario:
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._trace = Trace(_now)
        self._witness = Witness(_now)

    async def run(self) -> Report:
        self._build()
        lives = [asyncio.create_task(life.live()) for life in self._lives()]
        for mishap in self._schedule.mishaps:
            arrange(mishap, self._controller, self._machines, self._attacker)
        for life in self._lives():
            asyncio.get_running_loop().call_at(CALM_S, life.calm)
        try:
            await self._until_rest(lives)
            ended = self._controller.store.outcomes(limit=OUTCOMES_MAX)
            self._witness(checks.ended_once(self._fleet.assignments, ended))
        finally:
            for task in lives:
                task.cancel()
            await asyncio.gather(*lives, return_exceptions=True)
        return self._report()

    def _build(self) -> None:
        schedule, seed = self._schedule, self._schedule.seed
        network = SimNetwork(Weather(random.Random(f"{seed}/net"), schedule), _now)
        signer = KnownSigner(random.Random(f"{seed}/key").randbytes(KEY_BYTES))
        self._controller = SimController(schedule, network, signer, self._trace, self._witness)
        self._machines = {
            name: SimMachine(
                name,
                schedule,
                network,
                self._controller.store,
                signer,
                self._trace,
                self._witness,
            )
            for name in schedule.rig_names
        }
        self._attacker = Attacker(
            network, random.Random(f"{seed}/attack"), signer, self._newest, self._known
        )

    def _lives(self) -> Iterator[SimController | SimMachine]:
        yield self._controller
        yield from self._machines.values()

    # Rest.

    async def _until_rest(self, lives: list[asyncio.Task[None]]) -> None:
        resting = 0
        while resting < LOOKS_AT_REST:
            await self._pass(lives)
            if _now() < CALM_S:
                continue
            unrest = list(self._unrest())
            resting = 0 if unrest else resting + 1
            if _now() > CALM_S + REST_S_MAX:
                self._witness(f"no rest: {'; '.join(unrest)}")
            self._repair()

    async def _pass(self, lives: list[asyncio.Task[None]]) -> None:
        """Let time pass and look; a life that ends is a checker's cry or a bug."""
        await asyncio.sleep(LOOK_INTERVAL_S)
        if self._witness.first is not None:
            raise self._witness.first
        for life in lives:
            if life.done():
                life.result()
        for machine in self._machines.values():
            machine.look()

    def _unrest(self) -> Iterator[str]:
        """What keeps the fleet from being at rest as assigned."""
        views = self._controller.fleet.views() if self._controller.fleet is not None else ()
        if {view.key.rig for view in views} != set(self._machines):
            yield "some rig has not said hello"
        for view in views:
            if problem := self._trouble(view):
                yield f"{view.key}: {problem}"
        yield from filter(None, map(self._unkept, self._controller.owed()))

    def _trouble(self, view: GroupView) -> str:
        machine = self._machines[view.key.rig]
        state = machine.state(view.key.group)
        if state is None or not view.online:
            return "is away"
        stored = self._fleet.assignments.get(view.key)
        remembered = stored.assignment.generation if stored is not None else 0
        awake = machine.hardware.awake(view.key.group)
        asleep = machine.hardware.alive(view.key.group) - awake
        own = [w for g in machine.settings.groups if g.name == view.key.group for w in g.workloads]
        return (
            checks.agreed(state, remembered)
            or checks.as_assigned(state, sorted(awake), view.assigned)
            or checks.known_to_sleep(state, asleep)
            or checks.served(own, state.active, machine.balancer.sends_to)
        )

    def _unkept(self, contract: ContractSettings) -> str:
        """What a customer misses without being told."""
        reconciler = self._controller.reconciler
        plan = reconciler.newest if reconciler is not None else None
        states = [
            (machine.state(group.name), machine.hardware.awake(group.name), len(group.gpus))
            for machine in self._machines.values()
            for group in machine.settings.groups
        ]
        serving = sum(
            gpus
            for state, awake, gpus in states
            if state is not None and state.desired.committed and contract.workload in awake
        )
        return promises.honoured(contract, serving, () if plan is None else plan.contracts)

    def _repair(self) -> None:
        """Once nothing goes wrong any more, an operator brings back what has failed."""
        for machine in self._machines.values():
            machine.hardware.world.clean()
            for group in machine.settings.groups:
                state = machine.state(group.name)
                if state is not None and state.phase is Phase.FAILED:
                    self._controller.repair(GroupKey(machine.name, group.name))

    # What others ask.

    @property
    def _fleet(self) -> Fleet:
        assert self._controller.fleet is not None
        return self._controller.fleet

    def _newest(self, rig: str, group: str) -> int:
        durable = self._machines[rig].journals[group].durable
        return durable.desired.generation if durable is not None else 0

    def _known(self, rig: str, assignment: Assignment) -> None:
        self._controller.store.known(GroupKey(rig, assignment.group), assignment)

    def _report(self) -> Report:
        ended = self._controller.store.outcomes(limit=OUTCOMES_MAX)
        return Report(
            seed=self._schedule.seed,
            virtual_s=_now(),
            assignments=len(ended),
            results=dict(Counter(str(entry.outcome.result) for entry in ended)),
            mishaps=len(self._schedule.mishaps),
            deaths=sum(life.deaths for life in self._lives()),
            trace=self._trace.digest,
        )
