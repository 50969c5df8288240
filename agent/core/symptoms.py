"""What one reading of a GPU shows that is not as it should be: pure, one look at a time.

How long it must last before it counts, and what follows, is safety's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from wire.model import GpuReading

SLOWING = ("hw_thermal", "hw_power_brake")
"""Throttle reasons by which the board protects itself; every other one is everyday."""


class Symptom(StrEnum):
    """Kinds of trouble, by what follows from them."""

    FAULT = "fault"
    """The GPU is of no use until somebody has mended it: quarantine, even where nothing runs."""
    OVERHEATED = "overheated"
    """Past the last limit: stop at once."""
    HOT = "hot"
    """Past the first limit: the ladder."""
    SLOWED = "slowed"
    """The board slows itself down: the ladder, when it lasts."""
    NARROWED = "narrowed"
    """The PCIe link has lost lanes: a bad contact, which inference feels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperatures:
    """Limits of chip and memory in degrees Celsius: past the first derate, past the last stop."""

    max_c: float
    memory_max_c: float
    stop_c: float
    memory_stop_c: float


def symptoms(
    gpu: GpuReading, limits: Temperatures, lanes_best: int | None
) -> Iterator[tuple[Symptom, str]]:
    """Each with one sentence about it, without the GPU's name.

    Args:
        gpu: The newest reading.
        limits: When it is too hot.
        lanes_best: PCIe lanes that it once had.
    """
    fault = _fault(gpu)
    if fault:
        yield Symptom.FAULT, fault
    yield from _heat("GPU", gpu.temperature_c, limits.max_c, limits.stop_c)
    memory_c = gpu.memory_temperature_c
    yield from _heat("memory", memory_c, limits.memory_max_c, limits.memory_stop_c)
    slowing = [reason for reason in gpu.throttle_reasons or () if reason in SLOWING]
    if slowing:
        yield Symptom.SLOWED, f"slows itself down ({', '.join(slowing)}); look at cooling and PSU"
    lanes = gpu.pcie_width
    if lanes is not None and lanes_best is not None and lanes < lanes_best:
        yield (
            Symptom.NARROWED,
            f"PCIe link fell from {lanes_best} to {lanes} lanes; reseat card and riser",
        )


def cool(gpu: GpuReading, limits: Temperatures, margin_c: float) -> bool:
    """Whether it is well below its first limits; what is not told does not count."""
    return all(
        value is None or value <= limit - margin_c
        for value, limit in (
            (gpu.temperature_c, limits.max_c),
            (gpu.memory_temperature_c, limits.memory_max_c),
        )
    )


def _heat(
    what: str, value: float | None, max_c: float, stop_c: float
) -> Iterator[tuple[Symptom, str]]:
    if value is not None and value > stop_c:
        yield Symptom.OVERHEATED, f"{what} at {value:.0f} °C, at most {stop_c:.0f} °C are borne"
    if value is not None and value > max_c:
        yield Symptom.HOT, f"{what} at {value:.0f} °C, limit {max_c:.0f} °C"


def _fault(gpu: GpuReading) -> str:
    if gpu.error is not None and _unreadable(gpu):
        return gpu.error
    action = gpu.recovery_action
    if action not in (None, "none"):
        return f"the driver asks for recovery action {action}: {_recovery(gpu.uuid, action)}"
    if gpu.remap_failed:
        return "a bad memory row could not be replaced; have the board replaced"
    return ""


def _recovery(uuid: str, action: str | None) -> str:
    if action in ("node_reboot", "system_reboot"):
        return "reboot the rig"
    return f"reset it (`nvidia-smi --gpu-reset -i {uuid}`), or reboot the rig"


def _unreadable(gpu: GpuReading) -> bool:
    """One odd call that fails is no danger; a GPU of which nothing can be read is one."""
    return gpu.temperature_c is None and gpu.memory_used_bytes is None and gpu.power_w is None
