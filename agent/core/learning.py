"""What a rig learns of its workloads while they work: watts, yield, and seconds of each phase.

Only steady work counts: proven for a while, every GPU read, none held back by heat or its supply.
It observes and never decides anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.core.estimate import Estimate
from wire.figures import TEXT_CHARS_MAX, Measured
from wire.model import GpuReading, Kind, Outcome, Phase, Result, Sample, WorkloadReading

SETTLE_S = 60.0
"""A group must have rested in its phase for this long; clocks and caches need their time."""

SHARES_MIN = 50
"""Shares of one run before their ratio says anything."""

LESSONS_MAX = 128
"""Workloads that are remembered, over all groups and profiles; the longest untouched goes."""

PHASE_S_MAX = 86_400.0
"""A phase that took longer is a clock that jumped."""

HINDRANCES = frozenset({"hw_slowdown", "sw_thermal", "hw_thermal", "hw_power_brake", "reliability"})
"""Reasons for low clocks that are not the workload's own way to run; a power limit is."""

LANE_BYTES_PER_S = {1: 250e6, 2: 500e6, 3: 985e6, 4: 1_969e6, 5: 3_938e6, 6: 7_563e6}
"""What one PCIe lane of a generation carries each way, line coding taken off."""

LEAVING = (Phase.DRAINING, Phase.STOPPING, Phase.VACATING)
"""Phases of a switch that what is left takes; the others are taken by what is started."""


class Quantity(StrEnum):
    """What is learned besides seconds."""

    BUSY_W = "gpu_busy_w"
    IDLE_W = "gpu_idle_w"
    HASHRATE = "hashrate_hps"
    ACCEPTED = "accepted_ratio"
    TOKENS = "tokens_per_s"
    BUSY = "busy_ratio"
    PCIE = "pcie_limit_bytes_per_s"


