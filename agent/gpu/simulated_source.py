"""Readings of simulated GPUs, made from live claims; every name says "simulated".

Heat follows load with a lag, like the real thing, and only by the clock that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.gpu import simulated
from agent.gpu.source import Doing
from agent.gpu.tuning.simulated_board import dials
from wire.model import GpuProcess, GpuReading

NAME = "simulated GPU 24 GiB"
MEMORY_BYTES = 24 * 1024**3
IDLE_MEMORY_BYTES = 300 * 1024**2
IDLE_W = 18.0
AMBIENT_C = 28.0
HEAT_C_PER_W = 0.14
HEAT_TIME_S = 40.0
"""After this long 63 % of the way to the new temperature is done."""


@dataclass(slots=True)
class _Body:
    """What a simulated GPU remembers from look to look."""

    at_s: float
    temperature_c: float = AMBIENT_C + HEAT_C_PER_W * IDLE_W
    energy_j: float = 0.0

    def advance(self, now_s: float, power_w: float) -> None:
        """Warm up or cool down under `power_w` watts until `now_s`."""
        elapsed_s = now_s - self.at_s
        settled_c = AMBIENT_C + HEAT_C_PER_W * power_w
        lag = math.exp(-elapsed_s / HEAT_TIME_S)
        self.temperature_c = settled_c + (self.temperature_c - settled_c) * lag
        self.energy_j += power_w * elapsed_s
        self.at_s = now_s


class SimulatedSource:
    """Simulated GPUs under one directory."""

    def __init__(self, directory: Path, gpus: tuple[str, ...], clock: Callable[[], float]) -> None:
        self._directory = directory
        self._gpus = gpus
        self._clock = clock
        self._bodies = {uuid: _Body(clock()) for uuid in gpus}

    @property
    def doing(self) -> Doing | None:
        """Nothing that could hang."""
        return None

    def open(self) -> None:
        """Always possible."""

    def look(self, *, slow: bool) -> tuple[GpuReading, ...]:  # noqa: ARG002 - nothing costs here
        """Read every simulated GPU."""
        return tuple(self._read(position, uuid) for position, uuid in enumerate(self._gpus))

    def occupancy(self, gpus: tuple[str, ...]) -> tuple[GpuReading, ...]:
        """Memory and processes of some of them; an unknown one has an error."""
        known = {uuid: position for position, uuid in enumerate(self._gpus)}
        return tuple(
            self._read(known[uuid], uuid)
            if uuid in known
            else GpuReading(uuid, error="no such simulated GPU")
            for uuid in gpus
        )

    def _read(self, position: int, uuid: str) -> GpuReading:
        claims = simulated.claims(self._directory, uuid)
        body = self._bodies[uuid]
        settings = dials(self._directory, uuid)
        awake = [claim for claim in claims if not claim.asleep]
        power_w = min(settings.power_limit_w, IDLE_W + sum(claim.power_w for claim in awake))
        body.advance(self._clock(), power_w)
        used_bytes = IDLE_MEMORY_BYTES + sum(claim.memory_bytes for claim in claims)
        return GpuReading(
            uuid,
            name=NAME,
            pci_bus_id=f"00000000:{position + 1:02X}:00.0",
            utilization_ratio=0.97 if awake else 0.0,
            memory_total_bytes=MEMORY_BYTES,
            memory_used_bytes=min(MEMORY_BYTES, used_bytes),
            temperature_c=round(body.temperature_c, 1),
            fan_ratio=_fan_ratio(settings.fan_percent, busy=bool(awake)),
            power_w=power_w,
            power_limit_w=settings.power_limit_w,
            energy_j=round(body.energy_j, 3),
            sm_clock_hz=settings.graphics_mhz(busy=bool(awake)) * 1e6,
            memory_clock_hz=settings.memory_mhz(busy=bool(awake)) * 1e6,
            throttle_reasons=() if awake else ("idle",),
            processes=tuple(
                GpuProcess(claim.pid, claim.memory_bytes, claim.workload) for claim in claims
            ),
        )


def _fan_ratio(percent: int | None, *, busy: bool) -> float:
    if percent is not None:
        return percent / 100
    return 0.6 if busy else 0.0
