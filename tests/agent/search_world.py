"""The world of the exhaustive search: who is awake on a group's GPUs, who sleeps there.

How effects end in it, and what can befall a sleeper; `tests.agent.test_machine_search` walks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.bedside import WATCHED
from agent.core import machine, parking
from agent.core.effects import Drain, Effect, Probe, Start, Stop, Vacate, Watch
from agent.core.model import (
    Bound,
    Event,
    Failed,
    Parked,
    State,
    Succeeded,
    Tripped,
    Unparked,
)
from wire.model import Phase

NOBODY: frozenset[str] = frozenset()


class ViolationError(AssertionError):
    """A promise was broken."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Misfortune that may still happen."""

    assignments: int
    faults: int
    crashes: int
    exits: int
    trips: int
    lapses: int
    derates: int = 0
    locks: int = 0
    naps: int = 0
    """Sleepers that wake by themselves, or die."""


@dataclass(frozen=True, slots=True)
class World:
    """Workloads with processes on the group's GPUs."""

    awake: frozenset[str] = NOBODY
    asleep: frozenset[str] = NOBODY
    astray: frozenset[str] = NOBODY
    """Slept, and woke by themselves. Nobody is to blame for that, but they must go."""

    @property
    def there(self) -> frozenset[str]:
        """All of them."""
        return self.awake | self.asleep | self.astray

    def without(self, name: str) -> World:
        """Once this one has ended."""
        gone = frozenset({name})
        return World(self.awake - gone, self.asleep - gone, self.astray - gone)

    def empty_but(self, sleeper: str | None) -> bool:
        """Whether nothing is there but this one, asleep."""
        return self == World(asleep=frozenset({sleeper} if sleeper is not None else ()))


@dataclass(frozen=True, slots=True)
class Situation:
    """The machine, the world beside it, and what may still go wrong."""

    state: State
    world: World
    budget: Budget


Answered = tuple[bool, World, Event]
"""What an effect or a look comes to: whether by a fault, the world after it, and the event."""


def answers(situation: Situation) -> Iterator[Answered]:
    """How what the agent does in this phase can end; what goes well comes first."""
    state, world = situation.state, situation.world
    yield from _looks(state, world)
    ticket = state.ticket
    match machine.effect(state):
        case None | Watch():
            if state.phase is Phase.RUNNING and state.derate:
                yield True, world, Failed(ticket, "the power limit could not be lowered")
        case Stop() as stop:
            yield from _stopped(stop, world)
        case Vacate(sleeper=sleeper):
            empty = world.empty_but(sleeper)
            if empty:
                yield False, world, Succeeded(ticket)
            yield empty, world, Failed(ticket, "not empty")
        case Start() as start:
            yield from _started(start, world)
        case Probe(workload=name):
            if name in world.awake:
                yield False, world, Succeeded(ticket)
            yield name in world.awake, world, Failed(ticket, "not ready")
        case effect:
            yield from _plainly(effect, situation)


def sleeper_of(state: State) -> str | None:
    """Who sleeps by the journal, beside what runs."""
    return None if parking.wakes(state) else state.parked


def _plainly(effect: Effect | None, situation: Situation) -> Iterator[Answered]:
    state, world = situation.state, situation.world
    yield False, world, Succeeded(state.ticket)
    lockable = situation.budget.locks or state.lock is not None
    if isinstance(effect, Drain) and effect.heeds_lock and lockable:
        yield True, world, Bound(state.ticket, "rented")
    else:
        yield True, world, Failed(state.ticket, "fault")


def _looks(state: State, world: World) -> Iterator[Answered]:
    """The look at the sleeper: it ends one that does not sleep, or finds it gone."""
    name = sleeper_of(state)
    if name is None or state.phase not in WATCHED or name in world.asleep:
        return
    yield False, world.without(name), Unparked(name, "it is awake")
    if name in world.astray:
        yield True, world, Tripped("it is awake and does not end")


def _stopped(stop: Stop, world: World) -> Iterator[Answered]:
    name = stop.sleeper
    able = name is not None and name in (world.awake if stop.lull else world.asleep)
    if able:
        alone = World(asleep=frozenset({name or ""}))
        yield False, alone, Parked(stop.ticket)
        yield True, World(world.awake - alone.asleep, alone.asleep), Failed(stop.ticket, "stuck")
    # Whoever does not prove that it sleeps is ended like all others.
    yield able, World(), Succeeded(stop.ticket)
    yield True, world, Failed(stop.ticket, "it would not stop")


def _started(start: Start, world: World) -> Iterator[Answered]:
    name, strangers = start.workload, world.asleep - {start.sleeper}
    if world.awake or strangers:
        raise ViolationError(f"{name} is started while {world} holds the GPUs")
    if not world.empty_but(start.sleeper):
        # The look before the start finds a sleeper that is awake, or gone.
        yield False, world, Failed(start.ticket, "not empty any more")
        return
    begun = World(frozenset({name}), world.asleep - {name})
    yield False, begun, Succeeded(start.ticket)
    yield True, world, Failed(start.ticket, "did not start")
    yield True, begun, Failed(start.ticket, "half started")


def naps(situation: Situation, left: Budget) -> Iterator[Situation]:
    """A sleeper wakes by itself, or dies."""
    world = situation.world
    for name in world.asleep:
        gone = world.without(name)
        yield replace(situation, world=gone, budget=left)
        astray = replace(gone, astray=gone.astray | {name})
        yield replace(situation, world=astray, budget=left)
