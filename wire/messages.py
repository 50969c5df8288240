"""The closed union on the wire. Every frame is one `Up` (rig to controller) or one `Down`.

Time on the wire is the **rig clock**: seconds since the rig's machine booted, suspend included,
together with the machine's boot id. The controller echoes the newest rig clock that it has seen;
freshness and leases are counted from that echo, on the rig, so nobody's wall clock matters
(ADR 0003).
"""

from __future__ import annotations

from dataclasses import dataclass

from wire import figures, model

SCHEMA = 1
"""Version of every message below; a frame of another version is refused with both numbers."""


@dataclass(frozen=True, slots=True)
class Hello:
    """A rig presents itself: at connect, and whenever the controller seems not to know it."""

    agent_version: str
    groups: tuple[model.GroupOffer, ...]
    metrics_url: str | None = None


@dataclass(frozen=True, slots=True)
class StateReport:
    """Observed state of every group; sent at once when one changes, and as the heartbeat."""

    groups: tuple[model.GroupStatus, ...]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Samples, oldest first; several after a silence (store and forward)."""

    samples: tuple[model.Sample, ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Ended assignments that the controller has not acknowledged yet, oldest first."""

    outcomes: tuple[model.Outcome, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """What the rig has measured of its workloads; each entry replaces the one before it."""

    measured: tuple[figures.Measured, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame from the controller that the rig did not accept, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The rig's agent went away; sent on leaving, or by the broker as the agent's will."""


UpBody = Hello | StateReport | Telemetry | Outcomes | Learned | Refused | Gone


@dataclass(frozen=True, slots=True)
class Up:
    """A frame from a rig. Who sent it is what the link has authenticated, not what it says."""

    rig: str
    boot_id: str
    """Id of the machine's boot; rig clocks compare only within one boot."""
    run_id: str
    """Id of the agent process."""
    rig_time_s: float
    """Rig clock at sending; strictly grows within a boot, so it is the sequence number too."""
    body: UpBody


@dataclass(frozen=True, slots=True)
class Order:
    """Desired state of a rig: the newest assignment of every group that has one."""

    assignments: tuple[model.Assignment, ...]
    lease_s: float
    """The assignments stand until `Down.rig_time_s` + this; each repetition renews it."""
    issued_at: str = ""
    """Controller's wall clock, RFC 3339, for people only."""


@dataclass(frozen=True, slots=True)
class OutcomesAck:
    """By group: outcomes up to and including this generation are stored; forget them."""

    through: dict[str, int]


@dataclass(frozen=True, slots=True)
class Welcome:
    """The controller's answer to a frame of a rig whose `Hello` it lacks: say hello again."""


DownBody = Order | OutcomesAck | Welcome


@dataclass(frozen=True, slots=True)
class Down:
    """A frame to a rig, always signed (Ed25519) by the controller's order key."""

    rig: str
    boot_id: str
    rig_time_s: float
    """Newest rig clock that the controller has seen from this boot."""
    ttl_s: float
    """The frame counts only while the rig clock is below `rig_time_s` + this."""
    body: DownBody
