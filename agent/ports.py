"""What the agent needs from the world. Each port has at least two real implementations.

Adapters translate: only the errors named here cross a port.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agent.core.model import State
from agent.core.options import Options
from agent.core.pins import Evidence, Finding
from agent.core.workload import Workload
from wire import model

DERATE_STEP_RATIO = 0.1
"""DERATE_STEP: one step of derating takes this share of the profile's own power limit away."""


class DriverError(Exception):
    """A workload could not be prepared, started, drained or stopped; one sentence says why."""


class TuneError(Exception):
    """A GPU did not take a profile, or did not show it when read back."""


class RouteError(Exception):
    """The load balancer could not be told; one sentence says why."""


class JournalError(Exception):
    """A state could not be made durable; nothing may be performed for it."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """One look at whether a started workload does its work."""

    ready: bool
    reason: str
    """What is still missing, or what proves it, e.g. "3 accepted shares, 61.2 MH/s"."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process holds on one GPU."""

    gpu: str
    pid: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What holds a group's GPUs, seen by the driver after the asking."""

    pids: tuple[int, ...]
    memory_used_max_bytes: int
    """On the fullest of the GPUs: seven empty ones must not hide one that is held."""
    utilization_max_ratio: float | None = None
    """Of the busiest of the GPUs, where the driver tells it."""
    said: str = ""
    """Which GPU is held by what, and what to do, if whoever looked can tell."""
    unseen: str = ""
    """Why one of the GPUs could not be seen; the rest then says nothing."""
    holdings: tuple[Holding, ...] = ()
    """Of each process on each GPU, where the driver tells it."""


class Driver(Protocol):
    """Runs one kind of workload. Every verb may be repeated; cancelling one is allowed.

    A workload outlives the agent: `alive` finds what an earlier agent process started.
    """

    async def prepare(self, workload: Workload) -> None:
        """Make a start likely to work (files, configuration, disk) without touching the GPUs.

        Raises:
            DriverError: It cannot work; the group stays as it is.
        """

    async def start(self, workload: Workload) -> None:
        """Start it, once. Raises `DriverError`; something may run even then."""

    async def alive(self, workload: Workload) -> bool:
        """Whether any process of it runs, whoever started it.

        Raises:
            DriverError: That cannot be told now; neither answer would be safe.
        """

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """Ask it to end, insist after `grace_s` seconds; returns when no process is left.

        Raises:
            DriverError: Something of it still runs.
        """

    async def probe(self, workload: Workload) -> Readiness:
        """Look once whether it does its work. Raises `DriverError` when it cannot recover."""

    async def exited(self, workload: Workload) -> str:
        """Wait until no process of it is left, and say how it ended."""

    async def read(self, workload: Workload) -> model.WorkloadReading | None:
        """What it says of itself now; ``None`` when it does not answer."""


@runtime_checkable
class Drainable(Protocol):
    """A driver that can let work in progress finish."""

    async def drain(self, workload: Workload) -> None:
        """Take no new work and return when nothing is in progress. Raises `DriverError`."""

    async def undrain(self, workload: Workload) -> None:
        """Take work again; harmless when it already does. Raises `DriverError`."""


@runtime_checkable
class Pinned(Protocol):
    """A driver that can tell whom a workload pays, and where it works."""

    async def unapproved(self, workload: Workload) -> tuple[Finding, ...]:
        """What of it `workload.pins` do not name, now or as it would be started.

        Raises:
            DriverError: That cannot be told now.
        """


@runtime_checkable
class Lockable(Protocol):
    """A driver of workloads on which somebody outside can have a claim, such as a tenant."""

    async def lock(self, workload: Workload) -> str | None:
        """Why nothing economic may stop it now; empty: certainly nothing; ``None``: unknown."""


@runtime_checkable
class SelfStarting(Protocol):
    """A driver of workloads that somebody else may start behind the agent's back."""

    async def keep_out(self, workload: Workload, grace_s: float) -> bool:
        """End it if it runs although it shall not; whether it did. Raises `DriverError`."""


