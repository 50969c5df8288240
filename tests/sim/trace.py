"""What happened in a simulation, in order: two runs of a seed must agree on every line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trace:
    """Everything that was planned, sent for and made durable, with its instant."""

    now: Callable[[], float]
    lines: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """One line."""
        self.lines.append(f"{self.now():.6f} {text}")

    @property
    def digest(self) -> str:
        """Short enough to compare."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
