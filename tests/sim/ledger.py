"""The controller's store in a simulation, and the truth about all that ever was in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.core.model import GroupKey
from controller.ports import StoreError
from controller.records import Event, StoredAssignment, StoredOutcome
from controller.store.memory import MemoryStore
from tests.sim.attacks import THIEF
from tests.sim.checks import controller as checks
from tests.sim.witness import Witness
from wire.model import Assignment, Outcome, Result

RETRY_FAILED_S = 1800.0
"""What failed is not tried again before this; longer than any simulation."""


class SimStore(MemoryStore):
    """Durable over the controller's deaths; its disk can be full, or replaced by an empty one."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self.refusal: str | None = None
        self._witness = witness
        self._ordered: dict[GroupKey, list[Assignment]] = {}
        self._outcome: dict[tuple[GroupKey, int], Outcome] = {}
        self._failed: dict[tuple[GroupKey, str | None], float] = {}
        self._durable: set[tuple[GroupKey, int, Result]] = set()
        self._forgetful: set[str] = set()
        self._lost = False

    def put_assignments(
        self, assignments: Sequence[StoredAssignment], events: Sequence[Event] = ()
    ) -> None:
        """See `controller.ports.Store`."""
        self._check()
        super().put_assignments(assignments, events)
        for stored in assignments:
            self.known(stored.key, stored.assignment)

    def put_outcomes(
        self, outcomes: Sequence[StoredOutcome], events: Sequence[Event] = ()
    ) -> list[StoredOutcome]:
        """See `controller.ports.Store`."""
        self._check()
        for entry in outcomes:
            self.ended(GroupKey(entry.rig, entry.outcome.group), entry.outcome)
        news = super().put_outcomes(outcomes, events)
        for entry in news:
            key = GroupKey(entry.rig, entry.outcome.group), entry.outcome.workload
            if entry.outcome.result is Result.ROLLED_BACK:
                self._failed[key] = entry.received_at
            elif entry.outcome.result is Result.DONE:
                self._failed.pop(key, None)
        return news

    def add_event(self, event: Event) -> None:
        """See `controller.ports.Store`."""
        self._check()
        super().add_event(event)

    def known(self, key: GroupKey, assignment: Assignment) -> None:
        """An order that counts, whoever made it."""
        self._ordered.setdefault(key, []).append(assignment)

    def ordered(self, key: GroupKey, generation: int) -> Iterator[Assignment]:
        """All that was ever made durable under this generation."""
        return (a for a in self._ordered.get(key, ()) if a.generation == generation)

    def lose(self) -> None:
        """It comes back empty but for the inventory; rigs know more than it does."""
        for memory in (self._assignments, self._outcomes, self._holds, self._outcome, self._failed):
            memory.clear()
        self._lost = True

    def failed_at(self, key: GroupKey, workload: str | None) -> float | None:
        """Wall clock when a workload failed on a group, if it did and has not worked since."""
        return self._failed.get((key, workload))

    def forgets(self, rig: str) -> bool:
        """Whether a rig's memory has been tampered with."""
        return rig in self._forgetful

    def forgive(self, rig: str) -> None:
        """A rig has forgotten what it did: it may tell two stories from now on."""
        self._forgetful.add(rig)

    def durable_end(self, key: GroupKey, outcome: Outcome) -> None:
        """A rig's journal says that an assignment has ended so."""
        self._durable.add((key, outcome.generation, outcome.result))
        self.ended(key, outcome)

    def was_durable(self, rig: str, outcome: Outcome) -> bool:
        """Whether the rig's journal ever said so."""
        return (GroupKey(rig, outcome.group), outcome.generation, outcome.result) in self._durable

    def ended(self, key: GroupKey, outcome: Outcome) -> None:
        """An assignment is said to have ended so, by its rig or by the controller."""
        old = self._outcome.setdefault((key, outcome.generation), outcome)
        # A controller that lost its memory takes what it has forgotten for overtaken.
        guessed = self._lost and outcome.result is Result.SUPERSEDED
        if key.rig not in self._forgetful and not guessed:
            self._witness(checks.ends_alike(old, outcome))
        self._witness(checks.says_why(outcome))
        if outcome.result is not Result.SUPERSEDED:
            self._witness(checks.unlisted_refused(outcome, THIEF))

    def _check(self) -> None:
        if self.refusal is not None:
            raise StoreError(self.refusal)
