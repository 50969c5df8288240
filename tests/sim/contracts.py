"""What a simulated farm has promised, drawn from the seed: to whom, how much, from when to when."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from controller.core.policy.contract import ContractSettings
from tests.sim.faults import CALM_S, CONTROLLER, Fault, Mishap, Schedule
from tests.sim.market import EPOCH

CONTRACTED_OF_32 = 23
"""Of thirty-two seeds the one whose farm owes something; nobody sleeps or looks ahead there."""

RIGS_MIN = 2
"""A contract on the only rig would hardly leave anything to decide."""

OTHER_CLASS = "other"
"""Class of every second rig, where there are contracts."""

PREPARE_S = 2.0
MISHAPS_KEPT_RATIO = 0.4
QUIET_RATIO = 0.7
SECOND_RATIO = 0.8
WHIMS = 2


def contracted(seed: int) -> bool:
    """Whether the farm of this seed owes anything."""
    return seed % 32 == CONTRACTED_OF_32


def with_contracts(schedule: Schedule, rng: random.Random) -> Schedule:
    """Contracts, rigs of two classes, and less that goes wrong, so that contracts can be kept."""
    if not contracted(schedule.seed):
        return schedule
    classes = {rig: ("any", OTHER_CLASS)[n % 2] for n, rig in enumerate(schedule.rig_names)}
    scripts = {
        rig: {name: {} if rng.random() < QUIET_RATIO else told for name, told in by_name.items()}
        for rig, by_name in schedule.scripts.items()
    }
    kept = tuple(m for m in schedule.mishaps if rng.random() < MISHAPS_KEPT_RATIO)
    whims = tuple(_whims(rng))
    owed = tuple(_contracts(rng, schedule.rigs * schedule.groups))
    return replace(
        schedule, classes=classes, scripts=scripts, mishaps=(*kept, *whims), contracts=owed
    )


def _whims(rng: random.Random) -> Iterator[Mishap]:
    """An operator who takes groups away from contracts, and gives them some."""
    for _ in range(WHIMS):
        at_s = rng.uniform(1.0, CALM_S)
        yield Mishap(Fault.OPERATOR, CONTROLLER, at_s, at_s, 1)


def _contracts(rng: random.Random, groups: int) -> Iterator[ContractSettings]:
    """One for what serves, at times another for what mines; each group has one GPU."""
    yield _contract(rng, "first", "chat", rng.randint(1, groups - 1))
    if rng.random() < SECOND_RATIO:
        yield _contract(rng, "second", "spare", 1)


def _contract(rng: random.Random, name: str, workload: str, gpus: int) -> ContractSettings:
    start_s = rng.choice((-60.0, rng.uniform(1.0, CALM_S / 2)))
    end_s = rng.choice((None, rng.uniform(CALM_S * 0.75, CALM_S * 1.5)))
    return ContractSettings(
        name=name,
        customer=f"customer of {name}",
        workload=workload,
        gpus=gpus,
        warm_spare_gpus=rng.choice((0, 0, 1)),
        rig_classes=rng.choice(((), (), ("any",))),
        price_usd_per_gpu_h=rng.choice((0.0, 0.5)),
        penalty_usd_per_gpu_h=rng.choice((0.1, 1.0)),
        start=_instant(start_s),
        end=None if end_s is None else _instant(end_s),
        prepare_s=PREPARE_S,
    )


def _instant(at_s: float) -> datetime:
    return datetime.fromtimestamp(EPOCH, UTC) + timedelta(seconds=at_s)
