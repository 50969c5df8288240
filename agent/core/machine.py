"""The switch machine of one GPU group: the only place that says what follows what.

`step` takes a state and a fact and gives the next state. A state names its own effect
(`effect`), so the shell's whole duty is: journal the new state, then perform its effect if the
ticket is new. Nothing here knows of time, disks, processes or networks.

How to read the table. Three phases are stable: IDLE (stands still), RUNNING (proven), FAILED
(left alone). Between them lies one road:

    PREPARING → DRAINING → STOPPING → VACATING → TUNING → STARTING → PROBING → RUNNING

Four rules carry all of it:

1. `wanted` says what should run now, from a lock, the newest assignment, what failed within it, and
   the offline policy. A group whose active workload is wanted stays; any other sets out.
2. Entry to STOPPING is the point of no return. What arrives later is remembered, and honoured at
   VACATING's end, where the GPUs are known to be empty, or after the commit.
3. A target that fails is rejected for this generation. Then `wanted` names what worked before,
   so going back is the same road to another end.
4. Nothing starts except from VACATING's success by way of TUNING: the GPUs were seen empty, but
   for one sleeper (`agent.core.parking`). Whatever cannot be emptied ends in FAILED, and only a
   new assignment leads out, through STOPPING.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

from agent.core import lock, parking, protection, record, restarts, road, words
from agent.core.effects import Drain, Effect, Prepare, Probe, Start, Stop, Tune, Vacate, Watch
from agent.core.model import (
    Acknowledged,
    Answer,
    Assigned,
    Bound,
    Derated,
    Erred,
    Event,
    Exited,
    Failed,
    Faulted,
    HeldOut,
    Lock,
    Locked,
    Noted,
    Parked,
    Rules,
    State,
    Succeeded,
    Tripped,
    Unparked,
    Word,
)
from wire.model import Phase

Row = Callable[[State, Any, Rules], State]
"""One row of the table: state, event, rules → next state."""


def step(state: State, event: Event, rules: Rules, now_s: float = 0.0) -> State:
    """The state after `event`. The same object when nothing follows from it.

    Args:
        state: Where the group stands.
        event: What has happened.
        rules: The rig's own word on this group.
        now_s: Rig clock, for the record of how long each phase took.
    """
    if _late(state, event):
        return state
    after = TABLE[state.phase][type(event)](state, event, rules)
    if after is state:
        return state
    return record.concluded(record.timed(state, after, now_s))


def effect(state: State) -> Effect | None:
    """What the shell shall perform on entry to this state's phase."""
    make = _EFFECTS.get(state.phase)
    return make(state) if make else None


def _ignore(state: State, event: Event, rules: Rules) -> State:
    return state


def _forget(state: State, event: Acknowledged, rules: Rules) -> State:
    """The controller has these outcomes; they need not be kept any longer."""
    kept = tuple(outcome for outcome in state.outcomes if outcome.generation > event.generation)
    return state if len(kept) == len(state.outcomes) else replace(state, outcomes=kept)


# What follows from each phase's own effect.


def _prepared(state: State, event: Succeeded, rules: Rules) -> State:
    if state.active is not None:
        return road.enter(state, Phase.DRAINING, f"{state.target} is prepared", rules)
    return road.enter(state, Phase.VACATING, f"{state.target} is prepared", rules)


def _not_prepared(state: State, event: Failed, rules: Rules) -> State:
    reason = f"{state.target} could not be prepared: {event.reason}"
    return road.set_out(road.reject(state, state.target, reason), reason, rules)


def _drained(state: State, event: Succeeded, rules: Rules) -> State:
    return parking.leave(state, f"{state.active} has finished its work", rules, drained=True)


def _not_drained(state: State, event: Failed, rules: Rules) -> State:
    reason = f"{state.active} did not finish its work: {event.reason}"
    return parking.leave(state, reason, rules, drained=False)


