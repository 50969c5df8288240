"""The record that the switch machine keeps of each assignment: seconds by phase, and its one end.

It never decides where a group goes.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core.model import OUTCOMES_MAX, State
from wire.model import Outcome, Phase, Result


def timed(before: State, after: State, now_s: float) -> State:
    """Note when the phase was entered, and how many seconds the one before it took."""
    if after.ticket == before.ticket:
        return after
    if after.desired.generation != before.desired.generation:
        return replace(after, since_s=now_s, spent=())
    if after.phase is before.phase is Phase.RUNNING:
        return after  # Derated: it runs on, as long as before.
    # A reboot sets the rig clock back; time that cannot be known counts as none.
    spent = (before.phase, max(0.0, now_s - before.since_s))
    keep = after.spent if before.phase.stable else (*after.spent, spent)
    return replace(after, since_s=now_s, spent=keep)


def concluded(state: State) -> State:
    """Record how the assignment ended, once, when the group first rests."""
    if state.ended is not None or not state.desired.generation or not state.phase.stable:
        return state
    if state.phase is Phase.FAILED:
        return ended(state, Result.QUARANTINED, state.reason)
    for rejection in state.rejected:
        if rejection.workload == state.desired.workload:
            return ended(state, Result.ROLLED_BACK, rejection.reason)
    if state.active == state.desired.workload:
        return ended(state, Result.DONE, state.desired.reason)
    return state


def ended(state: State, result: Result, reason: str) -> State:
    """The assignment has ended so; its outcome is kept until the controller has it."""
    outcome = Outcome(
        order_id=state.desired.order_id,
        group="",
        generation=state.desired.generation,
        result=result,
        origin=state.origin,
        workload=state.desired.workload,
        phase_s=state.spent,
        reason=reason,
    )
    kept = (*state.outcomes, outcome)[-OUTCOMES_MAX:]
    return replace(state, ended=result, outcomes=kept)
