"""Where a group should go, and how it enters a phase: the ground under the table's rows.

Nothing here knows which event leads where; that is the table's to say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.core import lock
from agent.core.model import Offline, Rules, State
from wire.model import Leg, Phase, Rejection

NOBODY_SLEEPS = frozenset({Phase.STOPPING, Phase.IDLE, Phase.FAILED})
"""Entered without a word on a sleeper these mean that it is ended, or was: standing still and
failing leave nothing on the GPUs.
"""


def wanted(state: State, rules: Rules) -> str | None:
    """Workload that should run on the group now; ``None``: stand still."""
    failed = {rejection.workload for rejection in state.rejected}
    held = lock.keeper(state)
    if held is not None:
        return held if held not in failed else None
    first = state.desired.workload
    if state.lapsed and not state.desired.committed and rules.offline is not Offline.KEEP:
        first = rules.safe_workload if rules.offline is Offline.SAFE else None
    if first is None or first not in failed:
        return first
    return state.previous if state.previous not in failed else None


def set_out(state: State, reason: str, rules: Rules) -> State:
    """From a point where nothing irrevocable is under way, take the road that `wanted` asks."""
    want = wanted(state, rules)
    if want is not None and want == state.active:
        return enter(state, Phase.RUNNING, reason, rules, target=want)
    if want is not None:
        return enter(state, Phase.PREPARING, reason, rules, target=want)
    if state.active is not None:
        return enter(state, Phase.DRAINING, reason, rules, target=None)
    if state.parked is not None:
        return enter(state, Phase.STOPPING, reason, rules, target=None)
    return enter(state, Phase.IDLE, reason, rules, target=None, previous=None)


def enter(state: State, phase: Phase, reason: str, rules: Rules, **changes: Any) -> State:
    """Move to `phase` under a new ticket; a road that goes round in circles ends in FAILED."""
    lines = state.lines + 1
    if lines > rules.lines_max and not phase.stable and not state.tripped:
        why = f"gave up after {rules.lines_max} steps of one switch; last: {reason}"
        return stop_or_fail(replace(state, lines=0, **changes), why, rules)
    if phase is Phase.VACATING:
        changes["derate"] = None  # The GPUs are made neutral there.
    if phase in NOBODY_SLEEPS:
        changes.setdefault("parked", None)
    return replace(
        state,
        phase=phase,
        leg=_leg(state),
        ticket=state.ticket + 1,
        lines=0 if phase.stable else lines,
        reason=reason,
        **changes,
    )


def stop_or_fail(state: State, reason: str, rules: Rules) -> State:
    """Safety's way: whatever runs is stopped for good."""
    state = tripped(state, reason)
    if state.active is None and state.parked is None:
        return enter(state, Phase.FAILED, reason, rules)
    return enter(state, Phase.STOPPING, reason, rules)


def tripped(state: State, reason: str) -> State:
    """Nothing that ran here is started again, not even in place of a refused order."""
    return replace(state, tripped=reason, target=None, previous=None)


def reject(state: State, workload: str | None, reason: str) -> State:
    """Not again within this generation."""
    if workload is None:
        return state
    others = tuple(known for known in state.rejected if known.workload != workload)
    return replace(state, rejected=(*others, Rejection(workload, reason)))


def _leg(state: State) -> Leg:
    failed = {rejection.workload for rejection in state.rejected}
    return Leg.ROLLBACK if state.desired.workload in failed else Leg.FORWARD
