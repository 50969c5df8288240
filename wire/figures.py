"""What of a rig's own measurements may travel: how many, under which names, and which numbers.

It looks at form only; whether a figure can be believed is the controller's to judge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from wire.model import NAME, Figure, Measured

MEASURED_MAX = 64
"""Entries in one message; a rig that has more sends several."""

TEXT_CHARS_MAX = 64
"""Longest name of a profile or an algorithm."""


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
