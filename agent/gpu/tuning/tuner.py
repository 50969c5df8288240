"""Implements `agent.ports.Tuner` by requests, whoever carries them out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from agent.gpu.tuning import pipe
from agent.gpu.tuning.order import carry_out
from agent.gpu.tuning.simulated_board import SimulatedBoard
from agent.ports import TuneError
from wire import logs

Perform = Callable[[pipe.Request], Awaitable[pipe.Done]]
"""Carries a request out, or raises `TuneError`."""


class ProfileTuner:
    """Asks for profiles, and logs what the GPUs showed afterwards."""

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._log = logs.get("tuner")

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        """See `agent.ports.Tuner`."""
        await self._ask(pipe.Apply(gpus, profile), profile)

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Tuner`."""
        await self._ask(pipe.Neutral(gpus), "neutral")

    async def derate(self, gpus: tuple[str, ...], profile: str, step: int) -> None:
        """See `agent.ports.Tuner`."""
        await self._ask(pipe.Derate(gpus, profile, step), profile, step=step)

    async def _ask(self, request: pipe.Request, profile: str, **more: int) -> None:
        done = await self._perform(request)
        self._log.info("profile read back", profile=profile, gpus=len(request.gpus), **more)
        for gpu in request.gpus:
            # An answer that leaves a GPU out proves nothing of it.
            if gpu not in done.shown:
                raise TuneError(f"{gpu}: nothing was read back")
            self._log.debug("GPU shows", gpu=gpu, **done.shown[gpu])


def simulated(simulated_dir: Path, profiles_file: Path) -> Perform:
    """Carries requests out on simulated GPUs, at once: they have no driver that could hang."""

    def now(_: float) -> None:
        """A simulated GPU shows at once what it was told."""

    async def perform(request: pipe.Request) -> pipe.Done:
        def board(uuid: str) -> SimulatedBoard:
            return SimulatedBoard(simulated_dir, uuid)

        answer = carry_out(request, board, profiles_file, now)
        if isinstance(answer, pipe.Refused):
            raise TuneError(answer.reason)
        return answer

    return perform
