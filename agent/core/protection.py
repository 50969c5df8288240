"""The table's rows for what safety demands: derate, stop.

None of them may start anything that the GPUs were not emptied for.
"""

from __future__ import annotations

from agent.core.model import Derated, Failed, Rules, State, Tripped
from agent.core.road import enter, stop_or_fail, tripped
from wire.model import Phase


def trip(state: State, event: Tripped, rules: Rules) -> State:
    """Stop what runs; where nothing runs, leave the group alone from now on."""
    return stop_or_fail(state, event.reason, rules)


def trip_while_emptying(state: State, event: Tripped, rules: Rules) -> State:
    """It is being stopped already; see that nothing follows, and that no sleeper stays."""
    if state.tripped:
        return state
    if state.parked is not None:
        return stop_or_fail(state, event.reason, rules)
    return tripped(state, event.reason)


def trip_before_start(state: State, event: Tripped, rules: Rules) -> State:
    """Settings may be half applied: make the GPUs neutral before giving up on them."""
    if state.parked is not None:
        return stop_or_fail(state, event.reason, rules)
    return enter(tripped(state, event.reason), Phase.VACATING, event.reason, rules)


def derated(state: State, event: Derated, rules: Rules) -> State:
    """The workload goes on under another power limit; its watch sets it and begins anew."""
    if event.step == (state.derate or 0):
        return state
    return enter(state, Phase.RUNNING, event.reason, rules, derate=event.step)


def not_derated(state: State, event: Failed, rules: Rules) -> State:
    """The next rung is to stop; full power that cannot be given back endangers nothing."""
    if not state.derate:
        return state
    reason = f"{state.reason}, but it could not be set: {event.reason}"
    return stop_or_fail(state, reason, rules)
