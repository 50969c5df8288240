"""Checkers: small, independent, and run at the very moment at which a promise could be broken."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.model import State
from controller.core.model import GroupKey
from controller.ports import StoredAssignment, StoredOutcome
from wire.model import Phase


class ViolationError(AssertionError):
    """A promise was broken; the text says which."""


VERB_PHASES: dict[str, Phase] = {
    "prepare": Phase.PREPARING,
    "drain": Phase.DRAINING,
    "stop": Phase.STOPPING,
    "start": Phase.STARTING,
    "probe": Phase.PROBING,
    "undrain": Phase.RUNNING,
}
"""Verbs that change or judge something, and the phase that must be durable before each."""


def journaled(verb: str, workload: str, durable: State | None) -> None:
    """No effect without a journal line that names it; a safety stop is the one exception."""
    expected = VERB_PHASES[verb]
    if durable is None or durable.phase is not expected:
        raise ViolationError(f"{verb} {workload} while the journal says {durable and durable.phase}")
    named = durable.active if verb in ("drain", "undrain") else durable.target
    if verb != "stop" and named != workload:
        raise ViolationError(f"{verb} {workload} while the journal names {named}")


def exclusive(gpu: str, keys: tuple[str, ...]) -> None:
    """Never two workloads on one GPU."""
    if len(keys) > 1:
        raise ViolationError(f"{' and '.join(keys)} on {gpu}")


def empty_before_start(gpu: str, keys: tuple[str, ...], held_bytes: int, floor: int) -> None:
    """Nothing starts before the GPU was given back."""
    if keys or held_bytes > floor:
        raise ViolationError(f"a start on {gpu}, held by {keys}, {held_bytes} bytes")


def generation_grows(before: State | None, after: State) -> None:
    """Desired state never goes back."""
    if before is not None and after.desired.generation < before.desired.generation:
        raise ViolationError(
            f"generation {before.desired.generation} → {after.desired.generation}"
        )


def ended_once(assigned: Mapping[GroupKey, StoredAssignment], ended: list[StoredOutcome]) -> None:
    """Every assignment of every group has ended, each in exactly one way."""
    seen: dict[GroupKey, list[int]] = {}
    for entry in ended:
        key = GroupKey(entry.rig, entry.outcome.group)
        seen.setdefault(key, []).append(entry.outcome.generation)
    for key, stored in assigned.items():
        generations = sorted(seen.get(key, []))
        if generations != list(range(1, stored.assignment.generation + 1)):
            raise ViolationError(
                f"{key}: generation {stored.assignment.generation}, ended {generations}"
            )
