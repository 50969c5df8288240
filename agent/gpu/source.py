"""What the collector asks of a source of GPU readings. Sources block; only the collector calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wire.model import GpuReading


class SourceError(Exception):
    """No GPU can be looked at; the text says what to do about it."""


@dataclass(frozen=True, slots=True)
class Doing:
    """The driver call under way, told from outside because a hung call cannot tell itself."""

    call: str
    since_s: float
    """Monotonic clock at its start."""
    gpu: str = ""
    """The GPU that it is about, if it is about one."""


class Source(Protocol):
    """GPUs that can be looked at."""

    @property
    def doing(self) -> Doing | None:
        """The call under way, if any; read from another thread."""

    def open(self) -> None:
        """Find the GPUs. Raises `SourceError`."""

    def look(self, *, slow: bool) -> tuple[GpuReading, ...]:
        """Read every GPU; `slow` also renews what is costly to read. Raises `SourceError`."""

    def occupancy(self, gpus: tuple[str, ...]) -> tuple[GpuReading, ...]:
        """Memory and processes of some GPUs, read now. Raises `SourceError`."""
