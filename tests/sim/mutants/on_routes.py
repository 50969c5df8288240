"""Planted bugs in how requests are let in and kept out."""

from __future__ import annotations

from contextlib import suppress

from agent.core.workload import Workload
from agent.performer import Performer
from agent.ports import Driver, RouteError
from agent.traffic import Tell, Traffic
from tests.sim.mutants.planting import Mutant, Swaps


def _routed_unproven(swaps: Swaps) -> None:
    prove = Performer._prove

    async def early(self: Performer, driver: Driver, workload: Workload) -> None:
        with suppress(RouteError):
            await self._traffic._router.open(workload)
        await prove(self, driver, workload)

    swaps.attribute(Performer, "_prove", early)


def _route_left_open(swaps: Swaps) -> None:
    async def trust(self: Traffic, workload: Workload) -> None:
        """Whoever stopped it will have closed it."""

    swaps.attribute(Traffic, "close", trust)


def _opened_once(swaps: Swaps) -> None:
    async def once(self: Traffic, driver: Driver, workload: Workload, tell: Tell) -> None:
        with suppress(RouteError):
            await self._router.open(workload)

    swaps.attribute(Traffic, "let_in", once)


MUTANTS = (
    Mutant("routed-unproven", "only what is proven gets requests", _routed_unproven),
    Mutant("route-left-open", "a route is closed before a start", _route_left_open),
    Mutant("opened-once", "opening a route is tried again", _opened_once),
)
