"""Where GPU readings come from, and which of them mean danger."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from agent.core.ladder import Ladder
from agent.core.safety import Limits
from agent.core.symptoms import Temperatures
from wire.model import Kind


class Tuning(StrEnum):
    """Who sets GPU profiles."""

    NONE = "none"
    """Nobody: GPUs stay as they are, and only `neutral` exists."""
    HELPER = "helper"
    """The root helper, over its socket."""
    DIRECT = "direct"
    """The agent itself: simulated GPUs, or an agent that runs as root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckerSettings:
    """A program that proves that neutral GPUs compute rightly, before inference starts on them."""

    command: tuple[str, ...]
    """Program and arguments; `{gpus}` stands for the UUIDs. It must end with exit code 0."""
    deadline_s: float = 20.0
    """Longest time for it; below `deadlines.tune_s` of every inference workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSettings:
    """Where GPU readings come from."""

    source: str = "nvml"
    """`nvml`, or `simulated` (demo and tests; says so wherever it is shown)."""
    simulated_dir: Path | None = None
    """Simulated only: directory in which simulated GPUs keep what runs on them."""
    tuner: Tuning = Tuning.NONE
    """Who sets GPU profiles: nobody, the root helper, or the agent (as root, or simulated GPUs)."""
    profiles_file: Path = Path("/etc/rigshift/profiles.yaml")
    """The profiles that workloads may name; the helper has its own path, mostly the same file."""
    helper_socket: Path = Path("/run/rigshift-gpu-helper.sock")
    """`tuner: helper` only: where it listens."""
    checker: CheckerSettings | None = None
    """None: what is read back is enough."""
    fast_interval_s: float = 2.0
    """Utilisation, memory, temperature, power, clocks."""
    slow_interval_s: float = 15.0
    """Process lists, ECC, PCIe, limits: slow calls that share the driver's lock with the work."""
    vacant_memory_bytes: int = 1_500 * 1024 * 1024
    """A GPU counts as empty below this; a display server or a driver context may hold some."""
    vacant_samples: int = 2
    """Looks in a row that must find the GPUs empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderSettings:
    """How safety treats one kind of workload on a GPU that is too hot or slows itself down."""

    derate_steps_max: int
    """Steps by which the power limit is lowered before the workload is stopped; 0: stop at once."""
    derate_wait_s: float
    """Time that each step is given to help."""
    restore_s: float
    """Time that the group must be cool before one step is taken back."""

    def ladder(self) -> Ladder:
        """As safety wants it."""
        return Ladder(
            steps_max=self.derate_steps_max, wait_s=self.derate_wait_s, restore_s=self.restore_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetySettings:
    """Limits past which a group is derated or stopped, whatever it earns. Never reboots a rig."""

    temperature_max_c: float = 90.0
    """Of the chip; above it the group is derated, or stopped where that cannot be done."""
    memory_temperature_max_c: float = 108.0
    """Of the memory, where the driver tells it; the same follows."""
    temperature_stop_c: float = 95.0
    """Of the chip; above it the group is stopped at once."""
    memory_temperature_stop_c: float = 112.0
    """Of the memory; above it the group is stopped at once."""
    cool_c: float = 5.0
    """So far below the first limits a GPU counts as cool."""
    samples: int = 3
    """Samples in a row above a limit before it counts."""
    slowed_samples: int = 8
    """Samples in a row in which a board brakes itself (heat, power supply) before it counts."""
    xid_faults_max: int = 3
    """XID errors of one GPU that a restart mends, within `xid_window_s`; with more: quarantine."""
    xid_window_s: float = 3600.0
    """Time after which such an error is forgotten."""
    mining: LadderSettings = field(
        default_factory=lambda: LadderSettings(
            derate_steps_max=4, derate_wait_s=30.0, restore_s=300.0
        )
    )
    """Mining bears a lower power limit well, often at little loss."""
    inference: LadderSettings = field(
        default_factory=lambda: LadderSettings(
            derate_steps_max=2, derate_wait_s=30.0, restore_s=300.0
        )
    )
    """Inference has answered for its speed, so it bears less."""

    def limits(self) -> Limits:
        """As safety wants them."""
        return Limits(
            temperatures=Temperatures(
                max_c=self.temperature_max_c,
                memory_max_c=self.memory_temperature_max_c,
                stop_c=self.temperature_stop_c,
                memory_stop_c=self.memory_temperature_stop_c,
            ),
            cool_c=self.cool_c,
            samples=self.samples,
            slowed_samples=self.slowed_samples,
            faults_max=self.xid_faults_max,
            faults_window_s=self.xid_window_s,
        )

    def ladder(self, kind: Kind | None) -> Ladder:
        """For a workload of this kind."""
        return (self.inference if kind is Kind.INFERENCE else self.mining).ladder()
