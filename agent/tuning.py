"""How the GPUs of a group are set for a workload, in which order, and when that counts.

It never starts or stops anything.
"""

from __future__ import annotations

import asyncio

from agent.core.workload import NEUTRAL, Workload
from agent.ports import Checker, TuneError, Tuner
from wire.model import Kind


class Tuning:
    """A tuner, and the rig's own checker if it has one."""

    def __init__(self, tuner: Tuner, checker: Checker | None) -> None:
        self._tuner = tuner
        self._checker = checker

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Tuner`."""
        await self._tuner.neutral(gpus)

    async def tune(self, workload: Workload) -> None:
        """The workload's profile, and before inference the proof of neutral. Raises `TuneError`."""
        if workload.kind is not Kind.INFERENCE:
            await self._tuner.apply(workload.gpus, workload.profile)
            return
        # What mining got away with corrupts answers silently: neutral is proven, not presumed.
        await self._tuner.neutral(workload.gpus)
        if workload.profile != NEUTRAL:
            await self._tuner.apply(workload.gpus, workload.profile)
        if self._checker is not None:
            await self._checker.check(workload.gpus)

    async def derate(self, workload: Workload, step: int) -> str:
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
