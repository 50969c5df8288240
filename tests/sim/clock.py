"""A virtual clock: an event loop that never waits. When nothing is ready, time jumps."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(Exception):
    """Nothing is ready and no timer is set: the simulated world has come to a halt."""


class _Jump(selectors.SelectSelector):
    """Instead of waiting for the time that the loop asks for, lets it pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError
        # Never exactly the time asked for: rounding could leave the timer a hair in the future.
        if timeout > 0.0:
            self.now_s += timeout * (1 + 1e-12)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs coroutines, timers and timeouts as they are, in no time at all. No threads, no I/O."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jump.now_s


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run one scenario on a virtual clock of its own; whatever it leaves running is cancelled."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(scenario)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(_drained(left))
        loop.close()


async def _drained(left: set[asyncio.Task[Any]]) -> None:
    if left:
        await asyncio.gather(*left, return_exceptions=True)
