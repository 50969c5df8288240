"""Where GPU readings come from, and which of them mean danger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSettings:
    """Where GPU readings come from."""

    source: str = "nvml"
    """`nvml`, or `simulated` (demo and tests; says so wherever it is shown)."""
    simulated_dir: Path | None = None
    """Simulated only: directory in which simulated GPUs keep what runs on them."""
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
