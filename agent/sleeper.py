"""A server that sleeps on the GPUs of another workload: known as such, put to sleep, and woken.

It is known by its own word and by its launcher's processes, never by what it was told to do.
"""

from __future__ import annotations

import asyncio

from agent.core.workload import Workload
from agent.ports import Drainable, Driver, DriverError, Sleepable

SILENT_LOOKS = 3
"""Looks in a row at which it may say nothing; a busy host answers late."""

SILENT_PAUSE_S = 1.0
"""Between them."""


class Sleeper:
    """One workload that sleeps, or shall."""

    def __init__(self, driver: Driver, workload: Workload) -> None:
        self._driver = driver
        self.workload = workload

    async def fault(self, looks: int = 1) -> str:
        """Why it does not count as asleep; empty: it says itself that it sleeps.

        Raises:
            DriverError: It cannot be told whether it lives.
        """
        driver = self._driver
        if self.workload.park is None or not isinstance(driver, Sleepable):
            return "the rig's file lets it sleep no more"
        for look in range(looks):
            if not await self._driver.alive(self.workload):
                return "it has ended"
            asleep = await driver.asleep(self.workload)
            if asleep is not None:
                return "" if asleep else "it is awake"
            if look < looks - 1:
                await asyncio.sleep(SILENT_PAUSE_S)
        return "it does not say whether it sleeps"

    async def lull(self) -> None:
        """Put it to sleep, if it does not sleep yet. Raises `DriverError`."""
        driver, park = self._able()
        if await self.fault():
            await driver.sleep(self.workload, park)

    async def wake(self) -> None:
        """Have it as it was before, ready for the proof that it works. Raises `DriverError`."""
        driver, _ = self._able()
        await driver.wake(self.workload)
        # It was told to take nothing new when it was drained; no request is sent to it yet.
        if isinstance(self._driver, Drainable):
            await self._driver.undrain(self.workload)

    async def processes(self) -> frozenset[int]:
        """Pids of all its processes. Raises `DriverError`."""
        driver, _ = self._able()
        return await driver.processes(self.workload)

    def _able(self) -> tuple[Sleepable, int]:
        if self.workload.park is None or not isinstance(self._driver, Sleepable):
            raise DriverError(f"{self.workload.key}: cannot sleep")
        return self._driver, self.workload.park.level
