"""What goes wrong, drawn from the seed before and while it runs. All of it ends at `calm_s`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Partition:
    """A rig that cannot be reached, or cannot reach, for a while."""

    rig: str
    upward: bool
    start_s: float
    end_s: float


@dataclass(slots=True)
class Network:
    """Loses, repeats, reorders and delays frames; implements `wire.memory.Faults`."""

    rng: random.Random
    loss: float
    repeat: float
    delay_s: float
    partitions: tuple[Partition, ...]
    calm_s: float
    forge: float = 0.0
    forged: int = 0
    kept: list[bytes] = field(default_factory=list)

    def fate(self, rig: str, *, upward: bool, frame: bytes) -> Sequence[float]:
        """See `wire.memory.Faults`."""
        now = asyncio.get_running_loop().time()
        if now >= self.calm_s:
            return (0.01,)
        for partition in self.partitions:
            if (
                partition.rig == rig
                and partition.upward == upward
                and partition.start_s <= now < partition.end_s
            ):
                return ()
        if self.rng.random() < self.loss:
            return ()
        copies = 2 if self.rng.random() < self.repeat else 1
        return tuple(self.rng.expovariate(1.0 / self.delay_s) for _ in range(copies))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One seed's misfortune."""

    seed: int
    rigs: int
    groups: int
    calm_s: float
    """From here on nothing goes wrong any more."""
    loss: float
    repeat: float
    delay_s: float
    partitions: tuple[Partition, ...]
    kills: tuple[tuple[float, str], ...]
    """Instants at which an agent (`rig-0`) or the controller (`controller`) is killed."""
    reboots: tuple[tuple[float, str], ...]
    disk_full: tuple[tuple[float, float, str], ...]
    """From, until, whose: journals of a rig, or the controller's store, refuse to write."""
    crash_at_line: tuple[tuple[str, int, bool], ...]
    """Rig, how many journal lines into the run, and whether that line was durable."""
    exits: tuple[tuple[float, str], ...]
    """Instants at which whatever a rig runs ends by itself."""
    hot: tuple[tuple[float, float, str], ...]
    """From, until: a rig's first GPU is too hot."""
    blind: tuple[tuple[float, float, str], ...]
    """From, until: a rig's first GPU cannot be looked at (hung driver)."""
    wall_steps: tuple[tuple[float, float], ...]
    """Instants, and by how many seconds the controller's wall clock jumps."""
    scripts: dict[str, dict[str, dict[str, float | bool | str]]]
    """Misbehaviour of workloads by rig and name, until `calm_s`."""
    price_interval_s: float
    operator_s: tuple[float, ...]
    """Instants at which an operator holds a group."""

    @property
    def rig_names(self) -> tuple[str, ...]:
        """All rigs, in order."""
        return tuple(f"rig-{number}" for number in range(self.rigs))


MISBEHAVIOUR: tuple[dict[str, float | bool | str], ...] = (
    {},
    {"ready_s": 8.0},
    {"never_ready": True},
    {"prepare_fails": True},
    {"prepare_s": 20.0},
    {"start_fails": True},
    {"half_start": True},
    {"probe_fails": True},
    {"exit_after_s": 12.0},
    {"exit_after_s": 3.0},
    {"stop_s": 5.0},
    {"ignores_term": True},
    {"stop_hangs": True},
    {"keeps_memory_s": 6.0},
    {"keeps_memory": True},
    {"drain_hangs": True},
    {"drain_s": 4.0},
)

CALM_S = 90.0


def draw(seed: int) -> Schedule:
    """The schedule of a seed; the same for ever."""
    rng = random.Random(f"{seed}/schedule")
    rigs, groups = rng.randint(1, 3), rng.randint(1, 2)
    names = [f"rig-{number}" for number in range(rigs)]

    def some(most: int) -> list[float]:
        return sorted(rng.uniform(1.0, CALM_S) for _ in range(rng.randint(0, most)))

    def windows(most: int, longest_s: float, who: list[str]) -> tuple[tuple[float, float, str], ...]:
        return tuple(
            (at, min(CALM_S, at + rng.uniform(1.0, longest_s)), rng.choice(who))
            for at in some(most)
        )

    return Schedule(
        seed=seed,
        rigs=rigs,
        groups=groups,
        calm_s=CALM_S,
        loss=rng.choice((0.0, 0.1, 0.3, 0.6)),
        repeat=rng.choice((0.0, 0.1, 0.3)),
        delay_s=rng.choice((0.01, 0.2, 2.0)),
        partitions=tuple(
            Partition(who, rng.random() < 0.5, start, end)
            for start, end, who in windows(2, 60.0, names)
        ),
        kills=tuple((at, rng.choice([*names, "controller"])) for at in some(4)),
        reboots=tuple((at, rng.choice(names)) for at in some(1)),
        disk_full=windows(2, 30.0, [*names, "controller"]),
        crash_at_line=tuple(
            (rng.choice(names), rng.randint(1, 40), rng.random() < 0.5)
            for _ in range(rng.randint(0, 2))
        ),
        exits=tuple((at, rng.choice(names)) for at in some(3)),
        hot=windows(1, 20.0, names),
        blind=windows(1, 20.0, names),
        wall_steps=tuple((at, rng.choice((-3600.0, 3600.0))) for at in some(1)),
        scripts={
            name: {
                workload: rng.choice(MISBEHAVIOUR) if rng.random() < 0.4 else {}
                for workload in ("coin", "chat", "spare")
            }
            for name in names
        },
        price_interval_s=rng.choice((8.0, 20.0, 50.0)),
        operator_s=tuple(some(1)),
    )
