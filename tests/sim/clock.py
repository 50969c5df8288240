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


class _Call(asyncio.TimerHandle):
    """A callback that waits for its turn or its time; half as dear as what asyncio makes."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """See `asyncio.Handle`. It stays where it is, and does nothing when its time has come."""
        self._cancelled = True

    def __repr__(self) -> str:
        return f"<call of {self._callback!r}>"


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines, timers and timeouts as they are, in no time at all. No threads, no I/O.

    Timers of one moment go off in the order in which they were set. That, and the speed, are why
    it keeps its own calls and its own turn instead of those of `asyncio.SelectorEventLoop`.
    """

    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._timers: list[tuple[float, int, _Call]] = []
        self._numbers = itertools.count()
        self.tasks: list[asyncio.Task[Any]] = []
        """All that were ever created, oldest first."""

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """See `asyncio.loop.call_soon`."""
        call = _Call(callback, args, context)
        self._ready.append(call)
        return call

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.loop.call_later`."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.loop.call_at`."""
        call = _Call(callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), call))
        return call

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """See `asyncio.loop.create_task`."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def _run_once(self) -> None:
        """One turn: everything that is ready now, or else the next timers."""
        timers, ready = self._timers, self._ready
        while not ready:
            if not timers:
                raise DeadlockError
            self._now_s = max(self._now_s, timers[0][0])
            while timers and timers[0][0] <= self._now_s:
                call = heapq.heappop(timers)[2]
                if not call._cancelled:
                    ready.append(call)
        for _ in range(len(ready)):
            call = ready.popleft()
            if call._cancelled:
                continue
            try:
                call._context.run(call._callback, *call._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - what falls here must not end the world
                self.call_exception_handler({"message": "a call failed", "exception": error})


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run one scenario on a virtual clock of its own; whatever it leaves running is cancelled."""
    loop = VirtualLoop()
    loop.set_exception_handler(_overlook)
    try:
        return loop.run_until_complete(scenario)
    finally:
        left = [task for task in loop.tasks if not task.done()]
        for task in left:
            task.cancel()
        loop.run_until_complete(_drained(left))
        loop.close()


def _overlook(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What is killed leaves errors behind that nobody will ever ask for."""


async def _drained(left: list[asyncio.Task[Any]]) -> None:
    if left:
        await asyncio.gather(*left, return_exceptions=True)
