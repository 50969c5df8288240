"""Offsets of one clock of one GPU: the same in every P-state that takes one.

A program computes in whatever P-state the driver chooses, so an offset that stands in any of them
counts. Drivers before 555 have a single offset for all. Every call raises `NvmlError`.
"""

from __future__ import annotations

from agent.gpu import nvml
from agent.gpu.nvml import ClockOffset
from agent.gpu.tuning.board import Bounds, Value
from agent.gpu.tuning.device import Device

_OLD_NAMES = {nvml.CLOCK_GRAPHICS: "GpcClk", nvml.CLOCK_MEMORY: "MemClk"}


def show(device: Device, clock: int) -> Value:
    """MHz; where P-states differ, all of them in words."""
    states = _states(device, clock)
    if not states:
        return int(device.call(f"nvmlDeviceGet{_OLD_NAMES[clock]}VfOffset"))
    if len({offset.mhz for offset in states.values()}) == 1:
        return next(iter(states.values())).mhz
    return ", ".join(f"{offset.mhz} in P{state}" for state, offset in states.items())


def bounds(device: Device, clock: int) -> Bounds:
    """What all P-states take that take any."""
    states = _states(device, clock)
    if not states:
        return Bounds(*device.numbers(2, f"nvmlDeviceGet{_OLD_NAMES[clock]}MinMaxVfOffset"))
    return Bounds(
        max(offset.min_mhz for offset in states.values()),
        min(offset.max_mhz for offset in states.values()),
    )


def put(device: Device, clock: int, mhz: int) -> None:
    """In every P-state that takes one."""
    states = _states(device, clock)
    if not states:
        device.call(f"nvmlDeviceSet{_OLD_NAMES[clock]}VfOffset", mhz)
    for state in states:
        device.set_clock_offset(clock, state, mhz)


def _states(device: Device, clock: int) -> dict[int, ClockOffset]:
    """By P-state; empty when the driver has one offset for all, or none."""
    states = device.ask("nvmlDeviceGetSupportedPerformanceStates") or []
    offsets = {int(state): device.clock_offset(clock, int(state)) for state in states}
    return {
        state: offset
        for state, offset in offsets.items()
        if offset is not None and (offset.mhz or offset.min_mhz < offset.max_mhz)
    }
