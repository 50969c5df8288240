"""Values of the switch machine: the rules it goes by, its state and its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from wire.model import Leg, Outcome, Phase, Rejection, Result

JOURNAL_LINES_MAX = 40
"""Journal lines between two stable phases; a switch that needs more goes round in circles."""

OUTCOMES_MAX = 32
"""Unacknowledged outcomes kept per group; only the controller can make more, so few suffice."""

RESTARTS_MAX = 5
"""Restarts of a workload that exits by itself before it counts as failed."""


class Offline(StrEnum):
    """What a group does when the controller's lease has run out."""

    KEEP = "keep"
    """Go on as assigned."""
    IDLE = "idle"
    """Stand still."""
    SAFE = "safe"
    """Run the named safe workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the rig's own configuration says about one group. Never changed by the wire."""

    allowed: frozenset[str]
    """Workloads that may be started here."""
    offline: Offline = Offline.KEEP
    safe_workload: str | None = None
    """For `Offline.SAFE`; one of `allowed`."""
    restarts_max: int = RESTARTS_MAX
    sleeper: str | None = None
    """The one workload that is parked, asleep, where it would be stopped for another."""
    lines_max: int = JOURNAL_LINES_MAX


@dataclass(frozen=True, slots=True)
class Lock:
    """Something outside has a claim on a workload, such as a tenant."""

    workload: str
    reason: str
    """Never empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The newest assignment that was accepted and persisted."""

    generation: int = 0
    order_id: str = ""
    workload: str | None = None
    committed: bool = False
    reason: str = ""
    breaks_lock: bool = False
    """An operator's explicit word: `State.lock` does not stand in its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One GPU group's switch machine; one journal line is one of these."""

    phase: Phase = Phase.IDLE
    leg: Leg = Leg.FORWARD
    ticket: int = 0
    """Grows with every phase entered; effects and their events carry it, late ones are dropped."""
    active: str | None = None
    """Workload that may hold the GPUs. Cleared only when it has exited or was stopped."""
    target: str | None = None
    """Workload that the present road leads to."""
    previous: str | None = None
    """Workload that last worked here, to go back to; none after `off` by order or a safety trip."""
    desired: Desired = field(default_factory=Desired)
    rejected: tuple[Rejection, ...] = ()
    """What failed within `desired.generation`."""
    lapsed: bool = False
    """The lease ran out; `Rules.offline` holds."""
    tripped: str = ""
    """Safety stopped this group and why; it ends in FAILED."""
    restarts: int = 0
    """Restarts since the workload last held out."""
    lines: int = 0
    """Journal lines since the last stable phase or new assignment."""
    reason: str = ""
    """Why the group is in this phase, one sentence."""
    since_s: float = 0.0
    """Rig clock at entry to this phase."""
    origin: str | None = None
    """Workload that was active when `desired` arrived."""
    spent: tuple[tuple[Phase, float], ...] = ()
    """Seconds in each phase left since `desired` arrived."""
    ended: Result | None = None
    """How `desired` ended, once it has."""
    outcomes: tuple[Outcome, ...] = ()
    """Outcomes that the controller has not acknowledged; durable with the state itself."""
    derate: int | None = None
    """Steps by which safety has lowered the power limit of `active`; none: as it was tuned."""
    lock: Lock | None = None
    """As last told for certain. Silence never ends it, nor does the death of an agent."""
    parked: str | None = None
    """Workload that sleeps on the GPUs beside `active`, and is awake never.

    While it is put to sleep (STOPPING), woken (STARTING) and proven anew (PROBING) it is `active`
    too. None in IDLE and FAILED.
    """


# Events: facts, in the past.


@dataclass(frozen=True, slots=True)
class Assigned:
    """A verified assignment of a higher generation arrived."""

    desired: Desired


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The controller has been silent for longer than the lease."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """The controller repeated its assignments after a lapse."""


@dataclass(frozen=True, slots=True)
class Tripped:
    """Safety demands that nothing runs here."""

    reason: str


@dataclass(frozen=True, slots=True)
class Derated:
    """Safety demands a power limit that is so many steps lower; 0: the profile's own."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Faulted:
    """A GPU has thrown out what the active workload had running on it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Locked:
    """Something outside has a claim on this workload."""

    workload: str
    reason: str


@dataclass(frozen=True, slots=True)
class Freed:
    """It is certain that nothing outside has a claim on this workload."""

    workload: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The drained workload is locked, or nobody can say that it is not: it must not be stopped."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The effect with this ticket did what it should."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Parked:
    """The effect with this ticket ended all but the sleeper, which has proven that it sleeps."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The effect with this ticket did not, or ran past its deadline."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """The active workload ended by itself."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Erred:
    """The active workload runs, but was found to do its work wrong."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The active workload has run long enough to be given its restarts back."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Noted:
    """How the effect with this ticket goes, where people must know before it ends."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unparked:
    """The sleeper is gone: it ended, or was ended because it did not prove that it sleeps."""

    workload: str
    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The controller has stored the outcomes up to this generation."""

    generation: int


Word = Assigned | Lapsed | Renewed | Locked | Freed
"""Said from outside, at any time."""

Answer = Succeeded | Parked | Failed | Bound | Exited | Erred | HeldOut | Noted
"""What an effect came to, or finds on its way."""

Event = Word | Tripped | Derated | Faulted | Answer | Unparked | Acknowledged
