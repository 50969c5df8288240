"""What a lock keeps a group to, and how word of it is taken in. It never ends one by itself."""

from __future__ import annotations

from dataclasses import replace

from agent.core.model import Freed, Lock, Locked, State


def breaks(state: State, workload: str | None) -> bool:
    """Whether an operator has said that a lock on `workload` shall not stand in the way."""
    return state.desired.breaks_lock and state.desired.workload != workload


def keeper(state: State) -> str | None:
    """Workload that a lock keeps the group to; ``None``: the group is free to leave."""
    if state.lock is None or breaks(state, state.lock.workload):
        return None
    return state.lock.workload


def noted(state: State, event: Locked | Freed) -> State:
    """The state that knows of it; the same object when it is no news, or about something else."""
    match event:
        case Locked(workload=name, reason=reason):
            lock = Lock(name, reason)
            return (
                state if name != state.active or lock == state.lock else replace(state, lock=lock)
            )
        case Freed(workload=name):
            ours = state.lock is not None and state.lock.workload == name
            return replace(state, lock=None) if ours else state


def why(event: Locked | Freed) -> str:
    """For people."""
    if isinstance(event, Locked):
        return f"{event.workload} is locked: {event.reason}"
    return f"{event.workload} is not locked any more"
