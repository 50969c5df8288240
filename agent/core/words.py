"""The table's rows for words from outside, which can come in any phase: orders, leases and locks.

None of them may move a group that is past the point of no return.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core import lock, record, road
from agent.core.model import Assigned, Event, Freed, Lapsed, Locked, Renewed, Rules, State
from wire.model import OFF, Phase, Result


def accepted(state: State, event: Assigned, rules: Rules) -> State:
    """Remember a newer assignment; the older one, if still open, ends superseded."""
    if event.desired.generation <= state.desired.generation:
        return state
    if state.ended is None and state.desired.generation:
        state = record.ended(state, Result.SUPERSEDED, f"superseded by {event.desired.order_id}")
    after = replace(
        state,
        desired=event.desired,
        rejected=(),
        lapsed=False,
        restarts=0,
        lines=0,
        origin=state.active,
        spent=(),
        ended=None,
    )
    workload = event.desired.workload
    if workload is not None and workload not in rules.allowed:
        after = road.reject(after, workload, f"{workload} is not on this rig's list for the group")
        return record.ended(after, Result.REFUSED, after.rejected[0].reason)
    return after


def remembered(state: State, event: Event, rules: Rules) -> State:
    """Take note of an order, lease or lock without moving; past STOPPING it is honoured later."""
    match event:
        case Assigned():
            return accepted(state, event, rules)
        case Lapsed():
            return state if state.lapsed else replace(state, lapsed=True)
        case Renewed():
            return replace(state, lapsed=False) if state.lapsed else state
        case Locked() | Freed():
            return lock.noted(state, event)
    raise AssertionError(event)


def _why(state: State, event: Event) -> str:
    match event:
        case Assigned():
            return state.desired.reason or f"assigned {state.desired.workload or OFF}"
        case Lapsed():
            return "the controller has been silent for longer than its lease"
        case Locked() | Freed():
            return lock.why(event)
    return "the controller is back"


def reconsider(state: State, event: Event, rules: Rules) -> State:
    """Nothing irrevocable is under way: follow the new word at once."""
    after = remembered(state, event, rules)
    if after is state:
        return state
    want = road.wanted(after, rules)
    there = state.active if state.phase in (Phase.RUNNING, Phase.IDLE) else state.target
    if want == there:
        return after
    return road.set_out(after, _why(after, event), rules)


def undrain_or_latch(state: State, event: Event, rules: Rules) -> State:
    """While draining, the old workload can still be kept."""
    after = remembered(state, event, rules)
    if after is state or road.wanted(after, rules) != state.active:
        return after
    return road.set_out(after, _why(after, event), rules)


def leave_failed(state: State, event: Assigned, rules: Rules) -> State:
    """The only way out of FAILED begins with stopping whatever may still hold the GPUs."""
    after = accepted(state, event, rules)
    if after is state or after.ended is Result.REFUSED:
        return after
    if lock.keeper(after) not in (None, after.desired.workload):
        return after
    return road.enter(after, Phase.STOPPING, _why(after, event), rules, target=None, tripped="")
