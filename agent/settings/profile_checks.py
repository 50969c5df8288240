"""Whether the profiles that a rig's workloads name exist, and are fit for them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from agent.core.workload import NEUTRAL, Workload
from agent.settings import profiles
from agent.settings.gpu import CheckerSettings, Tuning
from agent.settings.profiles import ComputeMode, Profiles
from agent.settings.rig import GroupSettings, Settings
from wire.model import Kind


def profile_problems(settings: Settings) -> Iterator[str]:
    """Reads the file of profiles if one is needed. Raises `ConfigError`."""
    gpu = settings.gpu
    workloads = [(group.name, w) for group in settings.groups for w in group.workloads]
    known = Profiles()
    if gpu.tuner is not Tuning.NONE and any(w.profile != NEUTRAL for _, w in workloads):
        known = profiles.load(gpu.profiles_file)
    for group, workload in workloads:
        where = f"group {group}: {workload.name}"
        yield from _workload_problems(
            f"{where}: profile {workload.profile!r}", workload, settings, known
        )
        if gpu.checker is not None:
            yield from _checker_problems(where, workload, gpu.checker)
    for group_settings in settings.groups:
        yield from _parking_problems(group_settings, known)


def _workload_problems(
    what: str, workload: Workload, settings: Settings, known: Profiles
) -> Iterator[str]:
    profile = known.named(workload.profile)
    if profile is None and settings.gpu.tuner is Tuning.NONE:
        yield f"{what} is unknown; use `{NEUTRAL}`, or let profiles be set with `gpu.tuner: helper`"
    elif profile is None:
        names = ", ".join(sorted({NEUTRAL, *known.profiles}))
        yield f"{what} is unknown; {settings.gpu.profiles_file} has {names}"
    elif workload.kind is Kind.INFERENCE and profile.overclocks:
        yield f"{what} has clock offsets, which can make answers wrong; leave them out"


def _parking_problems(group: GroupSettings, known: Profiles) -> Iterator[str]:
    """A GPU that takes one process only would refuse the other one, or the sleeper itself."""
    sleeper = next((w for w in group.workloads if w.park is not None), None)
    if sleeper is None:
        return
    for name in sorted({NEUTRAL, *(workload.profile for workload in group.workloads)}):
        profile = known.named(name)
        if profile is not None and profile.compute_mode is not ComputeMode.DEFAULT:
            yield (
                f"group {group.name}: {sleeper.name}: park: profile {name!r} has `compute_mode: "
                f"{profile.compute_mode}`, which leaves no room beside a sleeper; leave either out"
            )


def _checker_problems(where: str, workload: Workload, checker: CheckerSettings) -> Iterator[str]:
    if not checker.command:
        yield "gpu.checker.command: is empty; name the program to run"
    if not 0 < checker.deadline_s < math.inf:
        yield f"gpu.checker.deadline_s: must be above 0 and finite, not {checker.deadline_s:g}"
    if workload.kind is Kind.INFERENCE and checker.deadline_s >= workload.deadlines.tune_s:
        yield (
            f"{where}: deadlines.tune_s: {workload.deadlines.tune_s:g} leaves no time for "
            f"`gpu.checker`, which may take {checker.deadline_s:g} s"
        )
