"""Bugs planted in what keeps a locked group where it is, on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.core import lock, recovery
from agent.core.effects import Drain
from agent.core.model import Event, State
from agent.core.workload import Workload
from agent.performer import Emit, Performer
from agent.ports import Driver
from controller.core.model import GroupView, Hold
from controller.core.options import standing
from controller.core.options.standing import Standing
from tests.sim.mutants.planting import Mutant, Swaps


def _lock_ignored(swaps: Swaps) -> None:
    swaps.attribute(lock, "keeper", lambda state: None)


def _lock_unasked(swaps: Swaps) -> None:
    async def released(self: Performer, effect: Drain, emit: Emit) -> Event:
        return await self._attempt(effect, emit)

    swaps.attribute(Performer, "_released", released)


def _silence_frees(swaps: Swaps) -> None:
    asked = Performer._lock

    async def hopeful(self: Performer, driver: Driver, workload: Workload) -> str | None:
        return await asked(self, driver, workload) or ""

    swaps.attribute(Performer, "_lock", hopeful)


def _lock_forgotten(swaps: Swaps) -> None:
    resume = recovery.resume

    def forgetful(state: State, *others: Any, **more: Any) -> State:
        return resume(replace(state, lock=None), *others, **more)

    swaps.attribute(recovery, "resume", forgetful)


def _locked_moved(swaps: Swaps) -> None:
    sound = standing.standing

    def blind(view: GroupView, hold: Hold | None) -> Standing:
        status = view.status
        unlocked = status if status is None else replace(status, lock="")
        return sound(replace(view, status=unlocked), hold)

    swaps.attribute(standing, "standing", blind)


MUTANTS = (
    Mutant("lock-ignored", "a lock keeps the group", _lock_ignored),
    Mutant("lock-unasked", "only certainty lets a workload be stopped", _lock_unasked),
    Mutant("silence-frees", "silence ends no lock", _silence_frees),
    Mutant("lock-forgotten", "a lock outlives the agent", _lock_forgotten),
    Mutant("locked-moved", "no plan leaves what is locked", _locked_moved),
)
"""Each is found by the simulation."""
