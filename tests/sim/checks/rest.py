"""What must be true once nothing goes wrong any more and everything has come to rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from agent.core.model import State
from agent.core.workload import Workload
from controller.core.model import GroupKey
from controller.records import StoredAssignment, StoredOutcome


def ended_once(assigned: Mapping[GroupKey, StoredAssignment], ended: list[StoredOutcome]) -> str:
    """Every assignment of every group has ended, each in exactly one way."""
    seen: dict[GroupKey, list[int]] = {}
    for entry in ended:
        key = GroupKey(entry.rig, entry.outcome.group)
        seen.setdefault(key, []).append(entry.outcome.generation)
    for key, stored in assigned.items():
        generations = sorted(seen.get(key, []))
        missing = set(range(1, stored.assignment.generation + 1)) - set(generations)
        if missing or len(set(generations)) < len(generations):
            return f"{key}: generation {stored.assignment.generation}, ended {generations}"
    return ""


def agreed(state: State, remembered: int) -> str:
    """Rig and controller go by one generation, and nothing is left to be told."""
    if state.desired.generation == remembered and not state.outcomes:
        return ""
    told = len(state.outcomes)
    return f"generation {remembered}, rig {state.desired.generation}, {told} ends not told"


def as_assigned(state: State, awake: Sequence[str], assigned: str | None) -> str:
    """A group at rest does what it was assigned, in truth and not only in its own eyes."""
    if not state.phase.stable or state.active != assigned or state.lapsed:
        return f"{state.phase} {state.active}, lapsed {state.lapsed}, assigned {assigned}"
    if list(awake) != ([] if assigned is None else [assigned]):
        return f"{list(awake)} run, assigned is {assigned}"
    return ""


def known_to_sleep(state: State, asleep: Collection[str]) -> str:
    """Nobody sleeps on a group at rest but whom its journal names, beside what runs."""
    named = [] if state.parked is None else [state.parked]
    return "" if sorted(asleep) == named else f"{sorted(asleep)} sleep, the journal says {named}"


def served(workloads: Sequence[Workload], active: str | None, sends_to: Collection[str]) -> str:
    """A workload at rest gets the requests that it is there for."""
    for workload in workloads:
        if workload.name == active and workload.route is not None and workload.key not in sends_to:
            return f"{workload.key} runs but gets no requests"
    return ""