def _bound(state: State, event: Bound, rules: Rules) -> State:
    """Right before the point of no return only certainty counts; only an operator overrides it."""
    active = state.active or ""
    after = replace(state, lock=Lock(active, event.reason))
    reason = f"{active} is locked: {event.reason}"
    if road.wanted(after, rules) == active:
        return road.set_out(after, reason, rules)
    return parking.leave(after, f"{reason}; an operator breaks the lock", rules, drained=False)


def _stopped(state: State, event: Succeeded, rules: Rules) -> State:
    gone = "nothing runs here any more"
    return road.enter(state, Phase.VACATING, gone, rules, active=None, lock=None, parked=None)


def _not_stopped(state: State, event: Failed, rules: Rules) -> State:
    if state.parked is not None:
        return parking.not_stopped(state, event, rules)
    reason = f"{state.active or 'a workload'} could not be stopped: {event.reason}"
    return road.enter(state, Phase.FAILED, reason, rules, target=None)


def _vacated(state: State, event: Succeeded, rules: Rules) -> State:
    """The retarget point: the GPUs are empty, so any word that came meanwhile can be honoured."""
    if state.tripped:
        return road.enter(state, Phase.FAILED, state.tripped, rules)
    if state.target is not None and road.wanted(state, rules) == state.target:
        return road.enter(state, Phase.TUNING, "the GPUs are empty", rules)
    return road.set_out(state, state.reason or "the GPUs are empty", rules)


def _not_vacated(state: State, event: Failed, rules: Rules) -> State:
    if state.parked is not None:
        return parking.not_vacated(state, event, rules)
    reason = f"the GPUs could not be emptied: {event.reason}"
    return road.enter(state, Phase.FAILED, reason, rules, target=None)


def _tuned(state: State, event: Succeeded, rules: Rules) -> State:
    return road.enter(state, Phase.STARTING, "the profile is applied", rules, active=state.target)


def _started(state: State, event: Succeeded, rules: Rules) -> State:
    return road.enter(state, Phase.PROBING, f"{state.target} has started", rules)


def _proven(state: State, event: Succeeded, rules: Rules) -> State:
    """The commit. A word that came meanwhile is honoured from here."""
    fresh = state.target != state.previous
    parked = None if parking.wakes(state) else state.parked
    restarts = 0 if fresh else state.restarts
    after = replace(state, previous=state.target, restarts=restarts, parked=parked)
    if road.wanted(after, rules) == after.active:
        return road.enter(after, Phase.RUNNING, f"{state.target} is proven", rules)
    return road.set_out(after, f"{state.target} is proven, and a newer word came", rules)


def _taken(state: State, event: Locked, rules: Rules) -> State:
    """Whoever has a claim on it has found it to work: no better proof is to be had."""
    after = words.remembered(state, event, rules)
    return after if after is state else _proven(after, Succeeded(state.ticket), rules)


def _not_begun(state: State, event: Failed, rules: Rules) -> State:
    return _try_again_or_go_back(state, event, rules, Phase.VACATING)


def _not_proven(state: State, event: Failed, rules: Rules) -> State:
    if parking.wakes(state):
        return parking.not_woken(state, event, rules)
    return _try_again_or_go_back(state, event, rules, Phase.STOPPING)


def _try_again_or_go_back(state: State, event: Failed, rules: Rules, by: Phase) -> State:
    """A restart of what worked before has its budget; a new target has one chance."""
    if 0 < state.restarts < rules.restarts_max:
        reason = f"restart {state.restarts} of {state.target} failed: {event.reason}"
        return road.enter(state, by, reason, rules, restarts=state.restarts + 1)
    reason = f"{state.target} failed in {state.phase}: {event.reason}"
    return road.enter(road.reject(state, state.target, reason), by, reason, rules, target=None)


def _noted(state: State, event: Noted, rules: Rules) -> State:
    return state if state.reason == event.reason else replace(state, reason=event.reason)


