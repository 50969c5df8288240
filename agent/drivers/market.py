"""Driver for machines that are offered on a marketplace: no process, but an offer and tenants.

It never ends a rental: what it stops is the offer, and then it waits for the tenants. What it has
offered stands in a file, so that nobody need be asked whether it may be there; and where nobody
answers, the machine counts as it last was, never as free.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from agent.core.workload import Workload
from agent.drivers.markets.desk import Desk
from agent.drivers.markets.row import Row
from agent.drivers.markets.sight import Sight
from agent.ports import DriverError, Readiness
from wire.model import WorkloadReading

LOOK_INTERVAL_S = 5.0
"""Between two looks while waiting for tenants to leave."""

WATCH_INTERVAL_S = 60.0
"""Between two looks whether somebody else has withdrawn the offer."""

FREE_LOOKS = 2
"""Looks in a row that must find it free: a tenant may come with the withdrawal."""

FIGURES_AGE_MAX_S = 180.0
"""Older figures are none."""


class MarketDriver:
    """Offers machines on one marketplace. Implements `Driver`, `Drainable` and `Lockable`."""

    def __init__(
        self,
        row: Row,
        state_dir: Path,
        *,
        desk: Desk | None = None,
        look_interval_s: float = LOOK_INTERVAL_S,
        watch_interval_s: float = WATCH_INTERVAL_S,
    ) -> None:
        self._row = row
        self._offers = state_dir / "markets"
        self._desk = desk or Desk(row)
        self._look_interval_s = look_interval_s
        self._watch_interval_s = watch_interval_s
        self._seen: dict[str, tuple[float, Sight]] = {}
        """By workload: the newest look, and when; time of the event loop."""

    async def prepare(self, workload: Workload) -> None:
        """Check the settings, and that the marketplace knows the machine. Raises `DriverError`."""
        self._desk.check(workload)
        await self._look(workload)

    async def start(self, workload: Workload) -> None:
        """Offer it. Raises `DriverError`; it may be offered even then."""
        try:
            self._offers.mkdir(parents=True, exist_ok=True)
            self._offer(workload).touch()
        except OSError as error:
            raise DriverError(f"{workload.key}: {self._offers}: {error.strerror}") from error
        await self._desk.enlist(workload)

    async def alive(self, workload: Workload) -> bool:
        """Whether it was offered and not seen free since."""
        return self._offer(workload).exists()

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """Withdraw the offer and wait for the tenants. Raises `DriverError` while there are any."""
        last: list[str] = []
        try:
            async with asyncio.timeout(grace_s):
                await self._until_free(workload, last)
        except TimeoutError as error:
            why = last[-1] if last else "it does not answer in time"
            raise DriverError(f"{workload.key}: not known to be free: {why}") from error
        self._offer(workload).unlink(missing_ok=True)

    async def exited(self, workload: Workload) -> str:
        """Wait until the offer is gone and nobody has it."""
        free = 0
        while await self.alive(workload):
            if free == FREE_LOOKS:
                self._offer(workload).unlink(missing_ok=True)
                break
            await asyncio.sleep(self._watch_interval_s)
            seen = await self._try_look(workload)
            gone = isinstance(seen, Sight) and seen.rented is False and seen.listed is False
            free = free + 1 if gone else 0
        return f"is not offered on {self._row.title} any more"

    async def probe(self, workload: Workload) -> Readiness:
        """Ready when it is offered and online, or rented."""
        seen = await self._try_look(workload)
        if isinstance(seen, str):
            return Readiness(ready=False, reason=seen)
        if seen.rented:
            return Readiness(ready=True, reason=self._rented(seen))
        if seen.online is False:
            return Readiness(ready=False, reason=f"{self._row.title} does not reach the machine")
        if seen.listed is False:
            return Readiness(ready=False, reason=f"not offered on {self._row.title} yet")
        return Readiness(ready=True, reason=f"offered on {self._row.title}")

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Figures of the newest look, which others made; none when that is too long ago."""
        at_s, seen = self._seen.get(workload.key, (float("-inf"), None))
        if seen is None or asyncio.get_running_loop().time() - at_s > FIGURES_AGE_MAX_S:
            return None
        return WorkloadReading(
            group=workload.group,
            workload=workload.name,
            gpus_rented=seen.gpus_rented,
            earning_usd_per_h=seen.earning_usd_per_h,
        )

    async def drain(self, workload: Workload) -> None:
        """Withdraw the offer and wait for the tenants; the caller's deadline ends the wait."""
        await self._until_free(workload, [])

    async def undrain(self, workload: Workload) -> None:
        """Offer it again, unless it is. Raises `DriverError`."""
        seen = await self._look(workload)
        if seen.listed is not True:
            await self._desk.enlist(workload)

    async def lock(self, workload: Workload) -> str | None:
        """Whether there are tenants; ``None`` while the marketplace does not say."""
        seen = await self._try_look(workload)
        if isinstance(seen, str) or seen.rented is None:
            return None
        return self._rented(seen) if seen.rented else ""

    async def _until_free(self, workload: Workload, seen_so_far: list[str]) -> None:
        """Withdraw until it shows: one request may be lost, and nobody may offer it meanwhile."""
        free = 0
        while free < FREE_LOOKS:
            try:
                if not free:
                    await self._desk.delist(workload)
                seen = await self._look(workload)
            except DriverError as error:
                free = 0
                seen_so_far.append(str(error))
            else:
                free = free + 1 if seen.free else 0
                seen_so_far.append(self._rented(seen) if seen.rented else "still offered")
            if free < FREE_LOOKS:
                await asyncio.sleep(self._look_interval_s)

    async def _look(self, workload: Workload) -> Sight:
        seen = await self._desk.look(workload)
        self._seen[workload.key] = asyncio.get_running_loop().time(), seen
        return seen

    async def _try_look(self, workload: Workload) -> Sight | str:
        """A look, or why there is none."""
        try:
            return await self._look(workload)
        except DriverError as error:
            return str(error)

    def _rented(self, seen: Sight) -> str:
        count = seen.gpus_rented
        which = "1 GPU is" if count == 1 else f"{count} GPUs are" if count else "the machine is"
        return f"{which} rented on {self._row.title}"

    def _offer(self, workload: Workload) -> Path:
        return self._offers / workload.key
