"""What the XID errors since the last look mean: pure.

An error counts once, in the look that first shows it: whoever has mended a GPU starts clean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.core import xids
from agent.core.xids import ADVICE, XidClass
from wire.model import GpuReading, Sample


@dataclass(frozen=True, slots=True)
class Fault:
    """XID errors of one GPU that something must follow."""

    reason: str
    grave: bool
    """The GPU is of no use until somebody has mended it; else a restart will do."""


@dataclass(frozen=True, slots=True)
class History:
    """What was heard so far."""

    counts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """Errors by GPU and number."""
    faults_s: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """When each GPU threw an application out, as far as that still counts."""


def heard(
    before: History,
    sample: Sample,
    faults_max: int,
    window_s: float,
    lent: frozenset[str] = frozenset(),
) -> tuple[History, dict[str, Fault]]:
    """What is known now, and by GPU what has come since; the gravest of it.

    On GPUs that are lent an application is the tenant's own, and so are its errors.
    """
    counts, faults_s, thrown = dict(before.counts), dict(before.faults_s), dict[str, Fault]()
    for gpu in (gpu for gpu in sample.gpus if gpu.xids is not None):
        fresh = _fresh(gpu, before.counts.get(gpu.uuid, {}))
        counts[gpu.uuid] = dict(gpu.xids or ())
        applications = [n for n in fresh if xids.xid_class(n) is XidClass.APPLICATION]
        if gpu.uuid in lent:
            applications = []
        recent = [at for at in faults_s.get(gpu.uuid, ()) if sample.at_s - at < window_s]
        recent += [sample.at_s] * bool(applications)
        faults_s[gpu.uuid] = tuple(recent)
        for number in fresh:
            advice = ADVICE.get(xids.xid_class(number))
            if advice is not None:
                reason = f"{gpu.uuid}: {xids.named(number)}; {advice.format(uuid=gpu.uuid)}"
                thrown[gpu.uuid] = Fault(reason, grave=True)
                break
        else:
            if applications:
                thrown[gpu.uuid] = _application(gpu.uuid, applications[0], len(recent), faults_max)
    return History(counts, faults_s), thrown


def _fresh(gpu: GpuReading, known: Mapping[int, int]) -> list[int]:
    return [number for number, count in gpu.xids or () if count > known.get(number, 0)]


def _application(uuid: str, number: int, count: int, most: int) -> Fault:
    said = f"{uuid}: {xids.named(number)}"
    if count <= most:
        return Fault(said, grave=False)
    again = f"{said}, {count} times lately; lower its clocks, look at its riser, or replace it"
    return Fault(again, grave=True)
