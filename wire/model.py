"""Value types that both sides speak: phases, workloads, assignments, readings.

Standard library only, frozen, and without behaviour beyond naming. A reading that a device did
not give is ``None``: an absent value is never 0. Units stand last in names (`_w`, `_j`, `_hz`,
`_c`, `_bytes`, `_s`); ratios run from 0 to 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

GROUPS_MAX = 64
"""GPU groups on one rig."""

WORKLOADS_MAX = 256
"""Workloads that a rig may offer on one group."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of rigs, groups and workloads go into file names, topics and metric labels."""

OFF = "off"
"""How people and metrics spell "no workload"; on the wire and in code that is ``None``."""


class Kind(StrEnum):
    """What a workload earns by."""

    MINING = "mining"
    INFERENCE = "inference"


class Phase(StrEnum):
    """Where a GPU group stands on the road from one workload to another (ARCHITECTURE.md)."""

    IDLE = "idle"
    RUNNING = "running"
    FAILED = "failed"
    PREPARING = "preparing"
    DRAINING = "draining"
    STOPPING = "stopping"
    VACATING = "vacating"
    TUNING = "tuning"
    STARTING = "starting"
    PROBING = "probing"

    @property
    def stable(self) -> bool:
        """Whether the group rests here until something happens to it."""
        return self in _STABLE


_STABLE = frozenset({Phase.IDLE, Phase.RUNNING, Phase.FAILED})


class Leg(StrEnum):
    """Where the road leads: to the assigned workload, or back to one that worked."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class Result(StrEnum):
    """How an assignment ended. Every assignment ends in exactly one of these."""

    DONE = "done"
    """The group reached the assigned workload (or stood still as assigned)."""
    ROLLED_BACK = "rolled_back"
    """The assigned workload was not proven healthy; the group went back, or stands still."""
    SUPERSEDED = "superseded"
    """A newer assignment arrived before this one was reached."""
    QUARANTINED = "quarantined"
    """The group is FAILED: its GPUs could not be emptied, or safety stopped it."""
    REFUSED = "refused"
    """The rig does not allow this workload on this group, or does not know the group."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Desired state of one GPU group. Not a command: the newest generation simply holds."""

    order_id: str
    group: str
    generation: int
    """Grows with every change of this group's desired state; lower or equal changes nothing."""
    workload: str | None
    """Name from the rig's own list; ``None``: stand still."""
    committed: bool = False
    """A contract stands behind it: the controller's silence never ends it."""
    reason: str = ""
    """One sentence for people: why."""
    breaks_lock: bool = False
    """An operator said in so many words that a lock on the group shall not stand in the way."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A workload that failed for the present generation and is not tried again within it."""

    workload: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkloadOffer:
    """One entry of a rig's own list of what may run on a group."""

    name: str
    kind: Kind
    power_w: float | None = None
    """Nameplate watts of the whole group at the wall."""


@dataclass(frozen=True, slots=True)
class GroupOffer:
    """A GPU group as its rig presents it."""

    group: str
    gpus: tuple[str, ...]
    """NVML UUIDs."""
    workloads: tuple[WorkloadOffer, ...]


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What a rig observes of one GPU group."""

    group: str
    phase: Phase
    leg: Leg
    active: str | None
    """Workload that may hold the GPUs now."""
    target: str | None
    """Workload the present road leads to; ``None``: stand still."""
    generation: int
    """Observed: newest assignment received *and persisted*. The only acknowledgement."""
    since_s: float
    """Rig clock at entry to the present phase, seconds."""
    rejected: tuple[Rejection, ...] = ()
    lapsed: bool = False
    """The lease ran out; the rig follows its own offline policy."""
    reason: str = ""
    """Why the group is where it is, one sentence."""
    derate: int = 0
    """Steps by which safety has lowered its power limit."""
    lock: str = ""
    """Why nothing economic may move the group now, such as a rental; empty: it is free."""
    parked: str | None = None
    """Workload that sleeps beside the active one, and would be woken instead of started."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one assignment ended; kept on the rig until the controller has acknowledged it.

    (rig, group, generation) names it for good, so a repetition is no news.
    """

    order_id: str
    group: str
    generation: int
    result: Result
    origin: str | None
    """Workload that ran when the assignment arrived."""
    workload: str | None
    """Workload that was assigned."""
    phase_s: tuple[tuple[Phase, float], ...]
    """Seconds spent in each phase on the way, in order of entry."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory on a GPU."""

    pid: int
    memory_bytes: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One GPU, read once. ``None`` where the driver gave no value."""

    uuid: str
    name: str | None = None
    pci_bus_id: str | None = None
    utilization_ratio: float | None = None
    memory_utilization_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    temperature_c: float | None = None
    memory_temperature_c: float | None = None
    fan_ratio: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    energy_j: float | None = None
    """Counter since the driver was loaded; a fall is a reset."""
    sm_clock_hz: float | None = None
    memory_clock_hz: float | None = None
    throttle_reasons: tuple[str, ...] | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    pcie_replays: int | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected: int | None = None
    remapped_rows_correctable: int | None = None
    remapped_rows_uncorrectable: int | None = None
    remap_failed: bool | None = None
    xid_last: int | None = None
    xid_count: int | None = None
    recovery_action: str | None = None
    processes: tuple[GpuProcess, ...] | None = None
    error: str | None = None
    """Why this GPU could not be read, if so; data apart from health."""
    xids: tuple[tuple[int, int], ...] | None = None
    """XID errors since the agent started: number and how often, by number."""


@dataclass(frozen=True, slots=True)
class HostReading:
    """The machine around the GPUs."""

    cpu_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    disk_free_bytes: int | None = None
    load1: float | None = None
    uptime_s: float | None = None


@dataclass(frozen=True, slots=True)
class WorkloadGpu:
    """What a running workload says of one of its GPUs."""

    pci_bus: int | None = None
    """Bus number, the second part of a PCI address: all that most miners give."""
    hashrate_hps: float | None = None
    """Hashes per second."""
    shares_accepted: int | None = None


@dataclass(frozen=True, slots=True)
class WorkloadReading:
    """What a running workload says of itself."""

    group: str
    workload: str
    hashrate_hps: float | None = None
    """Hashes per second."""
    shares_accepted: int | None = None
    shares_rejected: int | None = None
    requests_running: int | None = None
    requests_waiting: int | None = None
    tokens_total: int | None = None
    """Generated tokens since the workload started."""
    shares_stale: int | None = None
    algorithm: str | None = None
    """As the miner calls it; of several at once the first, to which the other figures belong."""
    pool: str | None = None
    """Where shares go, without any account."""
    uptime_s: float | None = None
    gpus: tuple[WorkloadGpu, ...] = ()
    gpus_rented: int | None = None
    """Host of a marketplace: GPUs that tenants have now."""
    earning_usd_per_h: float | None = None
    """Host of a marketplace: what it says that it pays now, US dollars per hour."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a rig: data, and apart from it whether looking worked."""

    at_s: float
    """Rig clock, seconds."""
    ok: bool
    gpus: tuple[GpuReading, ...] = ()
    host: HostReading | None = None
    workloads: tuple[WorkloadReading, ...] = ()
    reason: str = ""
    """Why looking failed, e.g. that the collector has been stuck since when."""
