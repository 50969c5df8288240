"""What must be done about GPUs in danger, whatever their group earns: pure rules over samples.

The ladder: derate while the workload goes on, stop when that does not help or cannot wait.
One bad sample is noise; so many in a row are a fact. A sample that failed says nothing: a stuck
collector must not stop a rig that works. A hash rate never matters here, and nothing here ever
reboots a rig.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.core import faults, ladder, symptoms
from agent.core.faults import Fault
from agent.core.ladder import Ladder, Rung
from agent.core.symptoms import Symptom, Temperatures
from wire.model import GpuReading, Kind, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Past these a GPU is in danger."""

    temperatures: Temperatures
    cool_c: float
    """So far below its first limit a GPU counts as cool."""
    samples: int
    """Samples in a row that must show it."""
    slowed_samples: int
    """Samples in a row in which a board slows itself down."""
    faults_max: int
    """Application faults of one GPU within `faults_window_s`; with more it is quarantined."""
    faults_window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A GPU group as its reactor has it now."""

    gpus: tuple[str, ...]
    workload: str | None = None
    """What may run on it."""
    kind: Kind | None = None
    ladder: Ladder
    derate: int = 0
    """Steps by which it is derated."""
    lent: bool = False
    """Somebody outside runs programs of their own on it, or may at any moment."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing may run on the group."""

    reason: str
    at_rest: bool = False
    """Not even later: the group is of no use until somebody has mended it."""


@dataclass(frozen=True, slots=True)
class Derate:
    """The group's power limit must be so many steps below its profile's."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Restart:
    """The group's workload must be started anew."""

    reason: str


Demand = Stop | Derate | Restart


@dataclass(frozen=True, slots=True)
class Watch:
    """What has been seen so far."""

    streaks: Mapping[tuple[str, Symptom], int] = field(default_factory=dict)
    """In how many samples running a GPU has shown a symptom."""
    lanes: Mapping[str, int] = field(default_factory=dict)
    """Most PCIe lanes of each GPU."""
    faults: faults.History = field(default_factory=faults.History)
    rungs: Mapping[str, Rung] = field(default_factory=dict)
    """By group."""


def look(
    watch: Watch, sample: Sample, groups: Mapping[str, Guarded], limits: Limits
) -> tuple[Watch, dict[str, Demand]]:
    """Take one more sample into account.

    Args:
        watch: What was seen before.
        sample: The newest look.
        groups: All groups as they are now.
        limits: The rig's own limits.

    Returns:
        What is known now, and by group what must be done.
    """
    if not sample.ok:
        return watch, {}
    shown = {
        (gpu.uuid, symptom): sentence
        for gpu in sample.gpus
        for symptom, sentence in symptoms.symptoms(
            gpu, limits.temperatures, watch.lanes.get(gpu.uuid)
        )
    }
    streaks = {key: watch.streaks.get(key, 0) + 1 for key in shown}
    lent = frozenset(gpu for group in groups.values() if group.lent for gpu in group.gpus)
    history, thrown = faults.heard(
        watch.faults, sample, limits.faults_max, limits.faults_window_s, lent
    )
    lasting = {key: said for key, said in shown.items() if streaks[key] >= _least(key[1], limits)}
    rungs, demands = dict[str, Rung](), dict[str, Demand]()
    for name, group in groups.items():
        demand = _urgent(group, lasting, thrown)
        if demand is None and group.workload is not None:
            gpus = [gpu for gpu in sample.gpus if gpu.uuid in group.gpus]
            rung, demand = _ladder(watch.rungs.get(name), group, gpus, lasting, limits, sample.at_s)
            rungs[name] = rung
        if demand is not None:
            demands[name] = demand
    return Watch(streaks, _lanes(watch.lanes, sample), history, rungs), demands


def _least(symptom: Symptom, limits: Limits) -> int:
    return limits.slowed_samples if symptom is Symptom.SLOWED else limits.samples


def _lanes(before: Mapping[str, int], sample: Sample) -> dict[str, int]:
    seen = {gpu.uuid: gpu.pcie_width for gpu in sample.gpus if gpu.pcie_width is not None}
    return {**before, **{uuid: max(n, before.get(uuid, 0)) for uuid, n in seen.items()}}


Lasting = Mapping[tuple[str, Symptom], str]


def _urgent(group: Guarded, lasting: Lasting, thrown: Mapping[str, Fault]) -> Demand | None:
    """What does not wait for the ladder, the gravest first."""
    for reason in _said(group, lasting, Symptom.FAULT):
        return Stop(reason, at_rest=True)
    found = [fault for uuid, fault in thrown.items() if uuid in group.gpus]
    for fault in sorted(found, key=lambda fault: not fault.grave):
        return Stop(fault.reason, at_rest=True) if fault.grave else Restart(fault.reason)
    for reason in _said(group, lasting, Symptom.OVERHEATED):
        return Stop(reason)
    if group.kind is Kind.INFERENCE and not group.lent:
        for reason in _said(group, lasting, Symptom.NARROWED):
            return Stop(reason)
    return None


def _ladder(
    before: Rung | None,
    group: Guarded,
    gpus: list[GpuReading],
    lasting: Lasting,
    limits: Limits,
    now_s: float,
) -> tuple[Rung, Demand | None]:
    rung = before
    if rung is None or rung.workload != group.workload:
        rung = Rung(group.workload or "", group.derate)
    hot = next(_said(group, lasting, Symptom.HOT, Symptom.SLOWED), "")
    if hot:
        higher = ladder.climb(rung, group.ladder, hot, now_s)
        if higher is None:
            steps = group.ladder.steps_max
            return rung, Stop(f"{hot}, even after {steps} steps of derating" if steps else hot)
        rung = higher
    else:
        cool = all(symptoms.cool(gpu, limits.temperatures, limits.cool_c) for gpu in gpus)
        rung = ladder.descend(rung, group.ladder, cool=cool, now_s=now_s)
    return rung, None if rung.step == group.derate else Derate(rung.step, rung.sentence)


def _said(group: Guarded, lasting: Lasting, *kinds: Symptom) -> Iterator[str]:
    for uuid in group.gpus:
        for kind in kinds:
            if (uuid, kind) in lasting:
                yield f"{uuid}: {lasting[uuid, kind]}"
