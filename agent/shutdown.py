"""Ends the workloads of one GPU group, all but one that proves that it sleeps.

One that cannot be stopped must not save the others, nor leave them half stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from agent.core.effects import Stop
from agent.core.workload import Deadlines, Workload
from agent.ports import Driver, DriverError
from agent.settings import GroupSettings
from agent.sleeper import Sleeper
from agent.traffic import Traffic

URGENT_GRACE_S = 3.0
"""Between TERM and KILL when safety stops a workload; whoever hijacked it may ignore TERM."""

Tell = Callable[[str], None]
"""Says to people how it goes."""


class Shutdown:
    """The way out for everything that runs on one group."""

    def __init__(
        self, group: GroupSettings, drivers: Mapping[str, Driver], traffic: Traffic
    ) -> None:
        self._group = group
        self._drivers = drivers
        self._traffic = traffic

    def limit_s(self, effect: Stop) -> float:
        """Longest time for all of it, seconds."""
        # A group that may run nothing can still have to be emptied.
        every = [w.deadlines for w in self._group.workloads] or [Deadlines()]
        sleeper = self._listed(effect.sleeper)
        return max(limits.stop_s for limits in every) + (sleeper.deadlines.park_s if sleeper else 0)

    async def run(self, effect: Stop, tell: Tell) -> bool:
        """Everything of this group, known to the journal or not, and no requests any more.

        Returns:
            Whether the sleeper stays.

        Raises:
            DriverError: Something of it still runs.
        """
        sleeper = self._listed(effect.sleeper)
        others = [w for w in self._group.workloads if w is not sleeper]
        _, stays, *endings = await asyncio.gather(
            self._traffic.shut(self._group.workloads),
            self._parked(sleeper, effect, tell),
            *(self.end(workload, urgent=effect.urgent) for workload in others),
            return_exceptions=True,
        )
        for error in (stays, *endings):
            if isinstance(error, DriverError):
                raise DriverError(f"{error}; {self.stuck()}") from error
            if isinstance(error, BaseException):
                raise error
        return stays is True

    async def end(self, workload: Workload, *, urgent: bool) -> None:
        """One of them. Raises `DriverError`."""
        driver, limits = self._drivers[workload.driver], workload.deadlines
        try:
            # Its own limit: a stuck miner is not given the time that a marketplace needs.
            async with asyncio.timeout(limits.stop_s):
                if await driver.alive(workload):
                    grace_s = min(limits.grace_s, URGENT_GRACE_S) if urgent else limits.grace_s
                    await driver.stop(workload, grace_s)
        except TimeoutError as error:
            raise DriverError(f"{workload.name}: not done within {limits.stop_s:g} s") from error

    def stuck(self) -> str:
        """What a process that does not even end by KILL means."""
        gpus = ", ".join(self._group.gpus)
        return (
            f"it may still hold {gpus}; if it hangs in the kernel, only a reboot of the rig helps"
        )

    async def _parked(self, workload: Workload | None, effect: Stop, tell: Tell) -> bool:
        """Whether it sleeps; what does not is ended like any other."""
        if workload is None:
            return False
        fault = await self._restless(workload, effect)
        if fault:
            tell(f"{workload.name} is ended instead of sleeping: {fault}")
            await self.end(workload, urgent=effect.urgent)
        return not fault

    async def _restless(self, workload: Workload, effect: Stop) -> str:
        sleeper = Sleeper(self._drivers[workload.driver], workload)
        limit_s = workload.deadlines.park_s
        try:
            async with asyncio.timeout(limit_s):
                if effect.lull:
                    await sleeper.lull()
                return await sleeper.fault()
        except DriverError as error:
            return str(error)
        except TimeoutError:
            return f"not done within {limit_s:g} s"

    def _listed(self, name: str | None) -> Workload | None:
        return next((w for w in self._group.workloads if w.name == name), None)
