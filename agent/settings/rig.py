"""The whole of a rig's file: who it is, its GPU groups, and what may run on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from agent.core.model import RESTARTS_MAX, Offline, Rules
from agent.core.pins import Pins
from agent.core.workload import Workload
from agent.settings.gpu import GpuSettings, SafetySettings
from agent.settings.link import LinkSettings
from wire.model import GroupOffer, WorkloadOffer


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Prometheus endpoint of the agent."""

    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback nothing but `/metrics` is answered."""
    port: int = 9750
    """0: any free port; the chosen one is reported to the controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """The container engine of this rig, Docker or Podman."""

    socket: Path = Path("/run/docker.sock")
    """Where it listens: `/run/podman/podman.sock`, rootless `/run/user/UID/podman/podman.sock`."""
    gpus: str = "auto"
    """How it hands GPUs over: `cdi`, `nvidia`, or `auto`: Podman `cdi`, Docker `nvidia`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """GPUs that are switched together, and all that may ever run on them."""

    name: str
    """What the group is called on this rig."""
    gpus: tuple[str, ...]
    """NVML UUIDs; an index is not stable over reboots."""
    workloads: tuple[Workload, ...]
    offline: Offline = Offline.KEEP
    """When the controller has been silent for longer than its lease."""
    safe_workload: str | None = None
    """For `offline: safe`."""
    restarts_max: int = RESTARTS_MAX
    """Restarts of a proven workload that exits by itself, before it counts as failed."""

    def rules(self) -> Rules:
        """What the switch machine must know of this."""
        return Rules(
            allowed=frozenset(workload.name for workload in self.workloads),
            offline=self.offline,
            safe_workload=self.safe_workload,
            restarts_max=self.restarts_max,
            sleeper=next((w.name for w in self.workloads if w.park is not None), None),
        )

    def offer(self) -> GroupOffer:
        """What the controller may know of this."""
        return GroupOffer(
            group=self.name,
            gpus=self.gpus,
            workloads=tuple(WorkloadOffer(w.name, w.kind, w.power_w) for w in self.workloads),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a rig knows about itself."""

    rig: str
    """Name of this rig in the fleet; the controller knows its key by it."""
    state_dir: Path
    """Journals, outcomes and process records; must survive a reboot."""
    order_key: str
    """Controller's Ed25519 public key, base64; orders signed by another are refused."""
    link: LinkSettings
    groups: tuple[GroupSettings, ...]
    gpu: GpuSettings = field(default_factory=GpuSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    pins: Pins = field(default_factory=Pins)
    """Wallets and pools that any workload may use, unless it has `pins` of its own."""
    report_interval_s: float = 5.0
    """Heartbeat; a change of state is reported at once."""
    telemetry_interval_s: float = 10.0
    """Pause between two samples that are sent."""
    lock_interval_s: float = 30.0
    """Pause between two questions whether a workload is rented or otherwise locked."""
    boot_grace_s: float = 300.0
    """After its start an agent waits this long for the controller before the offline policy."""

    def workload(self, group: str, name: str) -> Workload:
        """Raises `KeyError` for what this file does not list."""
        for known in (w for g in self.groups if g.name == group for w in g.workloads):
            if known.name == name:
                return known
        raise KeyError(f"{group}.{name}")
