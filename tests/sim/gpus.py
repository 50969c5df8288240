"""GPUs of a simulated machine, and the eyes and hands that an agent has on them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from agent.core.model import State
from agent.core.workload import PARK_MEMORY_BYTES, Workload
from agent.drivers.script import Script
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import Occupancy, TuneError
from tests.sim.checks import rig as checks
from tests.sim.witness import Witness
from wire import model

FLOOR_BYTES = 1024**3
"""A GPU that holds less counts as given back."""

PARKED_BYTES = PARK_MEMORY_BYTES
"""What a sleeper may hold beside that."""

LOOKS_MAX = 8
"""Looks at a GPU that are remembered; few are needed."""

NEUTRAL = "neutral"
COOL_C, HOT_C, GLOWING_C = 60.0, 93.0, 99.0
"""Nothing, past the first limit, past the last."""

STEP_C = 4.0
"""So much cooler a hot GPU gets by each step of derating, if that helps at all."""


class Life(Protocol):
    """The agent process that a tuner or driver works for."""

    dead: bool
    """It was killed; what is left of it must do nothing more."""

    def verb_kills(self) -> bool:
        """Whether it is killed right here; if so, it is dead now."""


class SimTuner:
    """Settings of all GPUs of one machine. They outlive an agent, not a reboot."""

    def __init__(
        self, life: Life, witness: Witness, durable: Callable[[str], State | None]
    ) -> None:
        """`durable`: what the journal says of the group that a GPU belongs to."""
        self.refusal = ""
        self._durable = durable
        self.stuck = False
        """No call that begins now will ever end."""
        self._shown: dict[str, str] = {}
        self._steps: dict[str, int] = {}
        self._life = life
        self._witness = witness

    def shown(self, gpu: str) -> str:
        """The profile that a GPU works under."""
        return self._shown.get(gpu, NEUTRAL)

    def steps(self, gpu: str) -> int:
        """Steps by which a GPU's power limit is lowered."""
        return self._steps.get(gpu, 0)

    def reset(self) -> None:
        """Power cycle."""
        self._shown.clear()
        self._steps.clear()

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        """See `agent.ports.Tuner`."""
        await self._try()
        for gpu in gpus:
            self._witness(checks.neutral_before_tuning(gpu, self.shown(gpu), profile, NEUTRAL))
            self._shown[gpu] = profile
            self._steps.pop(gpu, None)
        await self._survived()

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """See `agent.ports.Tuner`."""
        await self._try()
        for gpu in gpus:
            self._shown[gpu] = NEUTRAL
            self._steps.pop(gpu, None)
        await self._survived()

    async def derate(self, gpus: tuple[str, ...], profile: str, step: int) -> None:
        """See `agent.ports.Tuner`."""
        await self._try()
        for gpu in gpus:
            self._witness(
                checks.derated_rightly(gpu, self.shown(gpu), profile, step, self._durable(gpu))
            )
            self._steps[gpu] = step
        await self._survived()

    async def _try(self) -> None:
        if self.stuck or self._life.dead:
            await asyncio.Future()
        if self.refusal:
            raise TuneError(self.refusal)

    async def _survived(self) -> None:
        if self._life.verb_kills():
            await asyncio.Future()


