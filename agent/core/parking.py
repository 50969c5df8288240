"""The table's rows for a server that sleeps on the GPUs instead of ending, and is woken later.

It is parked where an ordered road leads on to another workload, and nowhere else: every other end
ends it for good. None of them may leave two workloads awake, or start anything beside a sleeper
that has not just proven that it sleeps.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core import road
from agent.core.model import Failed, Parked, Rules, State, Unparked
from wire.model import Phase


def leave(state: State, reason: str, rules: Rules, *, drained: bool) -> State:
    """Past the point of no return: who sleeps may stay, who has finished its work may sleep."""
    stays = state.parked
    if drained and state.active == rules.sleeper:
        stays = state.active
    if state.target is None:
        stays = None
    return road.enter(state, Phase.STOPPING, reason, rules, parked=stays)


def parked(state: State, _event: Parked, rules: Rules) -> State:
    """Nothing is awake here any more."""
    reason = f"nothing runs here any more, {state.parked} sleeps"
    return road.enter(state, Phase.VACATING, reason, rules, active=None, lock=None)


def unparked(state: State, event: Unparked, _rules: Rules) -> State:
    """The other workload goes on; this one will be started, not woken."""
    # Who is being woken and proven is no sleeper any more, but what the road leads to.
    if event.workload != state.parked or wakes(state):
        return state
    return replace(state, parked=None, reason=f"{event.workload} sleeps no more: {event.reason}")


def not_stopped(state: State, event: Failed, rules: Rules) -> State:
    """A group that is given up leaves nobody asleep: all of it is tried once more."""
    reason = f"{state.active} could not be stopped, so {state.parked} is ended too: {event.reason}"
    return road.enter(state, Phase.STOPPING, reason, rules)


def not_vacated(state: State, event: Failed, rules: Rules) -> State:
    """Whatever holds the GPUs: without the sleeper, they are tried once more."""
    reason = f"the GPUs could not be emptied beside {state.parked}, so it is ended: {event.reason}"
    return road.enter(state, Phase.STOPPING, reason, rules)


def not_woken(state: State, event: Failed, rules: Rules) -> State:
    """It is not the workload that failed, only its sleep: it is started anew, like any other."""
    reason = f"{state.target} could not be woken, so it is started anew: {event.reason}"
    return road.enter(state, Phase.STOPPING, reason, rules)


def wakes(state: State) -> bool:
    """Whether what is being started or proven was asleep before."""
    return state.parked is not None and state.parked == state.active
