"""What rigs have measured, made fit for a plan: enough samples, per GPU, and held to their class.

A rig may lie or be broken. One that is far from the others of its class is believed only as far
as a factor; one that agrees with them counts as they do, so that equal groups plan alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import TypeGuard

from wire.figures import Figure, Measured
from wire.model import Phase

SAMPLES_MIN = 20
"""Measurements before a figure counts; by default a rig takes one in 10 s."""

SWITCHES_MIN = 3
"""Switches before their seconds count."""

CLASS_MIN = 3
"""Groups that must have measured the same before their median stands for the class."""

AGREEMENT_RATIO = 0.08
"""A group this near to its class counts as the class does.

What lies between is worth less than the usual margins, and groups that plan alike are planned
together: that is what keeps the plan of a large fleet fast.
"""

GPU_POWER_MAX_W = 2_000.0
"""No GPU draws more; such a figure is none, for it could fill a site's power cap all alone."""

DIGITS = 3
"""A group's own figure counts with so many digits, and its samples with one.

More is noise, and groups that measure the same but for that are planned together.
"""

FACTOR_MAX = 2.0
"""How far from its class, or its nameplate, a group's own figure is believed."""


class Source(StrEnum):
    """Where a figure of a plan comes from. Bounded: it is a metric label."""

    MEASURED = "measured"
    """By this group, enough times."""
    AGREED = "agreed"
    """By this group, and so near to its class that the class's figure stands."""
    CLASS = "class"
    """The median of other groups of the class; this one has not measured it yet."""
    SETTINGS = "settings"
    NAMEPLATE = "nameplate"
    """The rig's own file says so."""
    NONE = "none"
    """Nobody knows."""


class Quantity(StrEnum):
    """What a plan reckons with."""

    BUSY_W = "busy watts"
    IDLE_W = "idle watts"
    HASHRATE = "hashrate"
    """Hashes per second that are paid: those of rejected shares are not."""
    TOKENS = "tokens"
    """Per second while busy."""
    LEAVE_S = "leaving"
    """Seconds without income until what ran is gone."""
    ARRIVE_S = "arriving"
    """Seconds from empty GPUs until it is proven."""


_SECONDS = (Quantity.LEAVE_S, Quantity.ARRIVE_S)


@dataclass(frozen=True, slots=True)
class Known:
    """A figure of a whole group with where it comes from."""

    value: float
    source: Source
    count: int
    """Its samples; of `AGREED` and `CLASS` the groups behind it."""
    doubted: float | None = None
    """What the rig said, where that is too far from its class to be believed."""


@dataclass(frozen=True, slots=True)
class Typical:
    """What a class has measured of one quantity."""

    value: float
    """Median, per GPU where it is a quantity of GPUs."""
    groups: int


Trait = tuple[str | None, str, str | None, Quantity]
"""Workload, profile, algorithm, quantity: what groups of a class may be compared in."""

Classes = Mapping[str, Mapping[Trait, Typical]]
"""By class."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A group that has measured something."""

    rig_class: str
    gpus: int
    measured: tuple[Measured, ...]
    """Of this group."""


Figures = Mapping[tuple[str | None, Quantity], Known]
"""By workload: all that a plan may reckon with for one group. Equal ones are one object."""

UNKNOWN: Figures = {}


def typical(witnesses: Iterable[Witness]) -> Classes:
    """Medians over the groups of each class; only where enough of them have measured."""
    found: dict[str, dict[Trait, list[float]]] = defaultdict(lambda: defaultdict(list))
    for witness in witnesses:
        for entry in witness.measured:
            for quantity, value, _ in _quantities(entry, witness.gpus):
                share = value / _divisor(quantity, witness.gpus)
                found[witness.rig_class][_trait(entry, quantity)].append(share)
    return {
        rig_class: {
            trait: Typical(median(values), len(values))
            for trait, values in traits.items()
            if len(values) >= CLASS_MIN
        }
        for rig_class, traits in found.items()
    }


