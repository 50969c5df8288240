"""Keeps one collector going: starts it, hears it, replaces it when it hangs, crashes or is blind.

Every wait for a collector is bounded. One that cannot be killed is left behind and said so; how
many of those there may be is bounded too.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from agent.gpu import pipe
from agent.gpu.avoided import AvoidedGpus
from agent.gpu.child import Child, ChildError, Limits, Spawn
from wire import logs
from wire.model import GpuReading

ASKS_MAX = 64
"""Looks on request under way at once; more are answered with ``None``."""

PAUSE_S = 1.0
"""Before the first restart; doubled with each failure in a row."""


class Supervisor:
    """The one collector that lives, and those that would not die."""

    def __init__(
        self,
        spawn: Spawn,
        interval_s: float,
        *,
        rig_time_s: Callable[[], float],
        took: Callable[[tuple[GpuReading, ...]], None],
        lost: Callable[[], None],
        limits: Limits,
    ) -> None:
        """Prepare.

        Args:
            spawn: Starts a collector.
            interval_s: Between two looks.
            rig_time_s: Rig clock, seconds.
            took: Told of every look.
            lost: Told when a collector has ended.
            limits: How long a collector may take.
        """
        self._spawn = spawn
        self._silence_s = interval_s + limits.silence_s
        self._rig_time_s = rig_time_s
        self._took = took
        self._lost = lost
        self._limits = limits
        self._log = logs.get("telemetry")
        self._running: Child | None = None
        self._child: Child | None = None
        """The one that runs, once it looks."""
        self._abandoned: tuple[Child, ...] = ()
        self._answers: dict[int, asyncio.Future[tuple[GpuReading, ...]]] = {}
        self._requests = itertools.count(1)
        self._trouble = "the collector has not looked yet"
        self._stuck: tuple[str, float] | None = None
        self._avoided = AvoidedGpus(limits, rig_time_s)
        self._pause_s = PAUSE_S
        self._looking = asyncio.Event()
        self.restarts = 0
        """Collectors that hung or crashed."""
        self.blind = False
        """Whether the newest word is that no GPU can be looked at."""
        self.settled = asyncio.Event()
        """Set once GPUs were seen, or it is known why not."""

    @property
    def abandoned(self) -> int:
        """Collectors that could not be killed and still exist."""
        return sum(not child.ended for child in self._abandoned)

    def excuse(self) -> str:
        """Why there is no look, one sentence."""
        if self.abandoned >= self._limits.abandoned_max:
            pids = ", ".join(str(child.pid) for child in self._abandoned)
            return f"collectors {pids} hang in the driver and cannot be killed; reboot the rig"
        if self._stuck is not None:
            call, since_s = self._stuck
            return f"collector stuck since {self._rig_time_s() - since_s:.0f} s in {call}"
        return self._trouble or "collector silent"

    async def ask(self, gpus: tuple[str, ...]) -> tuple[GpuReading, ...] | None:
        """A look made after this call began; ``None`` when it does not come in time."""
        if len(self._answers) >= ASKS_MAX:
            return None
        request = next(self._requests)
        answer: asyncio.Future[tuple[GpuReading, ...]] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await self._looking.wait()
                if self._child is None:
                    return None
                self._child.ask(request, gpus)
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._answers[request]

    async def run(self) -> None:
        """Keep a collector going until cancelled."""
        try:
            while True:
                if self.abandoned < self._limits.abandoned_max:
                    await self._live_through_one()
                await asyncio.sleep(self._pause_s)
        finally:
            # Cancelled, perhaps amid a parting; no collector shall outlive its agent.
            if self._running is not None:
                await self._part_with(self._running)

    async def _live_through_one(self) -> None:
        try:
            child = Child(await self._spawn(self._avoided.list()), self._silence_s)
        except OSError as error:
            self._fail(f"the collector cannot be started: {error}")
            return
        self._running = child
        try:
            await self._listen(child)
        except ChildError as error:
            self.restarts += 1
            self._fail(str(error))
        await self._part_with(child)

    async def _listen(self, child: Child) -> None:
        """Take in what it says until it is blind. Raises `ChildError`."""
        while True:
            message = await child.receive()
            self._stuck = None
            match message:
                case pipe.Look():
                    self._take_look(child, message)
                case pipe.Answer():
                    self._take_answer(message)
                case pipe.Stuck():
                    self._take_stuck(message)
                case pipe.Blind():
                    self._take_blind(message)
                    return

    def _take_look(self, child: Child, message: pipe.Look) -> None:
        self._trouble, self.blind = "", False
        self._pause_s = PAUSE_S
        self._child = child
        self._took(message.gpus)
        self._looking.set()
        self.settled.set()

    def _take_answer(self, message: pipe.Answer) -> None:
        waiting = self._answers.get(message.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(message.gpus)

    def _take_stuck(self, message: pipe.Stuck) -> None:
        self._stuck = (message.call, self._rig_time_s() - message.for_s)
        limit_s = self._limits.open_s if message.call == pipe.OPENING else self._limits.call_s
        if message.for_s > limit_s:
            self._avoided.add(message)
            raise ChildError(f"collector was stuck for {message.for_s:.0f} s in {message.call}")

    def _take_blind(self, message: pipe.Blind) -> None:
        self.blind = True
        self._pause_s = self._limits.retry_s
        self._tell(message.reason)

    async def _part_with(self, child: Child) -> None:
        self._child = None
        self._looking.clear()
        self._lost()
        if not await child.end(self._limits.kill_s):
            self._abandoned = (*(old for old in self._abandoned if not old.ended), child)
            self._log.error("collector cannot be killed", pid=child.pid, error=self._trouble)
        self._running = self._stuck = None

    def _fail(self, reason: str) -> None:
        self._pause_s = min(self._limits.retry_s, 2 * self._pause_s)
        self._tell(reason)

    def _tell(self, reason: str) -> None:
        if reason != self._trouble:
            self._log.warning("GPUs cannot be seen", reason=reason)
        self._trouble = reason
        self.settled.set()
