"""Performs one effect under its deadline. Whatever happens ends as an event with its ticket."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping

from agent.core.model import (
    Drain,
    Effect,
    Event,
    Exited,
    Failed,
    HeldOut,
    Prepare,
    Probe,
    Start,
    Stop,
    Succeeded,
    Tune,
    Vacate,
    Watch,
)
from agent.core.workload import Deadlines, Workload
from agent.ports import Drainable, Driver, DriverError, GpuProbe, TuneError, Tuner
from agent.settings import GpuSettings, GroupSettings

LOOK_INTERVAL_S = 0.25
"""Between two looks whether the GPUs are empty."""

PROBE_INTERVAL_S = 1.0
"""Between two looks whether a workload is ready; shorter when the proving time is short."""

HELD_OUT_S = 600.0
"""A workload that ran for this long gets its restarts back."""

LAST_WORD_S = 1.0
"""What knows best why it is late is given this much longer to say so."""

PHANTOM_BUSY_RATIO = 0.5
"""A GPU without a process that is busier than this is stuck in somebody's work."""

BACKOFF_MAX_S = 30.0
"""Longest wait before a restart; the group can follow no new word meanwhile."""

Emit = Callable[[Event], None]


class Performer:
    """The hands of one GPU group."""

    def __init__(
        self,
        group: GroupSettings,
        gpu: GpuSettings,
        drivers: Mapping[str, Driver],
        *,
        probe: GpuProbe,
        tuner: Tuner,
        rng: random.Random,
    ) -> None:
        self._group = group
        self._gpu = gpu
        self._drivers = drivers
        self._probe = probe
        self._tuner = tuner
        self._rng = rng
        self._workloads = {workload.name: workload for workload in group.workloads}

    async def alive(self) -> frozenset[str]:
        """Workloads of the group that run now, whoever started them."""
        found = [w.name for w in self._group.workloads if await self._driver(w).alive(w)]
        return frozenset(found)

    async def perform(self, effect: Effect, emit: Emit) -> None:
        """Do it, and tell how it ended."""
        match effect:
            case Watch():
                await self._watch(effect, self._workloads[effect.workload], emit)
            case _:
                emit(await self._attempt(effect))

    async def _attempt(self, effect: Effect) -> Event:
        deadline_s = 0.0
        try:
            deadline_s, work = self._work(effect)
            async with asyncio.timeout(deadline_s):
                await work
        except TimeoutError:
            held = f"; {self._stuck()}" if isinstance(effect, Stop) else ""
            return Failed(effect.ticket, f"not done within {deadline_s:g} s{held}")
        except (DriverError, TuneError) as error:
            return Failed(effect.ticket, str(error))
        return Succeeded(effect.ticket)

    def _work(self, effect: Effect) -> tuple[float, Awaitable[None]]:
        """The deadline in seconds and the work itself."""
        # A group that may run nothing can still have to be emptied.
        every = [w.deadlines for w in self._group.workloads] or [Deadlines()]
        if isinstance(effect, Stop):
            return max(limits.stop_s for limits in every), self._stop()
        if isinstance(effect, Vacate):
            longest_s = max(limits.vacate_s for limits in every)
            pause_s = (BACKOFF_MAX_S if effect.restarts else 0.0) + LAST_WORD_S
            return longest_s + pause_s, self._vacate(effect.restarts, longest_s)
        workload = self._listed(effect.workload)
        limits = workload.deadlines
        driver = self._driver(workload)
        match effect:
            case Prepare():
                return limits.prepare_s, driver.prepare(workload)
            case Drain():
                return limits.drain_s, self._drain(driver, workload)
            case Tune():
                return limits.tune_s, self._tuner.apply(workload.gpus, workload.profile)
            case Start():
                return limits.start_s, self._start(driver, workload)
            case Probe():
                return limits.probe_s, self._prove(driver, workload)
        raise AssertionError(effect)

    def _listed(self, name: str) -> Workload:
        """Raises `DriverError`: the journal may name what has left the rig's file since."""
        if name not in self._workloads:
            raise DriverError(f"{name} is no longer on this rig's list for the group")
        return self._workloads[name]

    async def _drain(self, driver: Driver, workload: Workload) -> None:
        if isinstance(driver, Drainable):
            await driver.drain(workload)

    async def _stop(self) -> None:
        """Everything of this group, known to the journal or not."""
        endings = await asyncio.gather(
            *(self._stop_one(workload) for workload in self._group.workloads),
            return_exceptions=True,
        )
        # One that cannot be stopped must not save the others, nor leave them half stopped.
        for error in endings:
            if isinstance(error, DriverError):
                raise DriverError(f"{error}; {self._stuck()}") from error
            if error is not None:
                raise error

    async def _stop_one(self, workload: Workload) -> None:
        driver = self._driver(workload)
        if await driver.alive(workload):
            # Half of the time for its own way out, half for the kernel after KILL.
            await driver.stop(workload, workload.deadlines.stop_s / 2)

    def _stuck(self) -> str:
        """What a process that does not even end by KILL means."""
        gpus = ", ".join(self._group.gpus)
        return (
            f"it may still hold {gpus}; if it hangs in the kernel, only a reboot of the rig helps"
        )

    async def _vacate(self, restarts: int, limit_s: float) -> None:
        if restarts:
            await asyncio.sleep(self._backoff_s(restarts))
        seen = f"{', '.join(self._group.gpus)} could not be made neutral"
        try:
            async with asyncio.timeout(limit_s):
                await self._tuner.neutral(self._group.gpus)
                seen = self._unseen()
                empty = 0
                while empty < self._gpu.vacant_samples:
                    if empty:
                        await asyncio.sleep(LOOK_INTERVAL_S)
                    holder = await self._holder()
                    seen = holder or seen
                    empty = 0 if holder else empty + 1
                    if holder:
                        await asyncio.sleep(LOOK_INTERVAL_S)
        except TimeoutError as error:
            raise DriverError(f"after {limit_s:g} s {seen}") from error

    async def _holder(self) -> str:
        """What holds the GPUs; empty when nothing does."""
        look = await self._probe.occupancy(self._group.gpus)
        if look is None or look.unseen:
            return self._unseen(look.unseen if look else "")
        holder = ""
        if look.pids:
            holder = f"processes {', '.join(map(str, look.pids))} hold them"
        elif look.memory_used_max_bytes > self._gpu.vacant_memory_bytes:
            holder = f"{look.memory_used_max_bytes / 2**20:.0f} MiB are still held, by no process"
        elif (look.utilization_max_ratio or 0.0) > PHANTOM_BUSY_RATIO:
            holder = f"{look.utilization_max_ratio:.0%} busy, with no process"
        return holder and (look.said or f"{', '.join(self._group.gpus)}: {holder}")

    def _unseen(self, why: str = "") -> str:
        gpus = ", ".join(self._group.gpus)
        return f"{gpus} could not be seen{why and f': {why}'}"

    async def _start(self, driver: Driver, workload: Workload) -> None:
        """Look once more first: however long ago the GPUs were proven empty, they are it now."""
        # A start that is repeated finds the workload itself on them.
        if not await driver.alive(workload):
            holder = await self._holder()
            if holder:
                raise DriverError(f"the GPUs are not empty any more: {holder}")
        await driver.start(workload)

    async def _prove(self, driver: Driver, workload: Workload) -> None:
        """Ready, and ready again, for the proving time without a break."""
        hold_s = workload.readiness.hold_s
        pause_s = min(PROBE_INTERVAL_S, hold_s / 4) or PROBE_INTERVAL_S / 4
        loop = asyncio.get_running_loop()
        since: float | None = None
        while True:
            look = await driver.probe(workload)
            if not look.ready:
                since = None
                if not await driver.alive(workload):
                    raise DriverError(f"it exited: {await driver.exited(workload)}")
            elif since is None:
                since = loop.time()
            if since is not None and loop.time() - since >= hold_s:
                return
            await asyncio.sleep(pause_s)

    async def _watch(self, effect: Watch, workload: Workload, emit: Emit) -> None:
        driver, ticket = self._driver(workload), effect.ticket
        if effect.derate is not None:
            failure = await self._derate(workload, effect.derate)
            if failure:
                emit(Failed(ticket, failure))
        if isinstance(driver, Drainable):
            # A server that will not take work again still runs: that is for its probes to tell.
            with contextlib.suppress(DriverError):
                await driver.undrain(workload)
        timer = asyncio.get_running_loop().call_later(HELD_OUT_S, emit, HeldOut(ticket))
        try:
            emit(Exited(ticket, await driver.exited(workload)))
        finally:
            timer.cancel()

    async def _derate(self, workload: Workload, step: int) -> str:
        """Why the power limit could not be set; empty when it is."""
        limit_s = workload.deadlines.tune_s
        try:
            async with asyncio.timeout(limit_s):
                await self._tuner.derate(workload.gpus, workload.profile, step)
        except TimeoutError:
            return f"not done within {limit_s:g} s"
        except TuneError as error:
            return str(error)
        return ""

    def _backoff_s(self, restarts: int) -> float:
        """1, 2, 4 … seconds, with jitter so that a fleet does not restart in step."""
        return min(BACKOFF_MAX_S, 2.0 ** (restarts - 1)) * self._rng.uniform(0.5, 1.0)

    def _driver(self, workload: Workload) -> Driver:
        return self._drivers[workload.driver]
