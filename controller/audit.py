"""How assignments and their ends are worded in the audit."""

from __future__ import annotations

from controller.records import Event, StoredAssignment, StoredOutcome
from wire.model import OFF, Outcome


def assigning(stored: StoredAssignment, at: float) -> Event:
    """Somebody has decided what a group shall do."""
    assignment = stored.assignment
    return Event(
        at=at,
        actor=stored.cause,
        verb=f"assign {assignment.workload or OFF}",
        subject=str(stored.key),
        detail=assignment.reason,
    )


def ending(stored: StoredOutcome) -> Event:
    """A rig has told how an assignment ended."""
    return Event(
        at=stored.received_at,
        actor=stored.rig,
        verb=stored.outcome.result,
        subject=f"{stored.rig}/{stored.outcome.group}",
        detail=_route(stored.outcome),
    )


def _route(outcome: Outcome) -> str:
    took_s = sum(seconds for _, seconds in outcome.phase_s)
    route = f"{outcome.origin or OFF} → {outcome.workload or OFF}"
    return f"{route}, {took_s:.1f} s: {outcome.reason}" if outcome.reason else route
