"""What the switch machine wants done: effects, named by the state that they follow from.

Each is performed by the shell and ends in exactly one event with its ticket.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prepare:
    """Make the start of `workload` likely to work; the GPUs stay untouched."""

    ticket: int
    workload: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Let `workload` finish what it has begun."""

    ticket: int
    workload: str
    heeds_lock: bool = True
    """It may be stopped afterwards only if it is certainly not locked."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End every workload of this group that runs, known or not, but for a proven sleeper."""

    ticket: int
    urgent: bool = False
    """Safety asks for it: what does not end by itself at once is killed."""
    sleeper: str | None = None
    """May stay if it proves that it sleeps."""
    lull: bool = False
    """The sleeper is awake still and has finished its work: put it to sleep first."""


@dataclass(frozen=True, slots=True)
class Vacate:
    """Prove that the GPUs are empty and neutral; before a restart wait its back-off."""

    ticket: int
    restarts: int
    sleeper: str | None = None
    """All that may be on them, as long as it sleeps and holds little."""


@dataclass(frozen=True, slots=True)
class Tune:
    """Apply the GPU profile of `workload` and read it back."""

    ticket: int
    workload: str


@dataclass(frozen=True, slots=True)
class Start:
    """Start `workload`, or wake it where it is the sleeper itself."""

    ticket: int
    workload: str
    sleeper: str | None = None
    """All that may be on the GPUs before."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Prove that `workload` does its work, for the proving time."""

    ticket: int
    workload: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Set the derating, see that `workload` gets work and does it right, and report its exit.

    A derating that could not be set is told as `Failed`; the watch goes on.
    """

    ticket: int
    workload: str
    derate: int | None = None


Effect = Prepare | Drain | Stop | Vacate | Tune | Start | Probe | Watch