@runtime_checkable
class Sleepable(Protocol):
    """A driver whose workloads may be able to leave most of the GPU memory, and stay alive."""

    async def sleep(self, workload: Workload, level: int) -> None:
        """Leave the memory, proven by its own word; nothing may be in progress.

        Raises:
            DriverError: It cannot, or would lose work; it may be awake or asleep.
        """

    async def wake(self, workload: Workload) -> None:
        """Be as before, proven by its own word. Raises `DriverError`."""

    async def asleep(self, workload: Workload) -> bool | None:
        """Whether it sleeps; ``None`` when it does not tell, or cannot sleep."""

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Pids of all its processes, whoever started them. Raises `DriverError`."""


class Router(Protocol):
    """Tells the farm's load balancer whether a workload takes requests, if that is to be told.

    Every verb may be repeated and cancelled; one that was begun ends before the next begins, so
    that the last word counts.
    """

    async def check(self, workload: Workload) -> None:
        """Look whether it can be told, without telling. Raises `RouteError`."""

    async def close(self, workload: Workload) -> None:
        """Send nothing more to it; returns when that is confirmed. Raises `RouteError`."""

    async def open(self, workload: Workload) -> None:
        """Send requests to it; returns when that is confirmed. Raises `RouteError`."""


class Launcher(Protocol):
    """Starts, finds and ends the processes of a workload, by the workload's key."""

    async def prepare(self, workload: Workload) -> None:
        """Check that there is something to start. Raises `DriverError`."""

    async def start(self, workload: Workload) -> None:
        """Start it so that it outlives the agent. Raises `DriverError`."""

    async def alive(self, workload: Workload) -> bool:
        """Whether any of its processes runs. Raises `DriverError` when that cannot be told."""

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """TERM, after `grace_s` KILL; returns when none is left. Raises `DriverError`."""

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Pids of its processes. Raises `DriverError` when they cannot be told."""

    async def exited(self, workload: Workload) -> str:
        """Wait until none of its processes is left, and say how it ended."""

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """What it would be started with, and what those of its processes that run were.

        `known` are the options of a miner. Raises `DriverError`.
        """


class GpuProbe(Protocol):
    """Looks at GPUs for the switch machine."""

    async def occupancy(self, gpus: tuple[str, ...]) -> Occupancy | None:
        """A look made after this call began; ``None`` when the GPUs could not be seen."""


class Tuner(Protocol):
    """Applies GPU profiles and reads every setting back."""

    async def apply(self, gpus: tuple[str, ...], profile: str) -> None:
        """Apply a profile of the rig's own file. Raises `TuneError`."""

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """Back to the neutral profile. Raises `TuneError`."""

    async def derate(self, gpus: tuple[str, ...], profile: str, step: int) -> None:
        """The profile with its power limit lowered by so many steps of DERATE_STEP.

        0 gives the profile itself. What else the profile sets is left as it is.

        Raises:
            TuneError: It cannot be set, or is at its lowest already; safety then stops the
                workload.
        """


class Checker(Protocol):
    """Proves that GPUs compute rightly."""

    async def check(self, gpus: tuple[str, ...]) -> None:
        """Returns when they did. Raises `TuneError` when they did not, or not in time."""


class Journal(Protocol):
    """Durable memory of one GPU group's switch machine."""

    def append(self, state: State) -> None:
        """Make `state` durable before returning. Raises `JournalError`."""

    def load(self) -> State | None:
        """The newest durable state; ``None`` for a new group.

        A torn last line is ignored. Anything else that cannot be read, and a journal without a
        whole line, gives the safe state of `agent.core.recovery.unknown`, never an exception.
        """

    def spoil(self) -> None:
        """Make what was written unbelievable, as far as the disk allows; needs no space on it.

        For a state that is performed although `append` refused it: after this, `load` gives
        `agent.core.recovery.unknown` until a state is appended. Never raises.
        """


class Sampler(Protocol):
    """The newest sample of the rig's GPUs and host."""

    def latest(self) -> model.Sample:
        """Never blocks; `ok` is false, with a reason, when the sample is old or missing."""
