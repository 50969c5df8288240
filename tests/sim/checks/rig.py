"""What must be true on a rig, at every line of its journal and at every verb of a driver."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from agent.core import recovery
from agent.core.model import Offline, Rules, State
from wire.model import Assignment, Phase, Result

VERB_PHASES: dict[str, Phase] = {
    "prepare": Phase.PREPARING,
    "drain": Phase.DRAINING,
    "stop": Phase.STOPPING,
    "start": Phase.STARTING,
    "probe": Phase.PROBING,
    "undrain": Phase.RUNNING,
    "sleep": Phase.STOPPING,
    "wake": Phase.STARTING,
}
"""Verbs that change or judge something, and the phase that must be durable before each."""


LEAVABLE = (Phase.RUNNING, Phase.PREPARING, Phase.DRAINING)
"""Before the point of no return."""


def journaled(verb: str, workload: str, durable: State | None) -> str:
    """No effect without a journal line that names it."""
    if durable is not None and _on_sleeper(verb, workload, durable):
        return ""
    if durable is None or durable.phase is not VERB_PHASES[verb]:
        return f"{verb} {workload} while the journal says {durable and durable.phase}"
    named = durable.active if verb in ("drain", "undrain") else durable.target
    if verb in ("sleep", "wake"):
        named = durable.parked if durable.parked == durable.active else None
    if verb != "stop" and named != workload:
        return f"{verb} {workload} while the journal names {named}"
    return ""


def _on_sleeper(verb: str, workload: str, durable: State) -> bool:
    """Who shall sleep beside another may be ended at any time; who wakes takes work again."""
    if workload != durable.parked:
        return False
    woken = durable.phase is Phase.STARTING and durable.active == workload
    return (verb == "stop" and workload != durable.active) or (verb == "undrain" and woken)


def finished(workload: str, *, drained: bool) -> str:
    """No server is put to sleep with requests in it."""
    return "" if drained else f"{workload} is put to sleep before its work was finished"


def alone(astray_s: float, grace_s: float, awake: Collection[str]) -> str:
    """Who wakes by itself beside a workload is ended, soon."""
    if astray_s > grace_s and len(awake) > 1:
        return f"{sorted(awake)} are awake together for {astray_s:.1f} s"
    return ""


def routed(workload: str, durable: State | None) -> str:
    """Requests are sent to nothing but what is proven."""
    if durable is None or durable.phase is not Phase.RUNNING or durable.active != workload:
        now = f"{durable.phase} {durable.active}" if durable is not None else "nothing"
        return f"{workload} gets requests while the journal says {now}"
    return ""


def unrouted(key: str, sends_to: Collection[str]) -> str:
    """What is started gets no requests before it is proven."""
    return f"{key} is started while it gets requests" if key in sends_to else ""


def exclusive(gpu: str, keys: Sequence[str]) -> str:
    """Never two workloads on one GPU."""
    return f"{' and '.join(keys)} on {gpu}" if len(keys) > 1 else ""


def empty_before_start(gpu: str, keys: Sequence[str], held_bytes: int, floor: int) -> str:
    """Nothing starts before the GPU was given back."""
    if keys or held_bytes > floor:
        return f"a start on {gpu}, held by {list(keys)}, {held_bytes} bytes"
    return ""


def tuned_before_start(gpu: str, shown: str, wanted: str, steps: int) -> str:
    """Nothing starts under another workload's settings, or its derating."""
    if steps:
        return f"a start on {gpu}, derated by {steps}"
    return "" if shown == wanted else f"a start on {gpu} tuned for {shown}, not for {wanted}"


def derated_rightly(gpu: str, shown: str, profile: str, step: int, durable: State | None) -> str:
    """Power limits are lowered under the profile that runs, by as much as the journal says."""
    if durable is None or durable.phase is not Phase.RUNNING or durable.derate != step:
        said = durable and (durable.phase, durable.derate)
        return f"{gpu} is derated by {step} while the journal says {said}"
    return "" if shown == profile else f"{gpu} is derated as {profile} while it shows {shown}"


def neutral_before_tuning(gpu: str, shown: str, wanted: str, neutral: str) -> str:
    """Settings are never laid on top of others; the same may be repeated."""
    return "" if shown in (neutral, wanted) else f"{gpu} is tuned while it still shows {shown}"


def held_through(workload: str, age_s: float | None, hold_s: float) -> str:
    """A workload counts as proven only after its proving time."""
    if age_s is not None and age_s < hold_s * (1 - 1e-9):
        return f"{workload} is called proven after {age_s:g} of {hold_s:g} s"
    return ""


def generation_grows(before: State | None, after: State) -> str:
    """Desired state never goes back."""
    if before is not None and after.desired.generation < before.desired.generation:
        return f"generation {before.desired.generation} → {after.desired.generation}"
    return ""


def ordered(state: State, known: Iterable[Assignment]) -> str:
    """A rig wants nothing but what its controller made durable."""
    desired = state.desired
    if not desired.generation:
        return ""
    for assignment in known:
        if (assignment.order_id, assignment.workload) == (desired.order_id, desired.workload):
            return ""
    return f"generation {desired.generation}, {desired.workload}, was never ordered"


def accounted(state: State, alive: frozenset[str]) -> str:
    """A group that is not being emptied knows of everything that runs or sleeps on it."""
    if state.phase in (Phase.STOPPING, Phase.FAILED) or alive <= {state.active, state.parked}:
        return ""
    return f"{sorted(alive)} run in {state.phase}, known is {state.active}"


