"""Planted bugs in how a server is parked, proven to sleep, and watched over."""

from __future__ import annotations

from dataclasses import replace

from agent.bedside import Bedside
from agent.core import machine, parking, road
from agent.core.model import Parked, Rules, State
from agent.ports import Occupancy
from agent.sleeper import Sleeper
from agent.vacancy import Vacancy
from tests.sim.mutants.planting import Mutant, Swaps
from wire.model import Phase


def _parked_undrained(swaps: Swaps) -> None:
    leave = parking.leave

    def hasty(state: State, reason: str, rules: Rules, *, drained: bool) -> State:
        return leave(state, reason, rules, drained=True)

    swaps.attribute(parking, "leave", hasty)


def _sleep_not_proven(swaps: Swaps) -> None:
    async def trust(self: Vacancy, sleeper: Sleeper, look: Occupancy) -> str:
        return ""

    swaps.attribute(Vacancy, "_beside", trust)


def _sleeper_unwatched(swaps: Swaps) -> None:
    async def nothing(self: Bedside) -> None:
        """It will sleep on."""

    swaps.attribute(Bedside, "look", nothing)


def _sleeper_memory_overlooked(swaps: Swaps) -> None:
    beside = Vacancy._beside

    async def by_processes(self: Vacancy, sleeper: Sleeper, look: Occupancy) -> str:
        return await beside(self, sleeper, replace(look, memory_used_max_bytes=0))

    swaps.attribute(Vacancy, "_beside", by_processes)


def _sleeper_kept_for_good(swaps: Swaps) -> None:
    swaps.attribute(road, "NOBODY_SLEEPS", frozenset())


def _sleeper_forgotten(swaps: Swaps) -> None:
    parked = machine.TABLE[Phase.STOPPING][Parked]

    def row(state: State, event: Parked, rules: Rules) -> State:
        return replace(parked(state, event, rules), parked=None)

    swaps.row(Phase.STOPPING, Parked, row)


MUTANTS = (
    Mutant("parked-undrained", "only a good drain leads to sleep", _parked_undrained),
    Mutant("sleep-not-proven", "nothing starts beside one that is awake", _sleep_not_proven),
    Mutant("sleeper-unwatched", "a sleeper that wakes is ended", _sleeper_unwatched),
    Mutant(
        "sleeper-memory-overlooked",
        "a sleeper holds no more than it may",
        _sleeper_memory_overlooked,
    ),
    Mutant("sleeper-kept-for-good", "every other end ends the sleeper", _sleeper_kept_for_good),
    Mutant("sleeper-forgotten", "the journal knows who sleeps", _sleeper_forgotten),
)
