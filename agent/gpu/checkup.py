"""One look at the driver for whoever mends it: does it answer, and how does it stand with each GPU.

A process of its own, like the collector: a call into a hung driver cannot be cancelled. It prints
one line of JSON and ends.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import msgspec

from agent.gpu.nvml import Nvml, NvmlError

GPUS_MAX = 64
"""GPUs looked at; a driver that shows more is not believed."""


@dataclass(frozen=True, slots=True)
class GpuCheckup:
    """How the driver stands with one GPU."""

    uuid: str
    """Empty for one that cannot even be named."""
    persistence: bool | None
    """Whether the driver keeps it initialised while nobody uses it; ``None``: it does not say."""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What one look has shown."""

    code: int = 0
    """NVML's error that keeps every GPU from being seen; 0: none."""
    advice: str = ""
    """What to do about that."""
    gpus: tuple[GpuCheckup, ...] = ()


def decode(line: bytes) -> Checkup:
    """What the process printed. Raises `ValueError`."""
    return msgspec.json.decode(line, type=Checkup)


def examine() -> Checkup:
    """Look once; may hang in the driver."""
    driver = Nvml(time.monotonic)
    try:
        driver.call("nvmlInit")
        count = int(driver.call("nvmlDeviceGetCount"))
    except NvmlError as error:
        return Checkup(error.code, error.advice)
    return Checkup(gpus=tuple(_gpu(driver, index) for index in range(min(count, GPUS_MAX))))


def _gpu(driver: Nvml, index: int) -> GpuCheckup:
    uuid = ""
    try:
        handle = driver.call("nvmlDeviceGetHandleByIndex", index)
        uuid = str(driver.call("nvmlDeviceGetUUID", handle))
        driver.call("nvmlDeviceGetMemoryInfo", handle)
    except NvmlError as error:
        return GpuCheckup(uuid, None, f"GPU number {index}: {error}")
    try:
        return GpuCheckup(uuid, bool(driver.call("nvmlDeviceGetPersistenceMode", handle)))
    except NvmlError:
        return GpuCheckup(uuid, None)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(examine()) + b"\n")
