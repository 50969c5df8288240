"""All that the agent's metrics are made of, taken at one moment: values only."""

from __future__ import annotations

from dataclasses import dataclass

from wire.figures import Measured
from wire.model import GroupStatus, Phase, Result, Sample


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many assignments of a group ended in one way since the agent started."""

    group: str
    result: Result
    count: int


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """Time that a group spent in one phase since the agent started, over all visits to it."""

    group: str
    phase: Phase
    visits: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PinCount:
    """What the looks at a group's pins found since the agent started."""

    group: str
    wallets: int = 0
    """Findings that nobody approved; each ended in a safety stop."""
    pools: int = 0
    failures: int = 0
    """Looks that told nothing."""


@dataclass(frozen=True, slots=True)
class SafetyCount:
    """How often safety has done something to a group since the agent started."""

    group: str
    action: str
    """`derate`, `restore`, `restart` or `stop`."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounts:
    """Frames since the agent started."""

    sent: int = 0
    received: int = 0
    refused: int = 0
    """Received but not accepted: wrong signature, expired, not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSnapshot:
    """What the agent knows at one moment."""

    version: str
    rig_time_s: float
    """Rig clock of this snapshot."""
    sample: Sample
    sample_age_s: float | None = None
    """Since the newest look at the GPUs; ``None`` before the first."""
    collector_restarts: int = 0
    collectors_abandoned: int = 0
    groups: tuple[GroupStatus, ...] = ()
    outcomes: tuple[OutcomeCount, ...] = ()
    phase_times: tuple[PhaseTime, ...] = ()
    pins: tuple[PinCount, ...] = ()
    learned: tuple[Measured, ...] = ()
    safety: tuple[SafetyCount, ...] = ()
    lease_left_s: float | None = None
    """``None`` without any lease; negative once it has run out."""
    connected: bool | None = None
    """Whether the controller is heard; ``None`` when the link cannot tell."""
    link: LinkCounts = LinkCounts()
