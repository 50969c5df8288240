"""A virtual clock: an event loop that never waits. When nothing is ready, time jumps."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(Exception):
    """Nothing is ready and no timer is set: the simulated world has come to a halt."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines, timers and timeouts as they are, in no time at all. No threads, no I/O.

    Timers of one moment go off in the order in which they were set. That, and the speed, are why
    it keeps its own timers and its own turn instead of those of `asyncio.SelectorEventLoop`.
    """

    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.loop.call_at`."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It stays where it is, and does nothing when its time has come."""

    def _run_once(self) -> None:
        """One turn: everything that is ready now, or else the next timers."""
        timers, ready = self._timers, self._ready
        while not ready:
            if not timers:
                raise DeadlockError
            self._now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= self._now_s:
                timer = heapq.heappop(timers)[2]
                if not timer.cancelled():
                    ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run one scenario on a virtual clock of its own; whatever it leaves running is cancelled."""
    loop = VirtualLoop()
    loop.set_exception_handler(_overlook)
    try:
        return loop.run_until_complete(scenario)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(_drained(left))
        loop.close()


def _overlook(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What is killed leaves errors behind that nobody will ever ask for."""


async def _drained(left: set[asyncio.Task[Any]]) -> None:
    if left:
        await asyncio.gather(*left, return_exceptions=True)
