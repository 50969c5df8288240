"""When a group must be stopped whatever it earns: pure rules over samples.

One bad sample is noise; so many in a row are a fact. A sample that failed says nothing: a stuck
collector must not stop a rig that works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wire.model import GpuReading, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Past these a GPU is in danger."""

    temperature_max_c: float
    memory_temperature_max_c: float
    samples: int
    """Samples in a row that must show it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What has been seen so far: by GPU UUID, danger in how many samples running."""

    streaks: Mapping[str, int] = field(default_factory=dict)


def look(
    watch: Watch, sample: Sample, groups: Mapping[str, tuple[str, ...]], limits: Limits
) -> tuple[Watch, dict[str, str]]:
    """Take one more sample into account.

    Args:
        watch: What was seen before.
        sample: The newest look.
        groups: GPU UUIDs by group.
        limits: The rig's own limits.

    Returns:
        What is known now, and by group the reason why it must stop.
    """
    if not sample.ok:
        return watch, {}
    dangers = {gpu.uuid: danger for gpu in sample.gpus if (danger := _danger(gpu, limits))}
    streaks = {uuid: watch.streaks.get(uuid, 0) + 1 for uuid in dangers}
    reasons = {
        group: next(found)
        for group, uuids in groups.items()
        if (found := _lasting(uuids, dangers, streaks, limits)) is not None
    }
    return Watch(streaks), reasons


def _lasting(
    uuids: tuple[str, ...], dangers: Mapping[str, str], streaks: Mapping[str, int], limits: Limits
) -> Iterator[str] | None:
    found = [f"{uuid}: {dangers[uuid]}" for uuid in uuids if streaks.get(uuid, 0) >= limits.samples]
    return iter(found) if found else None


def _danger(gpu: GpuReading, limits: Limits) -> str:
    if gpu.error is not None and _unreadable(gpu):
        return gpu.error
    if gpu.temperature_c is not None and gpu.temperature_c > limits.temperature_max_c:
        return f"GPU at {gpu.temperature_c:.0f} °C, limit {limits.temperature_max_c:.0f} °C"
    memory_c = gpu.memory_temperature_c
    if memory_c is not None and memory_c > limits.memory_temperature_max_c:
        return f"memory at {memory_c:.0f} °C, limit {limits.memory_temperature_max_c:.0f} °C"
    return ""


def _unreadable(gpu: GpuReading) -> bool:
    """One odd call that fails is no danger; a GPU of which nothing can be read is one."""
    return gpu.temperature_c is None and gpu.memory_used_bytes is None and gpu.power_w is None
