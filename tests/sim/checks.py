"""Checkers: small, independent, and asked at the very moment at which a promise could be broken.

Each is a pure function that says what is wrong, or nothing. `Witness` makes that a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from agent.core.model import Offline, Rules, State
from controller.core.model import Decision, GroupKey, GroupView, Hold, Quote
from controller.ports import StoredAssignment, StoredOutcome
from wire.model import Assignment, Outcome, Phase, Result


class ViolationError(AssertionError):
    """A promise was broken; the text says which."""


class Witness:
    """Remembers the first broken promise, even where the code under test survives any error."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.first: ViolationError | None = None
        self._now = now

    def __call__(self, problem: str) -> None:
        """Raise `ViolationError` unless there is no problem."""
        if not problem:
            return
        error = ViolationError(f"at {self._now():.3f} s: {problem}")
        self.first = self.first or error
        raise error


# On the rig.

VERB_PHASES: dict[str, Phase] = {
    "prepare": Phase.PREPARING,
    "drain": Phase.DRAINING,
    "stop": Phase.STOPPING,
    "start": Phase.STARTING,
    "probe": Phase.PROBING,
    "undrain": Phase.RUNNING,
}
"""Verbs that change or judge something, and the phase that must be durable before each."""


def journaled(verb: str, workload: str, durable: State | None) -> str:
    """No effect without a journal line that names it."""
    if durable is None or durable.phase is not VERB_PHASES[verb]:
        return f"{verb} {workload} while the journal says {durable and durable.phase}"
    named = durable.active if verb in ("drain", "undrain") else durable.target
    if verb != "stop" and named != workload:
        return f"{verb} {workload} while the journal names {named}"
    return ""


def exclusive(gpu: str, keys: Sequence[str]) -> str:
    """Never two workloads on one GPU."""
    return f"{' and '.join(keys)} on {gpu}" if len(keys) > 1 else ""


def empty_before_start(gpu: str, keys: Sequence[str], held_bytes: int, floor: int) -> str:
    """Nothing starts before the GPU was given back."""
    if keys or held_bytes > floor:
        return f"a start on {gpu}, held by {list(keys)}, {held_bytes} bytes"
    return ""


def tuned_before_start(gpu: str, shown: str, wanted: str) -> str:
    """Nothing starts under another workload's settings."""
    return "" if shown == wanted else f"a start on {gpu} tuned for {shown}, not for {wanted}"


def neutral_before_tuning(gpu: str, shown: str, neutral: str) -> str:
    """Settings are never laid on top of others."""
    return "" if shown == neutral else f"{gpu} is tuned while it still shows {shown}"


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
    """A group that is not being emptied knows of everything that runs on it."""
    if state.phase in (Phase.STOPPING, Phase.FAILED) or alive <= {state.active}:
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


def bounded(state: State, rules: Rules) -> str:
    """A workload that keeps exiting is given up."""
    if state.restarts > rules.restarts_max + 1:
        return f"restart {state.restarts} of {state.target}, allowed are {rules.restarts_max}"
    return ""


def remembered(loaded: State | None, durable: State | None, tried: State | None) -> str:
    """What a journal line was written for is there after any death."""
    if loaded in (durable, tried):
        return ""
    return f"the journal gives {loaded}, durable was {durable}"


def adopted(loaded: State | None, alive: frozenset[str], after: State) -> str:
    """A workload does not notice that its agent died."""
    if loaded is None or loaded.phase is not Phase.RUNNING or alive != {loaded.active}:
        return ""
    return "" if after.phase is Phase.RUNNING else f"{loaded.active} is disturbed: {after.phase}"


def judged(fault: str, *, refused: bool) -> str:
    """A rig obeys no frame that it must not believe, and refuses none that it may."""
    if fault and not refused:
        return f"a frame was believed although {fault}"
    if refused and not fault:
        return "a genuine frame was refused"
    return ""


def lapsed_in_time(state: State, overdue_s: float, grace_s: float) -> str:
    """A rig that nobody renews follows its own offline policy, soon."""
    if overdue_s > grace_s and not state.lapsed:
        return f"the lease ran out {overdue_s:.1f} s ago and still holds"
    return ""


def offline(state: State, rules: Rules) -> str:
    """While lapsed, what runs is what the rig's own file says."""
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


# At the controller.


def in_turn(newest: int | None, number: int) -> str:
    """No frame changes the picture of a rig after a newer one has."""
    if newest is not None and number <= newest:
        return f"letter {number} was news after letter {newest}"
    return ""


