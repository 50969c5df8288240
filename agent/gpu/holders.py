"""What holds a GPU that should be empty, and what a person can do about it, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from agent.gpu import procfs
from wire.model import GpuProcess, GpuReading

RESET = "reset it (`nvidia-smi --gpu-reset -i {uuid}`) or reboot the rig"


def unseen(uuid: str, reading: GpuReading | None) -> str:
    """Why it cannot be told whether a GPU is empty; empty when it can."""
    if reading is None:
        return f"{uuid}: nothing was read"
    if reading.processes is None or reading.memory_used_bytes is None:
        return f"{uuid}: {reading.error or 'the driver does not tell its processes and memory'}"
    return ""


def holder(readings: Sequence[GpuReading], floor_bytes: int) -> str:
    """What most plainly holds one of these GPUs: a process, memory above the floor, or work."""
    for reading in readings:
        for process in reading.processes or ():
            return f"{reading.uuid}: {_process(reading.uuid, process)}"
    fullest = max(readings, key=lambda reading: reading.memory_used_bytes or 0)
    used_bytes = fullest.memory_used_bytes or 0
    if used_bytes > floor_bytes:
        held = f"{used_bytes / 2**20:.0f} MiB are held by no process"
        return f"{fullest.uuid}: {held}; {RESET.format(uuid=fullest.uuid)}"
    busiest = max(readings, key=lambda reading: reading.utilization_ratio or 0.0)
    busy = f"{busiest.utilization_ratio or 0.0:.0%} busy with no process"
    return f"{busiest.uuid}: {busy}; {RESET.format(uuid=busiest.uuid)}"


def _process(uuid: str, process: GpuProcess) -> str:
    who = f"process {process.pid}" + (f" ({process.name})" if process.name else "")
    match procfs.state(process.pid):
        case "D":
            return f"{who} hangs in the kernel and cannot be killed; reboot the rig"
        case None | "Z" | "X":
            return f"{who} has ended, but the driver counts it still; {RESET.format(uuid=uuid)}"
    return f"{who} holds it; `ps -fp {process.pid}` tells whose it is, end it"
