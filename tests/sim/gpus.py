"""GPUs of a simulated machine, and the eyes and hands that an agent has on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.core.workload import Workload
from agent.drivers.script import Script
from agent.drivers.scripted import ScriptedWorld
from agent.ports import Occupancy, TuneError
from tests.sim import checks
from tests.sim.checks import Witness
from wire import model

FLOOR_BYTES = 1024**3
"""A GPU that holds less counts as given back."""

NEUTRAL = "neutral"
COOL_C, HOT_C = 60.0, 99.0


class SimTuner:
    """Settings of all GPUs of one machine. They outlive an agent, not a reboot."""

    def __init__(self, witness: Witness) -> None:
        self.refusal = ""
        self.stuck = asyncio.Event()
        """Set: every call ends; not set: none does."""
        self.stuck.set()
        self._shown: dict[str, str] = {}
        self._witness = witness

    def shown(self, gpu: str) -> str:
        """The profile that a GPU works under."""
        return self._shown.get(gpu, NEUTRAL)

    def reset(self) -> None:
        """Power cycle."""
        self._shown.clear()

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        """See `agent.ports.Tuner`."""
        await self._try()
        for gpu in gpus:
            self._witness(checks.neutral_before_tuning(gpu, self.shown(gpu), NEUTRAL))
            self._shown[gpu] = profile

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Tuner`."""
        await self._try()
        for gpu in gpus:
            self._shown[gpu] = NEUTRAL

    async def _try(self) -> None:
        await self.stuck.wait()
        if self.refusal:
            raise TuneError(self.refusal)


class CheckedWorld(ScriptedWorld):
    """Simulated GPUs that shout at the moment two workloads meet."""

    def __init__(self, tuner: SimTuner, witness: Witness) -> None:
        super().__init__()
        self._tuner = tuner
        self._witness = witness

    def launch(self, workload: Workload) -> None:
        """See `ScriptedWorld`."""
        for gpu in workload.gpus:
            held = sum(life.script.memory_bytes for life in self._residue if gpu in life.gpus)
            self._witness(
                checks.empty_before_start(gpu, self.alive_on(gpu), held, FLOOR_BYTES)
                or checks.tuned_before_start(gpu, self._tuner.shown(gpu), workload.profile)
            )
        super().launch(workload)
        for gpu in workload.gpus:
            self._witness(checks.exclusive(gpu, self.alive_on(gpu)))

    def clean(self) -> None:
        """Somebody mends the machine: no memory is held by nobody, no process is stuck."""
        self._residue.clear()
        for life in self._alive.values():
            life.script = Script()


class Eyes:
    """The rig's sampler and GPU probe: what a simulated machine shows of itself."""

    def __init__(
        self, world: ScriptedWorld, gpus: tuple[str, ...], now: Callable[[], float]
    ) -> None:
        self.hot_since_s: float | None = None
        """Since when the first GPU is too hot."""
        self.stuck = asyncio.Event()
        """Set: every look ends; not set: none does."""
        self.stuck.set()
        self._world = world
        self._gpus = gpus
        self._now = now

    def latest(self) -> model.Sample:
        """See `agent.ports.Sampler`."""
        first = COOL_C if self.hot_since_s is None else HOT_C
        return model.Sample(
            at_s=self._now(),
            ok=True,
            gpus=tuple(
                model.GpuReading(uuid, temperature_c=COOL_C if position else first)
                for position, uuid in enumerate(self._gpus)
            ),
        )

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        """See `agent.ports.GpuProbe`."""
        await self.stuck.wait()
        return await self._world.occupancy(gpus)