def figures(witness: Witness, classes: Classes) -> Figures:
    """What is known of a group: its own figures where there are enough, else its class's."""
    of_class = classes.get(witness.rig_class, {})
    own = {entry.workload: entry for entry in witness.measured}
    known: dict[tuple[str | None, Quantity], Known] = {}
    # Where a class is of two minds, in profiles or algorithms, the more numerous are last.
    for trait, one in sorted(of_class.items(), key=lambda item: item[1].groups):
        workload, _, _, quantity = trait
        if workload not in own or _trait(own[workload], quantity) == trait:
            value = one.value * _divisor(quantity, witness.gpus)
            known[workload, quantity] = Known(value, Source.CLASS, one.groups)
    for entry in witness.measured:
        for quantity, value, samples in _quantities(entry, witness.gpus):
            share = _divisor(quantity, witness.gpus)
            peers = of_class.get(_trait(entry, quantity))
            known[entry.workload, quantity] = _judged(value, samples, peers, share)
    return known


def paced(figures: Figures, seconds_per_second: float) -> Figures:
    """With the seconds of switches in seconds of price; they differ only in a replay."""
    if seconds_per_second == 1.0:
        return figures
    return {
        (workload, quantity): replace(known, value=known.value * seconds_per_second)
        if quantity in _SECONDS
        else known
        for (workload, quantity), known in figures.items()
    }


def believed(value: float, reference: float) -> float:
    """The value, or as near to it as a factor of the reference allows."""
    return min(max(value, reference / FACTOR_MAX), reference * FACTOR_MAX)


def _judged(value: float, samples: int, peers: Typical | None, share: float) -> Known:
    own, count = _rounded(value, DIGITS), int(_rounded(samples, 1))
    if peers is None:
        return Known(own, Source.MEASURED, count)
    middle = peers.value * share
    if abs(value - middle) <= AGREEMENT_RATIO * middle:
        return Known(middle, Source.AGREED, peers.groups)
    taken = believed(value, middle)
    if taken == value:
        return Known(own, Source.MEASURED, count)
    return Known(taken, Source.MEASURED, count, own)


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _trait(entry: Measured, quantity: Quantity) -> Trait:
    algorithm = entry.algorithm if quantity is Quantity.HASHRATE else None
    return entry.workload, entry.profile, algorithm, quantity


def _divisor(quantity: Quantity, gpus: int) -> float:
    """Watts and yield are a GPU's; the seconds of a switch are the whole group's."""
    return 1.0 if quantity in _SECONDS else float(max(1, gpus))


def _quantities(entry: Measured, gpus: int) -> Iterator[tuple[Quantity, float, int]]:
    """What an entry says with enough samples, as a plan needs it: quantity, value, samples."""
    for quantity, figure, most in (
        (Quantity.BUSY_W, entry.gpu_busy_w, GPU_POWER_MAX_W * gpus),
        (Quantity.IDLE_W, entry.gpu_idle_w, GPU_POWER_MAX_W * gpus),
        (Quantity.TOKENS, entry.tokens_per_s, math.inf),
    ):
        if _enough(figure) and figure.value <= most:
            yield quantity, figure.value, figure.samples
    rate, accepted = entry.hashrate_hps, entry.accepted_ratio
    if _enough(rate):
        paid = min(1.0, accepted.value) if _enough(accepted) else 1.0
        yield Quantity.HASHRATE, rate.value * paid, rate.samples
    yield from _switching(dict(entry.phase_s))


def _enough(figure: Figure | None) -> TypeGuard[Figure]:
    return figure is not None and figure.samples >= SAMPLES_MIN


def _switching(phases: Mapping[Phase, Figure]) -> Iterator[tuple[Quantity, float, int]]:
    """While the next workload is prepared the old one still earns: that is no switch time."""
    for quantity, end, parts in (
        (Quantity.LEAVE_S, Phase.VACATING, (Phase.DRAINING, Phase.STOPPING)),
        (Quantity.ARRIVE_S, Phase.PROBING, (Phase.TUNING, Phase.STARTING)),
    ):
        last = phases.get(end)
        if last is not None and last.samples >= SWITCHES_MIN:
            before = (phases[part].value for part in parts if part in phases)
            yield quantity, last.value + sum(before), last.samples