def believable(quotes: Mapping[str, Quote], bands: Mapping[str, tuple[float, float]]) -> str:
    """No price outside what its owner calls plausible."""
    for series, quote in quotes.items():
        low, high = bands[series]
        if quote.value is not None and not low <= quote.value <= high:
            return f"{series} at {quote.value:g} is believed"
    return ""


def current(quotes: Mapping[str, Quote], silent_s: float, stale_after_s: float) -> str:
    """No price that nobody has repeated for too long."""
    if silent_s > stale_after_s:
        for series, quote in quotes.items():
            if quote.value is not None:
                return f"{series} is believed {silent_s:.0f} s after it was last heard"
    return ""


def switching(view: GroupView) -> bool:
    """Whether the controller must take a group to be in a switch."""
    status = view.status
    if not view.online or status is None:
        return False
    return not status.phase.stable or status.generation < view.generation


def within_limit(
    views: Sequence[GroupView], decisions: Sequence[Decision], held: set[GroupKey], most: int
) -> str:
    """Groups that are sent off for money fit beside those already under way."""
    under_way = sum(switching(view) for view in views)
    runs = {view.key: view.status.active for view in views if view.status is not None}
    begun = [d.key for d in decisions if d.moves and d.chosen != runs.get(d.key)]
    begun = [key for key in begun if key not in held]
    if len(begun) > max(0, most - under_way):
        return f"{len(begun)} groups are sent off while {under_way} are under way; {most} may be"
    return ""


def movable(decision: Decision, view: GroupView, hold: Hold | None) -> str:
    """No price moves a group that is away, on its way already, or out of order."""
    if hold is not None or not decision.moves:
        return ""
    if not view.online or view.status is None:
        return f"{decision.key} is sent to {decision.chosen} while nobody hears of it"
    if switching(view) or view.status.phase is Phase.FAILED:
        return f"{decision.key} is sent to {decision.chosen} while it is {view.status.phase}"
    return ""


def obeyed(decision: Decision, hold: Hold | None, offered: Sequence[str]) -> str:
    """An operator's hold beats every price."""
    if hold is None or hold.workload not in (None, *offered) or decision.chosen == hold.workload:
        return ""
    return f"{decision.key} is held to {hold.workload} and sent to {decision.chosen}"


def not_again(workload: str | None, failed_s_ago: float | None, retry_s: float) -> str:
    """What failed on a group is not tried for its price before its time."""
    if failed_s_ago is not None and failed_s_ago < retry_s:
        return f"{workload} is tried again {failed_s_ago:.0f} s after it failed"
    return ""


def ends_alike(old: Outcome | None, new: Outcome) -> str:
    """An assignment ends in exactly one way."""
    if old is None or old.result is new.result:
        return ""
    return f"{new.group} generation {new.generation} ended {old.result} and {new.result}"


def says_why(outcome: Outcome) -> str:
    """What did not go as asked says why."""
    if outcome.reason or outcome.result is Result.DONE:
        return ""
    return f"{outcome.group} generation {outcome.generation} is {outcome.result} without a reason"


def unlisted_refused(outcome: Outcome, unlisted: str) -> str:
    """What is not on the rig's list is refused, whoever signed it."""
    if outcome.workload != unlisted or outcome.result is Result.REFUSED:
        return ""
    return f"an order for {unlisted} ended {outcome.result}"


# When everything has come to rest.


def ended_once(assigned: Mapping[GroupKey, StoredAssignment], ended: list[StoredOutcome]) -> str:
    """Every assignment of every group has ended, each in exactly one way."""
    seen: dict[GroupKey, list[int]] = {}
    for entry in ended:
        key = GroupKey(entry.rig, entry.outcome.group)
        seen.setdefault(key, []).append(entry.outcome.generation)
    for key, stored in assigned.items():
        generations = sorted(seen.get(key, []))
        if generations != list(range(1, stored.assignment.generation + 1)):
            return f"{key}: generation {stored.assignment.generation}, ended {generations}"
    return ""


def as_assigned(state: State, alive: Sequence[str], assigned: str | None) -> str:
    """A group at rest does what it was assigned, in truth and not only in its own eyes."""
    if not state.phase.stable or state.active != assigned or state.lapsed:
        return f"{state.phase} {state.active}, lapsed {state.lapsed}, assigned {assigned}"
    if list(alive) != ([] if assigned is None else [assigned]):
        return f"{list(alive)} run, assigned is {assigned}"
    return ""
