"""What a rig has measured, and what of it may travel: how many, which names, which numbers.

It looks at form only; whether a figure can be believed is the controller's to judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wire.model import NAME, Phase

MEASURED_MAX = 64
"""Entries in one message; a rig that has more sends several."""

TEXT_CHARS_MAX = 64
"""Longest name of a profile or an algorithm."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity that a rig has measured often, in the unit of the field that holds it."""

    value: float
    """Median of the recent measurements; of a ratio of time, their mean."""
    spread: float
    """Median distance of the recent measurements from `value`."""
    samples: int
    """Measurements ever taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a rig has learned of one workload on one group; of no workload, of standing still."""

    group: str
    workload: str | None
    profile: str
    """GPU profile that it ran under; figures of another profile say nothing of this one."""
    gpu_busy_w: Figure | None = None
    """What all GPUs of the group draw, by their own sensors, while it works; no host, no supply."""
    gpu_idle_w: Figure | None = None
    """Inference: the same while it is loaded and nobody asks."""
    hashrate_hps: Figure | None = None
    """Mining: hashes per second."""
    algorithm: str | None = None
    """Of those hashes, as the miner calls it."""
    accepted_ratio: Figure | None = None
    """Mining: accepted shares of all shares."""
    tokens_per_s: Figure | None = None
    """Inference: generated tokens while at least one request runs."""
    busy_ratio: Figure | None = None
    """Inference: share of time in which at least one request runs."""
    pcie_limit_bytes_per_s: Figure | None = None
    """What the PCIe link of the slowest GPU, as negotiated meanwhile, could carry each way.

    An upper bound of copies between host and GPU, not a measured copy.
    """
    phase_s: tuple[tuple[Phase, Figure], ...] = ()
    """Seconds of each phase of a switch: its own stop, and its own start."""


def problems(entries: Sequence[Measured]) -> Iterator[str]:
    """What no rig would measure, one clause each."""
    if len(entries) > MEASURED_MAX:
        yield f"{len(entries)} measured workloads; at most {MEASURED_MAX} are allowed"
    keys = [(entry.group, entry.workload) for entry in entries]
    if len(set(keys)) < len(keys):
        yield "one workload of a group twice"
    for entry in entries:
        yield from _name_problems(entry)
        for name, figure in figures(entry):
            if not _plausible(figure):
                yield f"a figure that nothing measures, {name} of {entry.workload or 'off'}"


def figures(entry: Measured) -> Iterator[tuple[str, Figure]]:
    """The figures that an entry has, each with its name."""
    for name in FIELDS:
        figure: Figure | None = getattr(entry, name)
        if figure is not None:
            yield name, figure
    yield from ((phase.value, figure) for phase, figure in entry.phase_s)


FIELDS = (
    "gpu_busy_w",
    "gpu_idle_w",
    "hashrate_hps",
    "accepted_ratio",
    "tokens_per_s",
    "busy_ratio",
    "pcie_limit_bytes_per_s",
)
"""Fields of `Measured` that hold a figure."""


def _name_problems(entry: Measured) -> Iterator[str]:
    names = (entry.group, entry.workload if entry.workload is not None else "off")
    yield from (f"the name {name[:80]!r}" for name in names if not NAME.fullmatch(name))
    texts = (entry.profile, entry.algorithm or "")
    if any(len(text) > TEXT_CHARS_MAX or not text.isprintable() for text in texts):
        yield f"a profile or an algorithm of more than {TEXT_CHARS_MAX} printable characters"
    phases = [phase for phase, _ in entry.phase_s]
    if len(set(phases)) < len(phases):
        yield "one phase of a workload twice"


def _plausible(figure: Figure) -> bool:
    finite = math.isfinite(figure.value) and math.isfinite(figure.spread)
    return finite and figure.value >= 0 and figure.spread >= 0 and figure.samples >= 1
