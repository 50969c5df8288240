"""A group's state in the words of the wire, and an assignment in those of the switch machine."""

from __future__ import annotations

from dataclasses import replace

from agent.core.model import Desired
from agent.reactor import Reactor
from wire import model


def outcomes(reactor: Reactor) -> tuple[model.Outcome, ...]:
    """Named by their group, which the machine itself does not know."""
    return tuple(replace(outcome, group=reactor.group) for outcome in reactor.state.outcomes)


def status(reactor: Reactor) -> model.GroupStatus:
    """What the controller shall know of a group."""
    state = reactor.state
    reason = f"{state.reason} ({reactor.fault})" if reactor.fault else state.reason
    return model.GroupStatus(
        group=reactor.group,
        phase=state.phase,
        leg=state.leg,
        active=state.active,
        target=state.target,
        generation=state.desired.generation,
        since_s=state.since_s,
        rejected=state.rejected,
        lapsed=state.lapsed,
        reason=reason,
        derate=state.derate or 0,
        parked=state.parked if state.parked != state.active else None,
        lock="" if state.lock is None else f"{state.lock.workload}: {state.lock.reason}",
    )


def desired(assignment: model.Assignment) -> Desired:
    """An assignment as the switch machine keeps it."""
    return Desired(
        generation=assignment.generation,
        order_id=assignment.order_id,
        workload=assignment.workload,
        committed=assignment.committed,
        reason=assignment.reason,
        breaks_lock=assignment.breaks_lock,
    )
