"""What stands for an inference engine in the demo: requests that take time, and tokens counted.

Nothing is inferred. Tokens in progress are computed from the clock when somebody asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

SLOTS = 8
"""Requests that run side by side."""

WAITING_MAX = 64
"""Requests that may wait; more are refused."""


class BusyError(Exception):
    """It takes no more requests now."""


class Engine:
    """Runs some requests at a time, lets some wait, and can be paused."""

    def __init__(self, tokens_per_s: float, slots: int = SLOTS) -> None:
        self._tokens_per_s = tokens_per_s
        self._slots = asyncio.Semaphore(slots)
        self._started_s: dict[object, float] = {}
        """Time of the event loop at which each running request began."""
        self._finished_tokens = 0.0
        self._changed = asyncio.Condition()
        self.waiting = 0
        self.succeeded = 0
        self.paused = False
        self.closed = False

    @property
    def running(self) -> int:
        """Requests that run."""
        return len(self._started_s)

    def tokens_total(self) -> int:
        """Tokens generated so far, those of running requests too."""
        now_s = asyncio.get_running_loop().time()
        running_s = sum(now_s - started_s for started_s in self._started_s.values())
        return int(self._finished_tokens + running_s * self._tokens_per_s)

    async def generate(self, tokens: int) -> None:
        """Take as long as `tokens` tokens take. Raises `BusyError`."""
        if self.closed or self.waiting >= WAITING_MAX:
            raise BusyError("the server takes no more requests now")
        with self._counted():
            await self._admitted()
        try:
            await self._work(tokens)
        finally:
            self._slots.release()
            await self._notify()

    async def pause(self) -> None:
        """Admit nothing new, and wait until what runs has finished."""
        self.paused = True
        await self.idle()

    async def resume(self) -> None:
        """Admit requests again."""
        self.paused = False
        await self._notify()

    async def idle(self) -> None:
        """Wait until nothing runs or is about to."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: not self._started_s and (self.paused or not self.waiting)
            )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    async def _admitted(self) -> None:
        await self._slots.acquire()
        try:
            async with self._changed:
                await self._changed.wait_for(lambda: not self.paused)
        except BaseException:
            self._slots.release()
            raise

    async def _work(self, tokens: int) -> None:
        loop = asyncio.get_running_loop()
        request = object()
        self._started_s[request] = loop.time()
        try:
            await asyncio.sleep(tokens / self._tokens_per_s)
            self.succeeded += 1
        finally:
            elapsed_s = loop.time() - self._started_s.pop(request)
            self._finished_tokens += elapsed_s * self._tokens_per_s

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