_NO_EFFECT: dict[type[Any], Row] = {
    Succeeded: _ignore,
    Parked: _ignore,
    Failed: _ignore,
    Bound: _ignore,
    Exited: _ignore,
    Erred: _ignore,
    HeldOut: _ignore,
    Noted: _ignore,
    Derated: _ignore,
    Faulted: _ignore,
    Unparked: _ignore,
    Acknowledged: _forget,
}
_FOLLOW: dict[type[Any], Row] = dict.fromkeys(get_args(Word), words.reconsider)
_REMEMBER: dict[type[Any], Row] = dict.fromkeys(get_args(Word), words.remembered)
_UNDRAIN: dict[type[Any], Row] = dict.fromkeys(get_args(Word), words.undrain_or_latch)

TABLE: dict[Phase, dict[type[Any], Row]] = {
    Phase.IDLE: {**_NO_EFFECT, **_FOLLOW, Tripped: protection.trip},
    Phase.RUNNING: {
        **_NO_EFFECT, **_FOLLOW, Tripped: protection.trip,
        Exited: restarts.exited, Erred: restarts.erred, HeldOut: restarts.held_out, Noted: _noted,
        Derated: protection.derated, Failed: protection.not_derated, Faulted: restarts.faulted,
        Unparked: parking.unparked,
    },
    Phase.PREPARING: {
        **_NO_EFFECT, **_FOLLOW, Tripped: protection.trip,
        Succeeded: _prepared, Failed: _not_prepared, Unparked: parking.unparked,
    },
    Phase.DRAINING: {
        **_NO_EFFECT, **_UNDRAIN, Tripped: protection.trip,
        Succeeded: _drained, Failed: _not_drained, Bound: _bound, Noted: _noted,
        Unparked: parking.unparked,
    },
    Phase.STOPPING: {
        **_NO_EFFECT, **_REMEMBER, Tripped: protection.trip_while_emptying,
        Succeeded: _stopped, Parked: parking.parked, Failed: _not_stopped, Noted: _noted,
    },
    Phase.VACATING: {
        **_NO_EFFECT, **_REMEMBER, Tripped: protection.trip_while_emptying,
        Succeeded: _vacated, Failed: _not_vacated,
    },
    Phase.TUNING: {
        **_NO_EFFECT, **_REMEMBER, Tripped: protection.trip_before_start,
        Succeeded: _tuned, Failed: _not_begun,
    },
    Phase.STARTING: {
        **_NO_EFFECT, **_REMEMBER, Tripped: protection.trip,
        Succeeded: _started, Failed: _not_proven,
    },
    Phase.PROBING: {
        **_NO_EFFECT, **_REMEMBER, Tripped: protection.trip, Locked: _taken,
        Succeeded: _proven, Failed: _not_proven, Unparked: parking.unparked,
    },
    Phase.FAILED: {
        **_NO_EFFECT, **_REMEMBER, Tripped: _ignore, Assigned: words.leave_failed,
    },
}  # fmt: skip
"""Every phase answers every event. The road above runs down the `Succeeded` rows."""


def _restart_delay_step(state: State) -> int:
    """How far the back-off has grown: only a restart waits, never an ordered switch."""
    return state.restarts if state.target is not None and state.target == state.previous else 0


_EFFECTS: dict[Phase, Callable[[State], Effect]] = {
    Phase.PREPARING: lambda s: Prepare(s.ticket, s.target or ""),
    Phase.DRAINING: lambda s: Drain(s.ticket, s.active or "", not lock.breaks(s, s.active)),
    Phase.STOPPING: lambda s: Stop(s.ticket, bool(s.tripped), s.parked, parking.wakes(s)),
    Phase.VACATING: lambda s: Vacate(s.ticket, _restart_delay_step(s), s.parked),
    Phase.TUNING: lambda s: Tune(s.ticket, s.target or ""),
    Phase.STARTING: lambda s: Start(s.ticket, s.target or "", s.parked),
    Phase.PROBING: lambda s: Probe(s.ticket, s.target or ""),
    Phase.RUNNING: lambda s: Watch(s.ticket, s.active or "", s.derate),
}


def _late(state: State, event: Event) -> bool:
    """An answer to an effect of an earlier phase: too late to mean anything."""
    return isinstance(event, Answer) and event.ticket != state.ticket
