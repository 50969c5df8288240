"""Where GPU readings come from, and which of them mean danger."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


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
    slow_interval_s: float = 30.0
    """Process lists, ECC, PCIe, limits: slow calls that share the driver's lock with the work."""
    vacant_memory_bytes: int = 1_500 * 1024 * 1024
    """A GPU counts as empty below this; a display server or a driver context may hold some."""
    vacant_samples: int = 2
    """Looks in a row that must find the GPUs empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetySettings:
    """Limits past which a group is stopped, whatever it earns."""

    temperature_max_c: float = 90.0
    """Of the chip."""
    memory_temperature_max_c: float = 108.0
    """Of the memory, where the driver tells it."""
    samples: int = 3
    """Samples in a row above a limit before it counts."""
