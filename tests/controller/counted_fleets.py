"""Random fleets of cohorts, and the best that they could do by trying everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from controller.core.optimiser.capacity import TOLERANCE_W
from controller.core.optimiser.cohorts import Cohort, Counts, Fleet, Place, settle, value_usd_per_h
from controller.core.options.choice import Choice
from controller.core.requirement import Requirement
from tests.controller import brute_force


def counted(
    rng: random.Random, groups: int, *, caps: bool, limits: bool, counts: bool = False
) -> Place:
    """A random site, two groups of each kind."""
    made = brute_force.site(rng, groups, caps=caps, limits=limits)
    cohorts = tuple(
        Cohort(_counting(rng, one.choices) if counts else one.choices, rng.randint(1, 2))
        for one in made.candidates
    )
    return Place(cohorts, made.limits)


def _counting(rng: random.Random, choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Choices that count towards a contract and a mandate."""
    made = []
    for choice in choices:
        counts = []
        if choice.workload == "infer" or rng.random() < 0.2:
            counts.append(("contract", float(rng.choice([1, 2, 8]))))
        if choice.workload in ("mine", "eco"):
            counts.append(("mandate", choice.power_w / 1000.0))
        made.append(
            Choice(
                choice.workload,
                choice.value_usd_per_h,
                choice.power_w,
                choice.serves,
                choice.busy_usd_per_h,
                choice.busy_w,
                tuple(counts),
            )
        )
    return tuple(made)


def fleets(
    seed: int, count: int, *, caps: bool, limits: bool, owed: bool = False
) -> Iterator[Fleet]:
    """Random fleets of one or two sites, small enough to try everything."""
    rng = random.Random(seed)
    for _ in range(count):
        names = ["north", "south"][: rng.choice([1, 1, 2])]
        places = {
            name: counted(rng, 3 // len(names), caps=caps, limits=limits, counts=owed)
            for name in names
        }
        yield Fleet(places, rng.randint(0, 4) if limits else 99, _owed(rng) if owed else ())


def _owed(rng: random.Random) -> tuple[Requirement, ...]:
    least = rng.uniform(0.0, 12.0)
    return (
        Requirement(
            name="contract", unit="GPUs", least=least, weight_usd_per_h=rng.uniform(0.01, 2.0)
        ),
        Requirement(
            name="mandate", unit="kW", least=0.1, most=rng.uniform(0.1, 0.8), weight_usd_per_h=0.7
        ),
    )


def best(fleet: Fleet) -> float | None:
    """Greatest value within every limit; none when nothing keeps them."""
    tables = [list(_possible(place)) for place in fleet.places.values()]
    values = [
        value_usd_per_h(
            fleet,
            {s: settle(fleet.places[s], c) for s, c in zip(fleet.places, counts, strict=True)},
        )
        for counts in itertools.product(*tables)
        if sum(moves(one) for one in counts) <= fleet.switches
    ]
    return max(values, default=None)


def moves(counts: Counts) -> int:
    """Groups that do not stay."""
    return sum(sum(of_cohort[1:]) for of_cohort in counts)


def _possible(place: Place) -> Iterator[Counts]:
    for counts in itertools.product(*(_splits(c) for c in place.cohorts)):
        if moves(counts) > place.limits.switches:
            continue
        if settle(place, counts).power_w <= place.limits.power_cap_w + TOLERANCE_W:
            yield counts


def _splits(cohort: Cohort) -> list[tuple[int, ...]]:
    options = range(len(cohort.choices))
    return sorted(
        {
            tuple(picks.count(i) for i in options)
            for picks in itertools.product(options, repeat=cohort.count)
        }
    )