class CheckedWorld(ScriptedWorld):
    """Simulated GPUs that shout at the moment two workloads meet."""

    def __init__(
        self, tuner: SimTuner, witness: Witness, durable: Callable[[str], State | None]
    ) -> None:
        """`durable`: what the journal says of the group that a GPU belongs to."""
        super().__init__()
        self._tuner = tuner
        self._witness = witness
        self._durable = durable

    def launch(self, workload: Workload) -> None:
        """See `ScriptedWorld`."""
        for gpu in workload.gpus:
            self._witness(
                checks.empty_before_start(
                    gpu, self._strangers(gpu), self._used_bytes(gpu), self._floor_bytes(gpu)
                )
                or checks.tuned_before_start(
                    gpu, self._tuner.shown(gpu), workload.profile, self._tuner.steps(gpu)
                )
            )
        super().launch(workload)
        for gpu in workload.gpus:
            self._witness(checks.exclusive(gpu, self.awake_on(gpu)))

    def wake(self, key: str) -> None:
        """See `ScriptedWorld`."""
        for gpu in self._alive[key].gpus if key in self._alive else ():
            others = [other for other in self.alive_on(gpu) if other != key]
            self._witness(
                checks.empty_before_start(
                    gpu, others, self._used_bytes(gpu), self._floor_bytes(gpu)
                )
            )
        super().wake(key)

    def given_back(self, gpu: str) -> bool:
        """Whether nothing holds this GPU but who sleeps there by the journal, and holds little."""
        return not self._strangers(gpu) and self._used_bytes(gpu) <= self._floor_bytes(gpu)

    def _strangers(self, gpu: str) -> list[str]:
        return [key for key in self.alive_on(gpu) if key != self._sleeper(gpu)]

    def _floor_bytes(self, gpu: str) -> int:
        return FLOOR_BYTES + (PARKED_BYTES if self._sleeper(gpu) is not None else 0)

    def _sleeper(self, gpu: str) -> str | None:
        """Key of who sleeps, in truth and by the journal."""
        state = self._durable(gpu)
        parked = state.parked if state is not None else None
        return next(
            (
                life.key
                for life in self._alive.values()
                if gpu in life.gpus and life.asleep and life.key.partition(".")[2] == parked
            ),
            None,
        )

    def stoppable_on(self, gpu: str) -> frozenset[str]:
        """Keys of the workloads on this GPU that a KILL would end."""
        return frozenset(
            life.key
            for life in self._alive.values()
            if gpu in life.gpus and not life.script.stop_hangs
        )

    def clean(self) -> None:
        """Somebody mends the machine: no memory is held by nobody, no process is stuck."""
        self._residue.clear()
        for life in self._alive.values():
            life.script = Script()


class Eyes:
    """The rig's sampler and GPU probe: what a simulated machine shows of itself."""

    def __init__(
        self,
        world: CheckedWorld,
        tuner: SimTuner,
        gpus: tuple[str, ...],
        now: Callable[[], float],
    ) -> None:
        self.hot_since_s: float | None = None
        """Since when the first GPU is too hot, or would be if it were not derated."""
        self.glows = False
        """It is so hot that no derating may be tried."""
        self.step_c = STEP_C
        """How much a step of derating helps."""
        self.stuck = False
        """No look that begins now will ever end."""
        self._world = world
        self._tuner = tuner
        self._gpus = gpus
        self._now = now
        self._shown = tuple(model.GpuReading(uuid, temperature_c=COOL_C) for uuid in gpus)
        self._empty_s: dict[str, deque[float]] = {gpu: deque(maxlen=LOOKS_MAX) for gpu in gpus}

    def latest(self) -> model.Sample:
        """See `agent.ports.Sampler`."""
        first_c = self.first_c
        if self._shown[0].temperature_c != first_c:
            first = model.GpuReading(self._gpus[0], temperature_c=first_c)
            self._shown = (first, *self._shown[1:])
        return model.Sample(at_s=self._now(), ok=True, gpus=self._shown)

    @property
    def first_c(self) -> float:
        """How hot the first GPU is."""
        if self.hot_since_s is None:
            return COOL_C
        return GLOWING_C if self.glows else HOT_C - self.step_c * self._tuner.steps(self._gpus[0])

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        """See `agent.ports.GpuProbe`."""
        if self.stuck:
            await asyncio.Future()
        look = await self._world.occupancy(gpus)
        if look is not None and self._world.given_back(gpus[0]):
            self._empty_s[gpus[0]].append(self._now())
        return look

    def empty_looks(self, gpu: str, since_s: float) -> int:
        """How often the agent was shown that this GPU is empty."""
        return sum(at >= since_s for at in self._empty_s[gpu])
