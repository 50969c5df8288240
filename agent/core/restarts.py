"""The table's rows for a proven workload that ends, errs or is thrown out: start it again, or not.

Its budget comes back when it has held out; nothing here starts it before the GPUs are empty.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core import lock, road
from agent.core.model import Erred, Exited, Faulted, HeldOut, Rules, State
from wire.model import Phase


def exited(state: State, event: Exited, rules: Rules) -> State:
    """It ended by itself: nothing has to be stopped but who sleeps."""
    who, gone = state.active, replace(state, active=None)
    by = Phase.VACATING if state.parked is None else Phase.STOPPING
    return _restart(gone, who, "exited", event.reason, rules, by=by)


def erred(state: State, event: Erred, rules: Rules) -> State:
    """It still runs, so it is stopped first; what it has begun is not worth waiting for."""
    if _is_lent(state):
        return state
    return _restart(state, state.active, "erred", event.reason, rules, by=Phase.STOPPING)


def faulted(state: State, event: Faulted, rules: Rules) -> State:
    """What the GPU has thrown out may hang for ever."""
    if _is_lent(state):
        return state
    return _restart(state, state.active, "was thrown out", event.reason, rules, by=Phase.STOPPING)


def held_out(state: State, _event: HeldOut, _rules: Rules) -> State:
    """It has run long enough to have all its restarts again."""
    return replace(state, restarts=0) if state.restarts else state


def _is_lent(state: State) -> bool:
    """Whoever has the claim on it has done that, and it is theirs to start again."""
    return state.active is not None and lock.keeper(state) == state.active


def _restart(
    state: State, who: str | None, did: str, why: str, rules: Rules, *, by: Phase
) -> State:
    count, most = state.restarts + 1, rules.restarts_max
    if count <= most:
        reason = f"{who} {did} ({why}); restart {count} of {most}"
        return road.enter(state, by, reason, rules, restarts=count, target=who)
    reason = f"{who} {did} more than {most} times, last: {why}"
    given_up = road.reject(state, who, reason)
    return road.enter(given_up, by, reason, rules, restarts=count, target=None)
