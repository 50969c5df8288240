"""Performs one effect under its deadline. Whatever happens ends as an event with its ticket."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial

from agent import duty
from agent.core import rhythm
from agent.core.effects import Drain, Effect, Prepare, Probe, Start, Stop, Tune, Vacate, Watch
from agent.core.model import Bound, Event, Exited, Failed, HeldOut, Noted, Parked, Succeeded
from agent.core.workload import Deadlines, Workload
from agent.ports import (
    Checker,
    Driver,
    DriverError,
    GpuProbe,
    Lockable,
    RouteError,
    Router,
    SelfStarting,
    TuneError,
    Tuner,
)
from agent.settings import GpuSettings, GroupSettings
from agent.shutdown import Shutdown
from agent.sleeper import SILENT_LOOKS, Sleeper
from agent.traffic import Traffic
from agent.tuning import Tuning
from agent.vacancy import Vacancy

HELD_OUT_S = 600.0
"""A workload that ran for this long gets its restarts back."""

LOCK_TIMEOUT_S = 20.0
"""A workload that takes longer to say whether it is locked has not said it."""

LAST_WORD_S = 1.0
"""What knows best why it is late is given this much longer to say so."""

EXCESS_TIMEOUT_S = 5.0
"""For a look at what a sleeper holds; while GPUs cannot be seen, its own word counts."""

BACKOFF_MAX_S = 30.0
"""Longest wait before a restart; the group can follow no new word meanwhile."""

Emit = Callable[[Event], None]


class Performer:
    """The hands of one GPU group."""

    def __init__(  # noqa: PLR0913 - each is a port that a group is worked through
        self,
        group: GroupSettings,
        gpu: GpuSettings,
        drivers: Mapping[str, Driver],
        *,
        probe: GpuProbe,
        tuner: Tuner,
        router: Router,
        rng: random.Random,
        checker: Checker | None = None,
    ) -> None:
        self._group = group
        self._drivers = drivers
        self._vacancy = Vacancy(probe, group.gpus, gpu)
        self._tuning = Tuning(tuner, checker)
        self._traffic = Traffic(router)
        self._shutdown = Shutdown(group, drivers, self._traffic)
        self._rng = rng
        self._seen = ""
        """What the present effect saw last, in case that its deadline ends it."""
        self._workloads = {workload.name: workload for workload in group.workloads}
        # What verbs a driver has takes long to find out, and of these it is asked for ever.
        self._self_starting = {
            name: driver for name, driver in drivers.items() if isinstance(driver, SelfStarting)
        }

    async def alive(self) -> frozenset[str]:
        """Workloads of the group that run now, whoever started them."""
        found = [w.name for w in self._group.workloads if await self._driver(w).alive(w)]
        return frozenset(found)

    async def lock(self, name: str) -> str | None:
        """Why this workload may not be stopped now; empty: no reason; ``None``: unknown."""
        if name not in self._workloads:
            return ""
        return await self._lock(self._driver(self._workloads[name]), self._workloads[name])

    async def _lock(self, driver: Driver, workload: Workload) -> str | None:
        if not isinstance(driver, Lockable):
            return ""
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_S):
                return await driver.lock(workload)
        except (DriverError, TimeoutError):
            return None

    async def keep_out(self, wanted: Collection[str | None]) -> list[str]:
        """End what somebody else has started beside what is wanted; their names.

        Raises:
            DriverError: It goes on running.
        """
        return [
            workload.name
            for workload in self._group.workloads
            if workload.name not in wanted
            and (driver := self._self_starting.get(workload.driver)) is not None
            and await driver.keep_out(workload, workload.deadlines.stop_s / 2)
        ]

    async def restless(self, name: str) -> str:
        """Why a parked workload does not count as asleep; empty: it sleeps, and holds little.

        Raises:
            DriverError: That cannot be told now.
        """
        if name not in self._workloads:
            return "it is no longer on this rig's list for the group"
        sleeper = self._sleeper(self._workloads[name])
        fault = await sleeper.fault(SILENT_LOOKS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXCESS_TIMEOUT_S):
                fault = fault or await self._vacancy.excess(sleeper)
        return fault

    async def tended(self, name: str) -> bool:
        """Whether a parked workload sleeps; if not, it is ended as far as that can be done.

        Raises:
            DriverError: It cannot be told now.
        """
        fault = await self.restless(name)
        if fault:
            # What goes on all the same is found alive, and then the whole group is stopped.
            with contextlib.suppress(DriverError):
                await self.end(name)
        return not fault

    async def end(self, name: str) -> None:
        """End one workload that shall not be here. Raises `DriverError`."""
        await self._shutdown.end(self._listed(name), urgent=True)

    async def perform(self, effect: Effect, emit: Emit) -> None:
        """Do it, and tell how it ended."""
        match effect:
            case Drain(heeds_lock=True):
                emit(await self._released(effect, emit))
            case Watch():
                await self._watch(effect, self._workloads[effect.workload], emit)
            case _:
                emit(await self._attempt(effect, emit))

    async def _attempt(self, effect: Effect, emit: Emit) -> Event:
        deadline_s, self._seen = 0.0, ""
        try:
            deadline_s, work = self._work(effect, emit)
            async with asyncio.timeout(deadline_s):
                sleeps = await work
        except TimeoutError:
            last = f"; {self._seen}" if self._seen else ""
            held = f"; {self._shutdown.stuck()}" if isinstance(effect, Stop) else ""
            return Failed(effect.ticket, f"not done within {deadline_s:g} s{last}{held}")
        except (DriverError, TuneError, RouteError) as error:
            return Failed(effect.ticket, str(error))
        return Parked(effect.ticket) if sleeps else Succeeded(effect.ticket)

    async def _released(self, effect: Drain, emit: Emit) -> Event:
        """However draining went, the workload may be stopped only if it is certainly not locked."""
        event = await self._attempt(effect, emit)
        lock = await self.lock(effect.workload)
        if lock is None:
            lock = "it cannot be told whether it is locked"
        return Bound(effect.ticket, lock) if lock else event

    def _work(self, effect: Effect, emit: Emit) -> tuple[float, Awaitable[bool | None]]:
        """The deadline in seconds and the work itself, which tells whether somebody sleeps now."""
        if isinstance(effect, Stop):
            tell = partial(self._tell, effect.ticket, emit)
            return self._shutdown.limit_s(effect), self._shutdown.run(effect, tell)
        if isinstance(effect, Vacate):
            # A group that may run nothing can still have to be emptied.
            every = [w.deadlines for w in self._group.workloads] or [Deadlines()]
            longest_s = max(limits.vacate_s for limits in every)
            pause_s = (BACKOFF_MAX_S if effect.restarts else 0.0) + LAST_WORD_S
            return longest_s + pause_s, self._vacate(effect, longest_s)
        workload = self._listed(effect.workload)
        limits = workload.deadlines
        driver = self._driver(workload)
        match effect:
            case Prepare():
                return limits.prepare_s, self._prepare(driver, workload)
            case Drain(ticket=ticket):
                tell = partial(self._tell, ticket, emit)
                return limits.drain_s, self._traffic.turn_away(driver, workload, tell)
            case Tune():
                return limits.tune_s, self._tuning.tune(workload)
            case Start(sleeper=sleeper):
                return limits.start_s, self._start(driver, workload, sleeper)
            case Probe():
                return limits.probe_s, self._prove(driver, workload)
        raise AssertionError(effect)

    def _listed(self, name: str) -> Workload:
        """Raises `DriverError`: the journal may name what has left the rig's file since."""
        if name not in self._workloads:
            raise DriverError(f"{name} is no longer on this rig's list for the group")
        return self._workloads[name]

    def _tell(self, ticket: int, emit: Emit, text: str) -> None:
        self._seen = text
        emit(Noted(ticket, text))

    async def _prepare(self, driver: Driver, workload: Workload) -> None:
        await self._traffic.prepare(workload, self._group.workloads)
        await driver.prepare(workload)

    async def _vacate(self, effect: Vacate, limit_s: float) -> None:
        restarts = effect.restarts
        # Where a workload exited by itself, the route was never closed.
        shut = self._traffic.shut(self._group.workloads)
        await asyncio.gather(shut, asyncio.sleep(self._backoff_s(restarts) if restarts else 0))
        seen = f"{', '.join(self._group.gpus)} could not be made neutral"
        try:
            async with asyncio.timeout(limit_s):
                await self._tuning.neutral(self._group.gpus)
                seen = self._vacancy.unseen()
                async for holder in self._vacancy.holders(self._named(effect.sleeper)):
                    seen = holder or seen
        except TimeoutError as error:
            raise DriverError(f"after {limit_s:g} s {seen}") from error

    async def _start(self, driver: Driver, workload: Workload, asleep: str | None) -> None:
        """Look once more first: however long ago the GPUs were proven empty, they are it now."""
        # Nobody shall get an answer from what is not proven.
        await self._traffic.close(workload)
        wakes = asleep == workload.name
        # A start that is repeated finds the workload itself on them.
        if wakes or not await driver.alive(workload):
            holder = await self._vacancy.holder(self._named(asleep))
            if holder:
                raise DriverError(f"the GPUs are not empty any more: {holder}")
        await (self._sleeper(workload).wake() if wakes else driver.start(workload))

    async def _prove(self, driver: Driver, workload: Workload) -> None:
        """Ready, and ready again, for the proving time without a break."""
        hold_s = workload.readiness.hold_s
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        since: float | None = None
        while True:
            look = await driver.probe(workload)
            self._seen = look.reason
            if not look.ready:
                since = None
                if not await driver.alive(workload):
                    raise DriverError(f"it exited: {await driver.exited(workload)}")
            elif since is None:
                since = loop.time()
            now_s = loop.time()
            left_s = rhythm.PROBE_PAUSE_MAX_S if since is None else since + hold_s - now_s
            if left_s <= 0:
                return
            longest_s = min(left_s, rhythm.PROBE_PAUSE_MAX_S)
            await asyncio.sleep(rhythm.pause_s(now_s - began_s, longest_s))

    async def _watch(self, effect: Watch, workload: Workload, emit: Emit) -> None:
        driver, ticket = self._driver(workload), effect.ticket
        if effect.derate is not None:
            failure = await self._tuning.derate(workload, effect.derate)
            if failure:
                emit(Failed(ticket, failure))
        timer = asyncio.get_running_loop().call_later(HELD_OUT_S, emit, HeldOut(ticket))
        try:
            ended = await duty.until_exit(self._traffic, driver, workload, ticket, emit)
            emit(Exited(ticket, ended))
        finally:
            timer.cancel()

    def _backoff_s(self, restarts: int) -> float:
        """1, 2, 4 … seconds, with jitter so that a fleet does not restart in step."""
        return min(BACKOFF_MAX_S, 2.0 ** (restarts - 1)) * self._rng.uniform(0.5, 1.0)

    def _named(self, name: str | None) -> Sleeper | None:
        return None if name is None else self._sleeper(self._listed(name))

    def _sleeper(self, workload: Workload) -> Sleeper:
        return Sleeper(self._driver(workload), workload)

    def _driver(self, workload: Workload) -> Driver:
        return self._drivers[workload.driver]
