"""Whether what a rig's file says of parking can hold: who sleeps, and on how much memory."""

from __future__ import annotations

from collections.abc import Iterator

from agent.core.workload import Workload
from agent.settings.rig import GroupSettings
from wire.model import Kind

MEMORY_MAX_BYTES = 16 * 1024**3
"""Who holds more than that does not sleep; the other workload needs the room."""


def problems(where: str, group: GroupSettings) -> Iterator[str]:
    """What each value alone cannot show."""
    sleepers = [workload for workload in group.workloads if workload.park is not None]
    if len(sleepers) > 1:
        names = ", ".join(workload.name for workload in sleepers)
        yield f"{where}: {names} have `park`; of one group only one can sleep, keep it for one"
    for workload in sleepers:
        yield from _sleeper_problems(f"{where}: workload {workload.name}", workload)


def _sleeper_problems(where: str, workload: Workload) -> Iterator[str]:
    if workload.kind is not Kind.INFERENCE:
        yield f"{where}: park: only an inference server can sleep; leave it out"
    if workload.container is not None:
        yield (
            f"{where}: park: which processes are a container's cannot be told for certain; run the "
            "server by `command` or `unit`, or leave `park` out"
        )
    if not 0 < workload.park_memory_bytes <= MEMORY_MAX_BYTES:
        yield (
            f"{where}: park_memory_bytes: must be above 0 and at most {MEMORY_MAX_BYTES} (16 GiB), "
            f"not {workload.park_memory_bytes}"
        )
