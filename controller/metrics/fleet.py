"""Rigs and groups as they were heard of. Labels come from the inventory, never from free text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from controller.core.model import GroupView
from controller.metrics.gauge import Gauge, gauge
from controller.metrics.snapshot import ControllerSnapshot
from wire.model import OFF, Phase

OTHER = "other"
"""A workload that its rig reports but does not offer."""

UNHEARD = "unknown"
"""Of a rig that has not reported since the controller's start."""


def gauges(now: ControllerSnapshot) -> Iterator[Gauge]:
    """Counts over the whole fleet."""
    rigs = {("online",): now.rigs_online, ("offline",): now.rigs_offline}
    yield gauge("rigs", "Admitted rigs, by whether they were heard from lately.", ["state"], rigs)
    phases = Counter(view.status.phase.value if view.status else "unknown" for view in now.views)
    every_phase = {(name,): phases[name] for name in (*(p.value for p in Phase), "unknown")}
    yield gauge("phase_groups", "GPU groups by phase.", ["phase"], every_phase)
    offered = {(offer.name,): 0 for view in now.views for offer in view.offer.workloads}
    active = Counter((_active(view),) for view in now.views)
    every_workload = offered | {(OFF,): 0} | active
    yield gauge("workload_groups", "GPU groups by active workload.", ["workload"], every_workload)
    yield gauge("holds", "Operators' holds that stand.", [], {(): now.holds})
    locked = sum(bool(view.status and view.status.lock) for view in now.views)
    help_ = "GPU groups that no price may move because they are rented or otherwise locked."
    yield gauge("locked_groups", help_, [], {(): locked})
    asleep = Counter((view.parked,) for view in now.views if view.parked is not None)
    help_ = "GPU groups beside whose workload a server sleeps, by that server; absent: none."
    yield gauge("parked_groups", help_, ["workload"], asleep)


def _active(view: GroupView) -> str:
    if view.status is None:
        return UNHEARD
    name = view.status.active
    offered = {offer.name for offer in view.offer.workloads}
    return OFF if name is None else name if name in offered else OTHER
