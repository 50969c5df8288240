"""How a seed's misfortune is drawn: the same for ever."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from agent.core.model import Offline
from tests.sim.contracts import RIGS_MIN, contracted, with_contracts
from tests.sim.faults import (
    CALM_S,
    CONTROLLER,
    GROUPS,
    LATER_ODDS,
    ODDS,
    RIGS,
    SPARED_ONE_IN,
    Fault,
    Mishap,
    Odds,
    Schedule,
)

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


PARKED_OF_8 = 5
"""Of every eight seeds the one in which a server sleeps instead of ending."""

RESTLESS: tuple[dict[str, float | bool | str], ...] = (
    {"drain_hangs": True},
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


SLEEPER = "chat"
"""The workload that is parked, where any is."""

MISHAPS_KEPT_RATIO = 0.4
STORMY_RATIO = 0.25
QUIET_RATIO = 0.7
RESTLESS_RATIO = 0.5


def draw(seed: int) -> Schedule:
    """The schedule of a seed; the same for ever."""
    rng = random.Random(f"{seed}/schedule")
    rigs, groups = rng.choice(RIGS), rng.choice(GROUPS)
    if contracted(seed):
        rigs = max(RIGS_MIN, rigs)
    names = [f"rig-{number}" for number in range(rigs)]
    schedule = _schedule(rng, seed, rigs, groups, names)
    locked = _with_locks(schedule, random.Random(f"{seed}/locks"))
    parked = _with_sleepers(locked, random.Random(f"{seed}/sleepers"))
    return with_contracts(parked, random.Random(f"{seed}/contracts"))


def _with_sleepers(schedule: Schedule, rng: random.Random) -> Schedule:
    """Servers that sleep, what they do wrong then, and an operator who makes them."""
    if schedule.seed % 8 != PARKED_OF_8:
        return schedule
    scripts = {
        rig: {name: _nap(rng, name, script) for name, script in workloads.items()}
        for rig, workloads in schedule.scripts.items()
    }
    # Of all that else goes wrong a part, or it would hardly ever come to a second switch.
    kept = [mishap for mishap in schedule.mishaps if rng.random() < MISHAPS_KEPT_RATIO]
    turns = [turn for rig in schedule.rig_names for turn in _turns(rng, rig)]
    told = replace(schedule, scripts=scripts, mishaps=(*kept, *turns), parks=True)
    return told if rng.random() < STORMY_RATIO else replace(told, loss=0.0, delay_s=0.01)


def _nap(
    rng: random.Random, name: str, script: dict[str, float | bool | str]
) -> dict[str, float | bool | str]:
    quiet = {} if rng.random() < QUIET_RATIO else script
    restless = rng.choice(RESTLESS) if name == SLEEPER and rng.random() < RESTLESS_RATIO else {}
    return {**quiet, **restless}


def _turns(rng: random.Random, rig: str) -> Iterator[Mishap]:
    at_s, number = rng.uniform(0.1, 0.5), 0
    while at_s < CALM_S:
        yield Mishap(Fault.TURN, rig, at_s, at_s, number)
        at_s, number = at_s + rng.uniform(2.5, 4.5), number + 1


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


def _mishaps(rng: random.Random, kind: Fault, odds: Odds, rigs: list[str]) -> list[Mishap]:
    if rng.randrange(SPARED_ONE_IN * odds.one_in):
        return []
    found = []
    for _ in range(rng.randint(1, 2 * odds.often - 1)):
        start_s = rng.uniform(1.0, CALM_S)
        end_s = min(CALM_S, start_s + rng.uniform(0.0, odds.longest_s))
        who = rng.choice([*rigs, CONTROLLER] if odds.controller else rigs)
        found.append(Mishap(kind, who, start_s, end_s, rng.randint(1, 40)))
    return found
