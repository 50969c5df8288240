"""Turns requests away from a workload and lets them in again, at the load balancer and at itself.

The load balancer comes first on the way out and last on the way in: what it sends is never refused.
It decides nothing: when to do which is the switch machine's word.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from agent.core.workload import Workload
from agent.ports import Drainable, Driver, DriverError, RouteError, Router

CLOSE_RETRY_S = 2.0
"""Between two tries to close a route; the deadline for draining runs meanwhile."""

OPEN_RETRY_S = 1.0
"""Before the second try to open one; doubled for each further one."""

OPEN_RETRY_MAX_S = 30.0
"""Longest pause between tries; a load balancer that is back is found soon enough."""

Tell = Callable[[str], None]
"""Says to people how it goes."""


class Traffic:
    """Requests on their way to the workloads of one GPU group."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def prepare(self, workload: Workload, group: Iterable[Workload]) -> None:
        """Look whether its route can be used, before anything is stopped for it.

        It is closed for that, unless that would close the route of another workload of the group,
        which may be at work.

        Raises:
            RouteError: It cannot be used.
        """
        await self._router.check(workload)
        if workload.route is None:
            return
        others = [other.route for other in group if other.name != workload.name]
        if workload.route.close not in [other.close for other in others if other is not None]:
            await self._router.close(workload)

    async def close(self, workload: Workload) -> None:
        """Close its route. Raises `RouteError`."""
        await self._router.close(workload)

    async def turn_away(self, driver: Driver, workload: Workload, tell: Tell) -> None:
        """Close its route, then let what it has begun finish. Raises `DriverError`.

        While the route cannot be closed it still gets requests, so then only the caller's deadline
        ends this; what is in progress may finish meanwhile.
        """
        try:
            await self._closed(workload)
        except RouteError as error:
            tell(f"{workload.name} still gets requests, closing its route is tried again: {error}")
            await self._close_late(driver, workload, tell)
        await _drain(driver, workload)

    async def shut(self, workloads: Iterable[Workload]) -> None:
        """Close all these routes as far as that can be done at once; nothing depends on it."""
        await asyncio.gather(*(self._shut(workload) for workload in workloads))

    async def let_in(self, driver: Driver, workload: Workload, tell: Tell) -> None:
        """Have it take work and open its route, however often that must be tried."""
        pause_s, trouble = OPEN_RETRY_S, False
        while True:
            try:
                if isinstance(driver, Drainable):
                    await driver.undrain(workload)
                await self._router.open(workload)
                break
            except (DriverError, RouteError) as error:
                trouble = True
                tell(f"{workload.name} runs but gets no requests, tried again: {error}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, OPEN_RETRY_MAX_S)
        if trouble:
            tell(f"{workload.name} is proven and gets requests again")

    async def _closed(self, workload: Workload) -> None:
        await self._router.close(workload)
        if workload.route is not None:
            await asyncio.sleep(workload.route.settle_s)

    async def _close_late(self, driver: Driver, workload: Workload, tell: Tell) -> None:
        closing = asyncio.create_task(self._keep_closing(workload, tell))
        try:
            await _drain(driver, workload)
            await closing
        finally:
            closing.cancel()

    async def _keep_closing(self, workload: Workload, tell: Tell) -> None:
        closed = False
        while not closed:
            await asyncio.sleep(CLOSE_RETRY_S)
            # What refuses was told already; the deadline ends this.
            with contextlib.suppress(RouteError):
                await self._closed(workload)
                closed = True
        tell(f"{workload.name} gets no more requests and finishes what it has begun")

    async def _shut(self, workload: Workload) -> None:
        if workload.route is None:
            return
        try:
            async with asyncio.timeout(workload.route.timeout_s):
                await self._router.close(workload)
        except (RouteError, TimeoutError):
            # Nothing serves there any more; before the next start it must succeed.
            return


async def _drain(driver: Driver, workload: Workload) -> None:
    if isinstance(driver, Drainable):
        await driver.drain(workload)