def went_back(before: State | None, after: State) -> str:
    """What failed is followed by what worked before, if that has not failed too."""
    if before is None or after.ended is not Result.ROLLED_BACK or before.ended is after.ended:
        return ""
    failed = {rejection.workload for rejection in after.rejected}
    if after.phase is Phase.IDLE and before.previous not in {None, *failed} and not after.lapsed:
        return f"stands still after a failure, though {before.previous} worked before"
    return ""


def emptied(before: State | None, after: State, stoppable: frozenset[str]) -> str:
    """A group is given up only with what cannot be stopped."""
    entered = after.phase is Phase.FAILED and (before is None or before.phase is not after.phase)
    return f"given up while {sorted(stoppable)} could be stopped" if entered and stoppable else ""


def lock_kept(before: State | None, after: State, *, locked: bool) -> str:
    """Nothing that is locked is stopped by an economic order, whoever could be asked about it."""
    economic = not after.tripped and not after.desired.breaks_lock
    left = before is not None and before.phase in LEAVABLE and after.phase is Phase.STOPPING
    return f"{after.active} is stopped while it is locked" if left and economic and locked else ""


def lock_remembered(before: State | None, after: State, *, told: bool) -> str:
    """Silence ends no lock: while nobody tells, only the workload's own end does."""
    if before is None or before.lock is None or after.lock is not None or told:
        return ""
    return "" if after.active is None else f"{before.lock.workload} was freed by nobody's word"


def stop_stands(stopped: str, after: State) -> str:
    """A safety stop outlives the agent that made it, even one that could write nothing."""
    if not stopped or after.tripped or after.phase in (Phase.STOPPING, Phase.FAILED):
        return ""
    if after.phase is Phase.VACATING and after.active is None and after.target is None:
        return ""  # Stopped before there was room to write it.
    return f"{after.phase} after a safety stop and a restart: {stopped}"


def stays_tripped(before: State | None, after: State) -> str:
    """Only a new assignment undoes a safety stop."""
    if before is None or not before.tripped or after.tripped:
        return ""
    if after.desired.generation != before.desired.generation:
        return ""
    return f"{after.phase} goes on after a safety stop: {before.tripped}"


def renewed_rightly(before: State | None, after: State, overdue_s: float) -> str:
    """Nothing but a living lease ends the offline policy."""
    if before is None or not before.lapsed or after.lapsed or overdue_s <= 0.0:
        return ""
    if after.desired.generation != before.desired.generation:
        return ""
    return f"renewed although the lease ran out {overdue_s:.1f} s ago"


def seen_empty(looks: int, least: int) -> str:
    """GPUs are seen to be empty, each time, before anything is done for the next workload."""
    return "" if looks >= least else f"taken for empty after {looks} of {least} looks"


def concluded(state: State) -> str:
    """An assignment that has come to its end says so."""
    if state.ended is not None or not state.desired.generation:
        return ""
    if state.phase is Phase.FAILED:
        return f"generation {state.desired.generation} is still open in {state.phase}"
    return ""


def leaves_failed(before: State | None, after: State) -> str:
    """The only way out of FAILED begins with stopping."""
    if before is None or before.phase is not Phase.FAILED:
        return ""
    if after.phase in (Phase.FAILED, Phase.STOPPING):
        return ""
    return f"{after.phase} right after FAILED"


def bounded(state: State, rules: Rules) -> str:
    """A workload that keeps exiting is given up: the exit beyond its budget rejects it."""
    spent = rules.restarts_max + bool(state.rejected)
    if state.restarts > spent:
        return f"restart {state.restarts} of {state.target}, allowed are {rules.restarts_max}"
    return ""


def remembered(loaded: State | None, possible: Sequence[State | None]) -> str:
    """What a journal line was written for is there after any death."""
    if loaded in possible or (None in possible and _is_safe(loaded)):
        return ""
    return f"the journal gives {loaded}, not one of {possible}"


def believed(loaded: State | None, written: Iterable[State | None]) -> str:
    """After a disk has rotted a journal gives what was once written, or the safe state."""
    safe = loaded is None or _is_safe(loaded)
    return "" if safe or loaded in written else f"the journal gives {loaded}, never written"


def _is_safe(state: State | None) -> bool:
    return state is not None and replace(state, reason="") == recovery.unknown("")


def adopted(loaded: State | None, alive: frozenset[str], after: State) -> str:
    """A workload does not notice that its agent died."""
    if loaded is None or loaded.phase is not Phase.RUNNING or alive != {loaded.active}:
        return ""
    return "" if after.phase is Phase.RUNNING else f"{loaded.active} is disturbed: {after.phase}"


def lapsed_in_time(state: State, overdue_s: float, grace_s: float) -> str:
    """A rig that nobody renews follows its own offline policy, soon."""
    if overdue_s > grace_s and not state.lapsed:
        return f"the lease ran out {overdue_s:.1f} s ago and still holds"
    return ""


def offline(state: State, rules: Rules) -> str:
    """While lapsed, what runs is what the rig's own file says, or what is locked."""
    if state.lock is not None and state.lock.workload == state.active:
        return ""
    if not state.lapsed or state.phase is not Phase.RUNNING or rules.offline is Offline.KEEP:
        return ""
    if state.desired.committed:
        return ""
    if rules.offline is Offline.SAFE and any(
        r.workload == rules.safe_workload for r in state.rejected
    ):
        return ""
    safe = rules.safe_workload if rules.offline is Offline.SAFE else None
    return "" if state.active == safe else f"{state.active} runs without a lease, not {safe}"


def cooled(gpu: str, hot_s: float, phase: Phase, keys: Sequence[str], grace_s: float) -> str:
    """A GPU in danger is not worked, soon."""
    if hot_s > grace_s and keys and phase not in (Phase.STOPPING, Phase.FAILED):
        return f"{gpu} has been too hot for {hot_s:.0f} s, {list(keys)} on it, {phase}"
    return ""
