"""The resume map: where a group goes on after its agent died, from the journal and what is seen.

Whatever cannot be explained leads to STOPPING: emptying the GPUs is always safe.
"""

from __future__ import annotations

from dataclasses import replace

from agent.core import machine, parking, road
from agent.core.model import Exited, Rules, State
from wire.model import Phase

STOPPING_NOW = frozenset({Phase.STOPPING, Phase.STARTING})
ONLY_ALIVE = frozenset({Phase.DRAINING, Phase.PROBING})
"""Gone on with if the workload still runs. A drained one may have been locked since."""
EMPTYING_NOW = frozenset({Phase.VACATING, Phase.TUNING})


def unknown(reason: str) -> State:
    """The state for a journal that cannot be believed."""
    return State(phase=Phase.STOPPING, reason=reason)


def is_unknown(state: State) -> bool:
    """Whether it stands for a journal that could not be believed."""
    return replace(state, reason="") == unknown("")


def resume(
    state: State,
    alive: frozenset[str],
    rules: Rules,
    now_s: float = 0.0,
    *,
    sleeps: bool = False,
) -> State:
    """The state to journal and perform first after a start.

    Args:
        state: The newest durable state.
        alive: Workloads of this group that run, as seen now; who sleeps is one of them.
        rules: The rig's own word on this group.
        now_s: Rig clock.
        sleeps: Whether the parked one has just proven that it sleeps.
    """
    if state.lock is not None and state.lock.workload not in rules.allowed:
        # Its owner took it off the rig's own list: nobody can be asked about it any more.
        state = replace(state, lock=None)
    if state.parked is not None and state.parked not in rules.allowed:
        # Nobody can look after it any more; where it is really gone, this does little harm.
        unlisted = f"{state.parked} slept here and is on the list no more"
        return replace(_stop(state, unlisted, rules), since_s=now_s)
    state, awake = _apart(state, alive, sleeps=sleeps)
    return replace(_resumed(state, awake, rules), since_s=now_s)


def _apart(state: State, alive: frozenset[str], *, sleeps: bool) -> tuple[State, frozenset[str]]:
    """Who sleeps beside is no survivor, and who is gone sleeps no more."""
    if state.parked is None or parking.wakes(state):
        return state, alive
    if state.parked not in alive:
        return replace(state, parked=None), alive
    return state, alive - {state.parked} if sleeps else alive


def _resumed(state: State, alive: frozenset[str], rules: Rules) -> State:
    if state.phase is Phase.FAILED:
        return state
    if not alive <= {state.active}:
        return _stop(state, f"found {', '.join(sorted(alive))} running after a restart", rules)
    if state.phase is Phase.RUNNING and not alive:
        gone = Exited(state.ticket, "it was gone when the agent started again")
        return machine.step(state, gone, rules)
    if state.phase in STOPPING_NOW or (state.phase in ONLY_ALIVE and not alive):
        return _stop(state, f"the agent restarted while {state.phase}", rules)
    if state.phase in EMPTYING_NOW:
        return road.enter(state, Phase.VACATING, state.reason, rules)
    if state.phase is Phase.IDLE:
        return state
    return road.enter(state, state.phase, state.reason, rules)


def _stop(state: State, reason: str, rules: Rules) -> State:
    # An unknown survivor counts as active until it has been stopped.
    return road.enter(state, Phase.STOPPING, reason, rules)
