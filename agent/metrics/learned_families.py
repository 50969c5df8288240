"""Metrics of what the rig has measured of its workloads: typical figures, not momentary ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from agent.metrics.family import PREFIX, Family, Row, Type
from agent.metrics.snapshot import AgentSnapshot
from wire.figures import Figure, Measured, figures
from wire.model import OFF

_TOPIC = ("group", "workload", "profile")


def _names(entry: Measured) -> tuple[str, str, str]:
    return entry.group, entry.workload or OFF, entry.profile


def _one(name: str, help_: str, read: Callable[[Measured], Figure | None]) -> Family:
    """One typical figure per workload and profile."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        for entry in snapshot.learned:
            figure = read(entry)
            if figure is not None:
                yield Row(_names(entry), figure.value)

    return Family(f"{PREFIX}learned_{name}", Type.GAUGE, _TOPIC, help_, rows)


def _by(
    name: str,
    label: str,
    help_: str,
    read: Callable[[Measured], Iterable[tuple[str, float | None]]],
) -> Family:
    """Several per workload and profile, told apart by one more label."""

    def rows(snapshot: AgentSnapshot) -> Iterator[Row]:
        for entry in snapshot.learned:
            yield from (Row((*_names(entry), value), number) for value, number in read(entry))

    return Family(f"{PREFIX}learned_{name}", Type.GAUGE, (*_TOPIC, label), help_, rows)


def _watts(entry: Measured) -> Iterator[tuple[str, float | None]]:
    for state, figure in (("busy", entry.gpu_busy_w), ("idle", entry.gpu_idle_w)):
        yield state, None if figure is None else figure.value


LEARNED = (
    _by(
        "gpu_power_watts",
        "state",
        "What the group's GPUs typically draw together, by their own sensors, busy or idle.",
        _watts,
    ),
    _one("hashes_per_second", "Typical hash rate.", lambda entry: entry.hashrate_hps),
    _one(
        "accepted_share_ratio",
        "Typical part of all shares that the pool accepts.",
        lambda entry: entry.accepted_ratio,
    ),
    _one(
        "tokens_per_second",
        "Typical rate of generated tokens while at least one request runs.",
        lambda entry: entry.tokens_per_s,
    ),
    _one(
        "busy_ratio",
        "Share of the recent time in which at least one request ran.",
        lambda entry: entry.busy_ratio,
    ),
    _one(
        "pcie_limit_bytes_per_second",
        "Most that the slowest GPU's PCIe link could carry each way; no copy was measured.",
        lambda entry: entry.pcie_limit_bytes_per_s,
    ),
    _by(
        "phase_seconds",
        "phase",
        "Typical time of each phase of a switch: of the workload's stop, and of its start.",
        lambda entry: ((phase, figure.value) for phase, figure in entry.phase_s),
    ),
    _by(
        "samples",
        "figure",
        "Measurements behind each learned figure, by its name on the wire.",
        lambda entry: ((name, figure.samples) for name, figure in figures(entry)),
    ),
)
