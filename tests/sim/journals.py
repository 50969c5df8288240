"""The shipped journal on a simulated disk; every line that it takes is checked against the truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from agent.core.model import Rules, State
from agent.journal import FileJournal
from agent.ports import JournalError
from tests.sim import checks
from tests.sim.checks import Witness
from tests.sim.disk import PowerCutError, SimDisk
from wire.model import Assignment, Phase

HOLD_S = 2.0
"""Proving time of every workload."""


class Surroundings(Protocol):
    """What the checks must know of the journal's machine."""

    dead: bool
    """The agent was killed; what is left of it must write nothing more."""

    def die(self) -> None:
        """The agent dies: its disk said so."""

    def alive(self, group: str) -> frozenset[str]:
        """Workloads whose processes are on the group's GPUs."""

    def age_s(self, group: str, workload: str) -> float | None:
        """Seconds since its process started; none when there is none."""

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
        """The newest state that was acknowledged as durable."""
        self.forgiven = False
        """The disk was tampered with: what is loaded next is no fault of the journal's."""
        self._group = group
        self._disk = disk
        self._rules = rules
        self._around = around
        self._witness = witness
        self._tried: State | None = None
        self._loaded: State | None = None
        self._resumes = False
        self._file = FileJournal(disk.path(f"{group}.journal"))

    @property
    def refusal(self) -> str | None:
        """Why the disk takes nothing now."""
        return self._disk.refusal

    def load(self) -> State | None:
        """See `agent.ports.Journal`; by a process that has just started."""
        self._file = FileJournal(self._disk.path(f"{self._group}.journal"))
        try:
            loaded = self._file.load()
        except PowerCutError:
            self._around.die()
            raise
        if not self.forgiven:
            self._witness(checks.remembered(loaded, self.durable, self._tried))
        self._resumes = not self.forgiven
        self.forgiven = False
        self._loaded = self.durable = self._tried = loaded
        return loaded

    def append(self, state: State) -> None:
        """See `agent.ports.Journal`."""
        if self._around.dead:
            raise PowerCutError
        before, self._tried = self.durable, state
        try:
            self._file.append(state)
        except PowerCutError:
            self._around.die()
            raise
        except JournalError:
            self._tried = before
            raise
        self.durable = state
        self._around.note(f"{self._group} {state.phase} {state.target} {state.desired.generation}")
        self._check(before, state)

    def _check(self, before: State | None, state: State) -> None:
        witness, alive = self._witness, self._around.alive(self._group)
        generation = state.desired.generation
        witness(checks.generation_grows(before, state))
        if before is None or before.desired.generation != generation:
            witness(checks.ordered(state, self._around.ordered(self._group, generation)))
        witness(checks.bounded(state, self._rules))
        witness(checks.offline(state, self._rules))
        witness(checks.went_back(before, state))
        witness(checks.accounted(state, alive))
        if before is not None and before.phase is Phase.PROBING and state.phase is Phase.RUNNING:
            age_s = self._around.age_s(self._group, state.active or "")
            witness(checks.held_through(state.active or "", age_s, HOLD_S))
        if self._resumes:
            self._resumes = False
            witness(checks.adopted(self._loaded, alive, state))
