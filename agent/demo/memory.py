"""Sleep of the demo inference server, as vLLM has it: where its weights are, and what it holds.

A server that wakes without its weights answers nonsense, as a real one does: nothing but a known
answer tells.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

SLEEPING_BYTES = 700 * 1024**2
"""Held on each GPU while it sleeps: what a driver's context and a captured graph take."""

PARTS = frozenset({"weights", "kv_cache"})
"""What vLLM calls tags."""


class SleepState(StrEnum):
    """What the server's metrics call it."""

    AWAKE = "awake"
    WEIGHTS_OFFLOADED = "weights_offloaded"
    DISCARD_ALL = "discard_all"


class Hold(Protocol):
    """Takes so many bytes of the GPUs from now on, at work or asleep."""

    def __call__(self, memory_bytes: int, /, *, asleep: bool) -> None:
        """Do it."""


class Memory:
    """GPU memory of a server that can sleep."""

    def __init__(self, awake_bytes: int, hold: Hold) -> None:
        """`hold`: make the simulated GPUs show it."""
        self._awake_bytes = awake_bytes
        self._hold = hold
        self._absent = frozenset[str]()
        self.state = SleepState.AWAKE
        self.sound = True
        """Whether the weights are the model's, wherever they are."""

    @property
    def asleep(self) -> bool:
        """Whether anything that it needs is missing on the GPUs."""
        return bool(self._absent)

    def sleep(self, level: int) -> None:
        """Leave the GPUs; level 2 drops the weights."""
        self._absent = PARTS
        self.state = SleepState.WEIGHTS_OFFLOADED if level == 1 else SleepState.DISCARD_ALL
        self.sound = self.sound and level == 1
        self._hold(SLEEPING_BYTES, asleep=True)

    def wake(self, part: str | None) -> None:
        """Take memory for one part, or for all; weights that were dropped are not loaded by it."""
        self._absent -= {part} if part is not None else PARTS
        self._hold(self._awake_bytes, asleep=False)
        if not self._absent:
            self.state = SleepState.AWAKE

    def reload(self) -> None:
        """Load the weights from disk into memory that was taken for them."""
        self.sound = self.sound or "weights" not in self._absent
