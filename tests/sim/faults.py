"""What goes wrong, drawn from the seed before it runs. All of it ends at `CALM_S`."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.model import Offline

CALM_S = 14.0
"""From here on nothing goes wrong any more, virtual seconds."""

SPARED_ONE_IN = 2
"""Each kind strikes in one of so many seeds: what strikes everywhere hides what takes long."""

RIGS = (1, 1, 2, 3)
GROUPS = (1, 1, 2)
"""Sizes of a fleet, and groups of each rig: the fewer there are, the harder each is struck."""

CONTROLLER = "controller"


class Fault(StrEnum):
    """Kinds of misfortune."""

    # Lives.
    KILL = "kill"
    """kill -9 of an agent or of the controller."""
    UPGRADE = "upgrade"
    """An agent is stopped in good order and started again."""
    REBOOT = "reboot"
    """The machine's power is cut."""
    BACKUP = "backup"
    """The controller's store is lost; it comes back empty."""
    # Networks.
    DEAF = "deaf"
    """Nothing reaches the rig."""
    MUTE = "mute"
    """Nothing from the rig arrives."""
    REPLAY_DOWN = "replay_down"
    """A frame that once was sent to the rig comes again."""
    REPLAY_UP = "replay_up"
    """A frame that the rig once sent comes again."""
    ASTRAY = "astray"
    """The rig is given a frame that was made for another."""
    FLIPPED = "flipped"
    """A frame to the rig with one bit changed."""
    FORGED = "forged"
    """An order that is perfect but for the signature."""
    IMPERSONATED = "impersonated"
    """The rig's link carries a frame in the name of another rig."""
    GARBAGE = "garbage"
    """Noise, in both directions."""
    STOLEN = "stolen"
    """An order with the right signature for something that no rig allows."""
    # Disks.
    DISK_FULL = "disk_full"
    DISK_DEATH = "disk_death"
    """The agent dies within one of its next disk operations, at times with the whole machine."""
    DISK_ROT = "disk_rot"
    """One bit of a journal flips while the agent is away."""
    DISK_LOST = "disk_lost"
    """All journals of the rig are gone."""
    # Workloads, GPUs, drivers.
    EXIT = "exit"
    """Whatever the rig runs ends by itself."""
    HOT = "hot"
    """The first GPU is in danger; at times the disk is full as long, and then the agent dies."""
    BLIND = "blind"
    """The first GPU cannot be looked at."""
    STUCK = "stuck"
    """Looking at the GPUs never ends."""
    UNTUNED = "untuned"
    """The GPUs take no settings."""
    TUNER_STUCK = "tuner_stuck"
    """Setting the GPUs never ends."""
    VERB_DEATH = "verb_death"
    """The agent dies right after a driver or tuner has done what it was asked, before saying so,
    at times with the whole machine."""
    UNTOLD = "untold"
    """Nobody answers who is asked whether a workload is locked."""
    # Surroundings.
    CLOCK_STEP = "clock_step"
    """The controller's wall clock jumps by an hour, and later back."""
    FEED_DOWN = "feed_down"
    OPERATOR = "operator"
    """Somebody holds a group for a while."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that goes wrong, at an instant or for a while."""

    kind: Fault
    who: str
    start_s: float
    end_s: float
    amount: int
    """As the kind has it: operations, verbs, the side of a step."""


@dataclass(frozen=True, slots=True)
class _Odds:
    """How often a kind strikes and for how long."""

    often: int
    """Mean, where it strikes at all."""
    longest_s: float = 0.0
    controller: bool = False
    """Whether the controller can be struck too."""
    one_in: int = 1
    """Strikes only in one of so many seeds: it would hide much else."""


ODDS: dict[Fault, _Odds] = {
    Fault.KILL: _Odds(4, controller=True),
    Fault.UPGRADE: _Odds(1),
    Fault.REBOOT: _Odds(2),
    Fault.BACKUP: _Odds(1, one_in=5),
    Fault.DEAF: _Odds(2, 25.0),
    Fault.MUTE: _Odds(1, 25.0),
    Fault.REPLAY_DOWN: _Odds(3),
    Fault.REPLAY_UP: _Odds(3),
    Fault.ASTRAY: _Odds(1),
    Fault.FLIPPED: _Odds(1),
    Fault.FORGED: _Odds(1),
    Fault.IMPERSONATED: _Odds(1),
    Fault.GARBAGE: _Odds(1),
    Fault.STOLEN: _Odds(1, one_in=4),
    Fault.DISK_FULL: _Odds(2, 12.0, controller=True),
    Fault.DISK_DEATH: _Odds(2),
    Fault.DISK_ROT: _Odds(1, one_in=3),
    Fault.DISK_LOST: _Odds(1, one_in=3),
    Fault.EXIT: _Odds(5),
    Fault.HOT: _Odds(2, 29.0),
    Fault.BLIND: _Odds(2, 12.0),
    Fault.STUCK: _Odds(1, 12.0),
    Fault.UNTUNED: _Odds(1, 10.0),
    Fault.TUNER_STUCK: _Odds(1, 10.0),
    Fault.VERB_DEATH: _Odds(2),
    Fault.CLOCK_STEP: _Odds(2, 10.0),
    Fault.FEED_DOWN: _Odds(1, 30.0),
    Fault.OPERATOR: _Odds(3),
}

LATER_ODDS: dict[Fault, _Odds] = {Fault.UNTOLD: _Odds(2, 20.0)}
"""Drawn after everything else, so that no seed's other misfortune depends on it."""

