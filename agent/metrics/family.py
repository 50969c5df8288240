"""The shape of a metric family: names, help and where its numbers come from; no library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from agent.metrics.snapshot import AgentSnapshot
from wire.model import GpuReading, GroupStatus, WorkloadReading

PREFIX = "rigshift_"


class Type(StrEnum):
    """Metric types in use."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Row:
    """One series: label values in the family's order, and its number."""

    labels: tuple[str, ...]
    value: float | None
    """``None``: unknown, so the series is absent. Of a summary: the sum."""
    count: int = 0
    """Of a summary: how many."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric family."""

    name: str
    """As exposed, `_total` or `_info` included."""
    type: Type
    labels: tuple[str, ...]
    help: str
    rows: Callable[[AgentSnapshot], Iterable[Row]]


def rig(
    name: str, type_: Type, help_: str, read: Callable[[AgentSnapshot], float | None]
) -> Family:
    """One number for the whole rig."""
    return Family(PREFIX + name, type_, (), help_, lambda snapshot: [Row((), read(snapshot))])


def gpu(name: str, type_: Type, help_: str, read: Callable[[GpuReading], float | None]) -> Family:
    """One number per GPU."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        return (Row((reading.uuid,), read(reading)) for reading in snapshot.sample.gpus)

    return Family(f"{PREFIX}gpu_{name}", type_, ("uuid",), help_, rows)


def gpu_by(
    name: str,
    type_: Type,
    label: str,
    help_: str,
    read: Callable[[GpuReading], Iterable[tuple[str, float | None]]],
) -> Family:
    """Several numbers per GPU, told apart by one more label."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        for reading in snapshot.sample.gpus:
            yield from (Row((reading.uuid, value), number) for value, number in read(reading))

    return Family(f"{PREFIX}gpu_{name}", type_, ("uuid", label), help_, rows)


def group(
    name: str,
    help_: str,
    read: Callable[[GroupStatus], float | None],
) -> Family:
    """One gauge per GPU group."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        return (Row((status.group,), read(status)) for status in snapshot.groups)

    return Family(f"{PREFIX}group_{name}", Type.GAUGE, ("group",), help_, rows)


def workload_by(
    name: str,
    type_: Type,
    label: str | None,
    help_: str,
    read: Callable[[WorkloadReading], Iterable[tuple[str, float | None]]],
) -> Family:
    """Numbers that a workload tells of itself; without a label there is one, under any name."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        for reading in snapshot.sample.workloads:
            for value, number in read(reading):
                more = () if label is None else (value,)
                yield Row((reading.group, reading.workload, *more), number)

    labels = ("group", "workload") if label is None else ("group", "workload", label)
    return Family(f"{PREFIX}workload_{name}", type_, labels, help_, rows)


def one_of(states: Iterable[str], active: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Every known state and every active one, as 1 or 0: series that never come and go."""
    now = tuple(active)
    known = tuple(states)
    unknown = tuple(state for state in now if state not in known)
    return ((state, float(state in now)) for state in (*known, *unknown))