@dataclass(frozen=True, slots=True, order=True)
class Topic:
    """What a lesson is about."""

    group: str
    workload: str | None
    """``None``: standing still."""
    profile: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known of one topic."""

    topic: Topic
    algorithm: str | None = None
    quantities: Mapping[Quantity, Estimate] = field(default_factory=dict)
    phases: Mapping[Phase, Estimate] = field(default_factory=dict)


Lessons = Mapping[Topic, Lesson]
"""By topic, the longest untouched first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a group at steady work, or standing still."""

    topic: Topic
    kind: Kind | None
    at_s: float
    power_w: float | None
    pcie_bytes_per_s: float | None
    reading: WorkloadReading | None


def look(topic: Topic, kind: Kind | None, gpus: tuple[str, ...], sample: Sample) -> Look | None:
    """What a sample says of a group; none when it must teach nothing."""
    found = {reading.uuid: reading for reading in sample.gpus if reading.uuid in gpus}
    if not sample.ok or len(found) < len(gpus) or any(map(_hindered, found.values())):
        return None
    if topic.workload is None and any(reading.processes for reading in found.values()):
        return None
    reading = next((r for r in sample.workloads if r.group == topic.group), None)
    if reading is not None and reading.workload != topic.workload:
        return None
    return Look(
        topic=topic,
        kind=kind,
        at_s=sample.at_s,
        power_w=_sum([reading.power_w for reading in found.values()]),
        pcie_bytes_per_s=_slowest([_link(reading) for reading in found.values()]),
        reading=reading,
    )


def watched(lessons: Lessons, before: Look | None, now: Look) -> Lessons:
    """After one more look; `before` is the one before it at the same work, if any."""
    taught = dict(_taught(before, now))
    if not taught:
        return lessons
    old = lessons.get(now.topic, Lesson(now.topic))
    algorithm = _named(now.reading)
    if algorithm != old.algorithm and algorithm is not None:
        old = Lesson(now.topic, algorithm, phases=old.phases)
    grown = {
        quantity: old.quantities.get(quantity, Estimate()).seen(value)
        for quantity, value in taught.items()
    }
    return _kept(lessons, replace(old, quantities={**old.quantities, **grown}))


def switched(
    lessons: Lessons, group: str, outcome: Outcome, profiles: Mapping[str, str]
) -> Lessons:
    """After a switch that went straight through; `profiles` by workload of the group."""
    phases = [phase for phase, _ in outcome.phase_s]
    if outcome.result is not Result.DONE or len(set(phases)) < len(phases):
        return lessons
    for phase, seconds in outcome.phase_s:
        workload = outcome.origin if phase in LEAVING else outcome.workload
        profile = "" if workload is None else profiles.get(workload)
        if profile is None or not 0.0 <= seconds <= PHASE_S_MAX:
            continue
        topic = Topic(group, workload, profile)
        old = lessons.get(topic, Lesson(topic))
        grown = old.phases.get(phase, Estimate()).seen(seconds)
        lessons = _kept(lessons, replace(old, phases={**old.phases, phase: grown}))
    return lessons


def measured(lesson: Lesson) -> Measured:
    """A lesson as others are told of it."""
    figures = {
        quantity.value: estimate.average() if quantity is Quantity.BUSY else estimate.typical()
        for quantity, estimate in lesson.quantities.items()
    }
    phases = ((phase, lesson.phases[phase].typical()) for phase in Phase if phase in lesson.phases)
    topic = lesson.topic
    return Measured(
        group=topic.group,
        workload=topic.workload,
        profile=topic.profile,
        algorithm=lesson.algorithm,
        phase_s=tuple((phase, figure) for phase, figure in phases if figure is not None),
        **figures,
    )


def _kept(lessons: Lessons, lesson: Lesson) -> Lessons:
    others = [(topic, old) for topic, old in lessons.items() if topic != lesson.topic]
    return dict([*others, (lesson.topic, lesson)][-LESSONS_MAX:])


def _taught(before: Look | None, now: Look) -> Iterator[tuple[Quantity, float]]:
    """What one look teaches."""
    told = now.reading
    found: list[tuple[Quantity, float | None]] = []
    if now.kind is None:
        found = [(Quantity.BUSY_W, now.power_w)]
    elif told is None:
        return
    elif now.kind is Kind.MINING and told.hashrate_hps != 0:
        found = [
            (Quantity.BUSY_W, now.power_w),
            (Quantity.HASHRATE, told.hashrate_hps),
            (Quantity.ACCEPTED, _accepted_ratio(told)),
            (Quantity.PCIE, now.pcie_bytes_per_s),
        ]
    elif now.kind is Kind.INFERENCE and told.requests_running is not None:
        busy = told.requests_running > 0
        found = [
            (Quantity.BUSY_W if busy else Quantity.IDLE_W, now.power_w),
            (Quantity.BUSY, float(busy)),
            (Quantity.TOKENS, _tokens_per_s(before, now)),
            (Quantity.PCIE, now.pcie_bytes_per_s if busy else None),
        ]
    yield from ((quantity, value) for quantity, value in found if value is not None)


def _accepted_ratio(told: WorkloadReading) -> float | None:
    """Of this run so far."""
    accepted, rejected = told.shares_accepted, told.shares_rejected
    if accepted is None or rejected is None:
        return None
    shares = accepted + rejected + (told.shares_stale or 0)
    return accepted / shares if shares >= SHARES_MIN else None


def _tokens_per_s(before: Look | None, now: Look) -> float | None:
    """Between two looks that both saw it busy, in one run of it."""
    if before is None or before.reading is None or now.reading is None:
        return None
    was, told = before.reading, now.reading
    if not was.requests_running or not told.requests_running:
        return None
    if was.tokens_total is None or told.tokens_total is None or now.at_s <= before.at_s:
        return None
    made = told.tokens_total - was.tokens_total
    return made / (now.at_s - before.at_s) if made >= 0 else None


def _named(told: WorkloadReading | None) -> str | None:
    """The algorithm, if it can be told to others."""
    name = None if told is None else told.algorithm
    return name if name and len(name) <= TEXT_CHARS_MAX and name.isprintable() else None


def _hindered(reading: GpuReading) -> bool:
    return reading.error is not None or bool(HINDRANCES & set(reading.throttle_reasons or ()))


def _link(reading: GpuReading) -> float | None:
    lane = LANE_BYTES_PER_S.get(reading.pcie_generation or 0)
    return None if lane is None or not reading.pcie_width else lane * reading.pcie_width


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _slowest(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known) if known and len(known) == len(values) else None
