"""The tuner of a rig whose GPU settings nobody may change: only the neutral profile exists."""

from __future__ import annotations

from agent.core.workload import NEUTRAL
from agent.ports import TuneError


class Untuned:
    """Leaves clocks and limits as the driver has them, and refuses any other profile."""

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        """See `agent.ports.Tuner`."""
        if profile != NEUTRAL:
            raise TuneError(f"profile {profile!r} is unknown on this rig; use `{NEUTRAL}`")

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Tuner`. Nothing was changed, so nothing is to be undone."""

    async def derate(self, gpus: tuple[str, ...], profile: str, step: int) -> None:
        """See `agent.ports.Tuner`."""
        if step:
            raise TuneError("this rig changes no power limits; set `gpu.tuner` to let it")
        await self.apply(gpus, profile)
