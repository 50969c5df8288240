"""What a running workload owes while it is watched: to get requests, and to answer them right.

It ends nothing by itself: what it finds is told, and the switch machine decides.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from agent.core.model import Erred, Noted
from agent.core.workload import Workload
from agent.ports import Driver, DriverError
from agent.traffic import Traffic

WRONG_ANSWERS = 3
"""Looks in a row that must find it wrong before that counts."""

WRONG_INTERVAL_S = 1.0
"""Between two looks at one that was found wrong."""


Emit = Callable[[Noted | Erred], None]


async def until_exit(
    traffic: Traffic, driver: Driver, workload: Workload, ticket: int, emit: Emit
) -> str:
    """Do the duty until no process of the workload is left, and say how it ended."""
    loop, over = asyncio.get_running_loop(), asyncio.timeout(None)

    def leave(exited: asyncio.Task[str]) -> None:
        if not exited.cancelled():
            over.reschedule(loop.time())

    async with asyncio.TaskGroup() as tasks:
        # The duty is not the child: of a cancelled task the child may take one more step.
        exited = tasks.create_task(driver.exited(workload))
        exited.add_done_callback(leave)
        with contextlib.suppress(TimeoutError):
            async with over:
                await _on_duty(traffic, driver, workload, ticket, emit)
                await exited
    return exited.result()


async def _on_duty(
    traffic: Traffic, driver: Driver, workload: Workload, ticket: int, emit: Emit
) -> None:
    """Let requests in, then look at the answer now and then, until it is wrong for certain."""
    readiness = workload.readiness
    await traffic.let_in(driver, workload, lambda text: emit(Noted(ticket, text)))
    wrong = 0 if readiness.recheck_s and readiness.knows_the_answer else WRONG_ANSWERS
    while wrong < WRONG_ANSWERS:
        await asyncio.sleep(WRONG_INTERVAL_S if wrong else readiness.recheck_s)
        try:
            await driver.probe(workload)
            wrong = 0
        except DriverError as error:
            wrong += 1
            if wrong == WRONG_ANSWERS:
                emit(Erred(ticket, str(error)))
