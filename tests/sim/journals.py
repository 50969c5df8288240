"""The shipped journal on a simulated disk; every line is checked against the truth."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from agent.core.model import Rules, State
from agent.journal import FileJournal
from agent.ports import JournalError
from tests.sim.checks import rig as checks
from tests.sim.disk import PowerCutError, SimDisk
from tests.sim.hardware import Hardware, now_s
from tests.sim.witness import Witness
from wire.model import Assignment, Outcome, Phase

WRITTEN_MAX = 100
"""Lines that are remembered, more than a file holds."""

VACANT_SAMPLES = 2
"""So many looks must find a group's GPUs empty."""

HOLD_S = 1.5
"""Proving time of every workload."""


class Surroundings(Protocol):
    """What the checks must know of the journal's machine."""

    dead: bool
    """The agent was killed; what is left of it must write nothing more."""

    hardware: Hardware

    def die(self) -> None:
        """The agent dies: its disk said so."""

    def forget(self) -> None:
        """The rig's memory is not what it was, and that is no fault of its own."""

    def overdue_s(self) -> float:
        """Seconds since the rig's lease ran out; negative before, 0 when the disk had its say."""

    def ended(self, outcome: Outcome) -> None:
        """An assignment of the rig has ended."""

    def ordered(self, group: str, generation: int) -> Iterable[Assignment]:
        """What the controller ever made durable under this generation."""

    def note(self, text: str) -> None:
        """A line for the trace."""


class SimJournal:
    """Implements `agent.ports.Journal`."""

    def __init__(
        self, group: str, disk: SimDisk, rules: Rules, around: Surroundings, witness: Witness
    ) -> None:
        self.durable: State | None = None
        """The state that the agent takes to be durable: the newest line that it wrote or read."""
        self.assigned_s = 0.0
        """When the newest assignment came; it ends a lapse for a moment, even a late one."""
        self.stopped = ""
        """Why safety had stopped the group when the last agent died, if it had."""
        self.tampered = False
        """Somebody has been at the disk since the last agent died: nothing can be asked of it."""
        self.forgiven = False
        """What is loaded next need not be what was written: the disk was tampered with, or a
        safety stop came while it was full.
        """
        self._group = group
        self._disk = disk
        self._rules = rules
        self._around = around
        self._witness = witness
        self._possible: list[State | None] = [None]
        """What may be on the disk: the newest acknowledged state, or one that was tried since."""
        self._loaded: State | None = None
        self._written: deque[State | None] = deque(maxlen=WRITTEN_MAX)
        self._fresh = self._resumes = False
        """The next line is this life's first, and what it was loaded from can be trusted."""
        self._vacating_s = 0.0
        """Since when the GPUs may have been filled again: looks from before count no more."""
        self._file = FileJournal(disk.path(f"{group}.journal"))

    def load(self) -> State | None:
        """See `agent.ports.Journal`; by a process that has just started."""
        self._file = FileJournal(self._disk.path(f"{self._group}.journal"))
        try:
            loaded = self._file.load()
        except PowerCutError:
            self._around.die()
            raise
        if self.forgiven:
            self._witness(checks.believed(loaded, self._written))
        else:
            self._witness(checks.remembered(loaded, self._possible))
        if self.forgiven:
            # What was cut short in the midst of being spoiled can still come back.
            self._possible = [loaded] if self.tampered else [*self._possible, loaded]
            self._around.forget()
        self.stopped = "" if self.tampered else self.stopped
        self.tampered = False
        self._fresh, self._resumes = True, not self.forgiven
        self.forgiven = False
        self._loaded = self.durable = loaded
        self._vacating_s = now_s()
        return loaded

    def append(self, state: State) -> None:
        """See `agent.ports.Journal`."""
        if self._around.dead:
            raise PowerCutError
        before = self.durable
        self._possible.append(state)
        self._written.append(state)
        try:
            self._file.append(state)
        except PowerCutError:
            self._around.die()
            raise
        except JournalError:
            self._possible.pop()
            raise
        self.durable, self._possible, self.forgiven = state, [state], False
        self._around.note(f"{self._group} {state.phase} {state.target} {state.desired.generation}")
        self._check(before, state)

    def spoil(self) -> None:
        """See `agent.ports.Journal`."""
        self.forgiven = True
        try:
            self._file.spoil()
        except PowerCutError:
            self._around.die()
            raise

    def _check(self, before: State | None, state: State) -> None:
        witness, alive = self._witness, self._around.hardware.alive(self._group)
        generation = state.desired.generation
        witness(checks.generation_grows(before, state))
        if before is None or before.desired.generation != generation:
            self.assigned_s = now_s()
            witness(checks.ordered(state, self._around.ordered(self._group, generation)))
        witness(checks.bounded(state, self._rules))
        witness(checks.offline(state, self._rules))
        witness(checks.went_back(before, state))
        witness(checks.accounted(state, alive))
        witness(checks.emptied(before, state, self._around.hardware.stoppable(self._group)))
        witness(checks.stays_tripped(before, state))
        self._check_lock(before, state)
        witness(checks.concluded(state))
        if before is None or state.ticket != before.ticket:
            self._check_vacancy(state)
        witness(checks.leaves_failed(before, state))
        witness(checks.renewed_rightly(before, state, self._around.overdue_s()))
        proven = before is not None and before.phase is Phase.PROBING
        # What is locked has proven itself to whoever has a claim on it.
        if proven and state.phase is Phase.RUNNING and state.lock is None:
            age_s = self._around.hardware.age_s(self._group, state.active or "")
            witness(checks.held_through(state.active or "", age_s, HOLD_S))
        for outcome in state.outcomes:
            if self._fresh or before is None or outcome not in before.outcomes:
                self._around.ended(replace(outcome, group=self._group))
        if self._fresh:
            witness(checks.stop_stands(self.stopped, state))
        self._fresh, self.stopped = False, ""
        if self._resumes:
            self._resumes = False
            parked = self._loaded.parked if self._loaded is not None else None
            asleep = alive - self._around.hardware.awake(self._group)
            witness(checks.adopted(self._loaded, alive - (asleep & {parked}), state))

    def _check_lock(self, before: State | None, state: State) -> None:
        hardware = self._around.hardware
        locked = hardware.locked(self._group, state.active or "")
        self._witness(checks.lock_kept(before, state, locked=locked))
        # Who takes up its work has asked nobody yet: the lock is as the last agent left it.
        told = hardware.world.lock_told and not self._fresh
        self._witness(checks.lock_remembered(before, state, told=told))

    def _check_vacancy(self, state: State) -> None:
        if state.phase is Phase.VACATING:
            self._vacating_s = now_s()
        elif state.phase in (Phase.TUNING, Phase.STARTING):
            looks = self._around.hardware.empty_looks(self._group, self._vacating_s)
            self._witness(checks.seen_empty(looks, VACANT_SAMPLES))