LOCKED_ONE_IN = 2
"""So many seeds to one in which workloads come to be locked."""

MISBEHAVIOUR: tuple[dict[str, float | bool | str], ...] = (
    {},
    {"ready_s": 3.0},
    {"never_ready": True},
    {"prepare_fails": True},
    {"prepare_s": 8.0},
    {"start_fails": True},
    {"start_s": 5.0},
    {"half_start": True},
    {"probe_fails": True},
    {"exit_after_s": 3.0},
    {"exit_after_s": 2.0},
    {"stop_s": 1.2},
    {"ignores_term": True},
    {"stop_hangs": True},
    {"stop_hangs": True, "probe_fails": True},
    {"keeps_memory_s": 3.0},
    {"keeps_memory": True},
    {"drain_hangs": True},
    {"drain_s": 1.5},
)
"""What a workload may do wrong until `CALM_S`, see `agent.drivers.script`."""


PARKED_OF_4 = 1
"""Of every four seeds the one in which a server sleeps instead of ending."""

RESTLESS: tuple[dict[str, float | bool | str], ...] = (
    {"sleep_fails": True},
    {"sleep_s": 5.0},
    {"sleep_lies": True},
    {"sleeping_bytes": 4 * 1024**3},
    {"wakes_after_s": 1.0},
    {"wakes_after_s": 3.0},
    {"wakes_after_s": 5.0},
    {"wake_fails": True},
    {"wake_s": 5.0},
)
"""What a sleeper may do wrong until `CALM_S`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One seed's misfortune."""

    seed: int
    rigs: int
    groups: int
    loss: float
    repeat: float
    delay_s: float
    """Mean."""
    mishaps: tuple[Mishap, ...]
    scripts: dict[str, dict[str, dict[str, float | bool | str]]]
    """Misbehaviour of workloads by rig and name."""
    offline: dict[str, Offline]
    """What a rig does when the controller is silent."""
    price_interval_s: float
    parks: bool = False
    """Whether a workload sleeps instead of ending."""

    @property
    def rig_names(self) -> tuple[str, ...]:
        """All rigs, in order."""
        return tuple(f"rig-{number}" for number in range(self.rigs))


def draw(seed: int) -> Schedule:
    """The schedule of a seed; the same for ever."""
    rng = random.Random(f"{seed}/schedule")
    rigs, groups = rng.choice(RIGS), rng.choice(GROUPS)
    names = [f"rig-{number}" for number in range(rigs)]
    schedule = _schedule(rng, seed, rigs, groups, names)
    locked = _with_locks(schedule, random.Random(f"{seed}/locks"))
    return _with_sleepers(locked, random.Random(f"{seed}/sleepers"))


def _with_sleepers(schedule: Schedule, rng: random.Random) -> Schedule:
    """Servers that sleep, and what they do wrong then."""
    if schedule.seed % 4 != PARKED_OF_4:
        return schedule
    scripts = {
        rig: {
            name: {**script, **(rng.choice(RESTLESS) if rng.random() < 0.5 else {})}
            for name, script in workloads.items()
        }
        for rig, workloads in schedule.scripts.items()
    }
    return replace(schedule, scripts=scripts, parks=True)


def _with_locks(schedule: Schedule, rng: random.Random) -> Schedule:
    """Claims of tenants on what runs, and times at which nobody tells of them."""
    if rng.randrange(LOCKED_ONE_IN):
        return schedule
    names = list(schedule.rig_names)
    more = (m for kind, odds in LATER_ODDS.items() for m in _mishaps(rng, kind, odds, names))
    scripts = {
        rig: {name: {**script, **_claims(rng)} for name, script in workloads.items()}
        for rig, workloads in schedule.scripts.items()
    }
    return replace(schedule, mishaps=(*schedule.mishaps, *more), scripts=scripts)


def _claims(rng: random.Random) -> dict[str, float | bool | str]:
    if rng.random() < 0.2:
        return {}
    return {"locked_after_s": rng.uniform(0.0, 6.0), "locked_for_s": rng.uniform(0.5, 20.0)}


def _schedule(rng: random.Random, seed: int, rigs: int, groups: int, names: list[str]) -> Schedule:
    return Schedule(
        seed=seed,
        rigs=rigs,
        groups=groups,
        loss=rng.choice((0.0, 0.1, 0.3, 0.6)),
        repeat=rng.choice((0.0, 0.1, 0.3)),
        delay_s=rng.choice((0.01, 0.2, 2.0)),
        mishaps=tuple(
            mishap for kind, odds in ODDS.items() for mishap in _mishaps(rng, kind, odds, names)
        ),
        scripts={
            name: {
                workload: rng.choice(MISBEHAVIOUR) if rng.random() < 0.5 else {}
                for workload in ("coin", "chat", "spare")
            }
            for name in names
        },
        offline={name: rng.choice(list(Offline)) for name in names},
        price_interval_s=rng.choice((2.5, 6.0, 15.0)),
    )


def _mishaps(rng: random.Random, kind: Fault, odds: _Odds, rigs: list[str]) -> list[Mishap]:
    if rng.randrange(SPARED_ONE_IN * odds.one_in):
        return []
    found = []
    for _ in range(rng.randint(1, 2 * odds.often - 1)):
        start_s = rng.uniform(1.0, CALM_S)
        end_s = min(CALM_S, start_s + rng.uniform(0.0, odds.longest_s))
        who = rng.choice([*rigs, CONTROLLER] if odds.controller else rigs)
        found.append(Mishap(kind, who, start_s, end_s, rng.randint(1, 40)))
    return found
