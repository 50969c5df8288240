"""L0: every situation that the real `step` and resume map can get into, within bounded misfortune.

The world beside the machine is as small as it can be: the set of workloads that are alive on the
group's GPUs. Misfortune is budgeted: so many assignments, faults, crashes, spontaneous exits,
safety trips, lapses. Everything within the budgets is tried, from every situation.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from agent.core import lock, machine, recovery, road
from agent.core.model import (
    Assigned,
    Bound,
    Derated,
    Desired,
    Drain,
    Erred,
    Event,
    Exited,
    Failed,
    Faulted,
    Freed,
    HeldOut,
    Lapsed,
    Lock,
    Locked,
    Offline,
    Prepare,
    Probe,
    Renewed,
    Rules,
    Start,
    State,
    Stop,
    Succeeded,
    Tripped,
    Vacate,
    Watch,
)
from wire.model import Phase, Result

SETTLE_STEPS_MAX = 20
"""Without further misfortune a group rests after at most this many steps."""

DERATE_STEPS = (0, 1, 2)

DERATED = frozenset({Phase.RUNNING, Phase.PREPARING, Phase.DRAINING, Phase.STOPPING, Phase.FAILED})
"""Where a lowered power limit may still be on the GPUs: nothing starts under it."""
LEAVABLE = (Phase.RUNNING, Phase.PREPARING, Phase.DRAINING)
"""Before the point of no return."""

CHOICES: tuple[str | None, ...] = ("a", "b", None)


@dataclass(frozen=True, slots=True)
class Budget:
    """Misfortune that may still happen."""

    assignments: int
    faults: int
    crashes: int
    exits: int
    trips: int
    lapses: int
    derates: int = 0
    locks: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """The machine, the world beside it, and what may still go wrong."""

    state: State
    alive: frozenset[str]
    budget: Budget


class ViolationError(AssertionError):
    """A promise was broken."""


def _plain(state: State) -> State:
    """Without what does not decide: texts, times, the absolute ticket."""
    return replace(
        state,
        ticket=0,
        reason="x" if state.reason else "",
        tripped="x" if state.tripped else "",
        lock=None if state.lock is None else Lock(state.lock.workload, "x"),
        spent=(),
        desired=replace(state.desired, reason="", order_id=""),
        rejected=tuple(sorted((replace(r, reason="") for r in state.rejected), key=repr)),
        outcomes=tuple(replace(o, reason="", phase_s=(), order_id="") for o in state.outcomes),
    )


Answered = tuple[bool, frozenset[str], Event]
"""How an effect ends: whether by a fault, what is alive after it, and the event."""


def _answers(situation: Situation) -> Iterator[Answered]:
    """How the effect of this phase can end."""
    state, alive = situation.state, situation.alive
    ticket = state.ticket
    match machine.effect(state):
        case None | Watch():
            yield from _not_derated(state, alive)
        case Stop():
            yield False, frozenset(), Succeeded(ticket)
            yield True, alive, Failed(ticket, "it would not stop")
        case Vacate():
            if not alive:
                yield False, alive, Succeeded(ticket)
            yield bool(not alive), alive, Failed(ticket, "not empty")
        case Start(workload=name):
            if alive:
                raise ViolationError(f"{name} is started while {set(alive)} holds the GPUs")
            yield False, frozenset({name}), Succeeded(ticket)
            yield True, frozenset(), Failed(ticket, "did not start")
            yield True, frozenset({name}), Failed(ticket, "half started")
        case Probe(workload=name):
            if name in alive:
                yield False, alive, Succeeded(ticket)
            yield name in alive, alive, Failed(ticket, "not ready")
        case Drain(heeds_lock=True) if situation.budget.locks or state.lock is not None:
            yield False, alive, Succeeded(ticket)
            yield True, alive, Bound(ticket, "rented")
        case _:
            yield False, alive, Succeeded(ticket)
            yield True, alive, Failed(ticket, "fault")


def _not_derated(state: State, alive: frozenset[str]) -> Iterator[Answered]:
    if state.phase is Phase.RUNNING and state.derate:
        yield True, alive, Failed(state.ticket, "the power limit could not be lowered")


def _misfortunes(s: Situation, rules: Rules) -> Iterator[Situation]:
    """Everything that can happen to a group besides its own effects."""
    b = s.budget
    if b.assignments:
        left = replace(b, assignments=b.assignments - 1)
        generation = s.state.desired.generation + 1
        for desired in _assignable(generation, leases=b.lapses > 0, locks=b.locks > 0):
            yield _moved(s, Assigned(desired), rules, budget=left)
    if b.exits and s.alive:
        yield from _exits(s, rules)
    yield from _dangers(s, rules)
    if b.lapses:
        event = Renewed() if s.state.lapsed else Lapsed()
        yield _moved(s, event, rules, budget=replace(b, lapses=b.lapses - 1))
    if b.locks:
        yield from _locks(s, rules, replace(b, locks=b.locks - 1))
    if b.crashes:
        left = replace(b, crashes=b.crashes - 1)
        for alive in {s.alive, *(after for _, after, _ in _answers(s))}:
            yield replace(s, state=recovery.resume(s.state, alive, rules), alive=alive, budget=left)


def _dangers(s: Situation, rules: Rules) -> Iterator[Situation]:
    """What safety demands."""
    b = s.budget
    if b.trips:
        yield _moved(s, Tripped("hot"), rules, budget=replace(b, trips=b.trips - 1))
    if b.derates:
        left = replace(b, derates=b.derates - 1)
        for step in DERATE_STEPS:
            yield _moved(s, Derated(step, "hot"), rules, budget=left)


def _exits(s: Situation, rules: Rules) -> Iterator[Situation]:
    """What runs ends by itself, or is thrown out by its GPU."""
    left = replace(s.budget, exits=s.budget.exits - 1)
    if s.state.phase is Phase.RUNNING:
        gone = Exited(s.state.ticket, "crashed")
        yield _moved(s, gone, rules, alive=frozenset(), budget=left)
        yield _moved(s, Faulted("XID 31"), rules, budget=left)
    else:
        yield replace(s, alive=frozenset(), budget=left)


def _locks(s: Situation, rules: Rules, left: Budget) -> Iterator[Situation]:
    for workload in s.alive:
        yield _moved(s, Locked(workload, "rented"), rules, budget=left)
    if s.state.lock is not None:
        yield _moved(s, Freed(s.state.lock.workload), rules, budget=left)


def _assignable(generation: int, *, leases: bool, locks: bool) -> Iterator[Desired]:
    yield Desired(generation=generation, workload="unlisted")
    for workload in CHOICES:
        yield Desired(generation=generation, workload=workload)
        if leases and workload == "a":
            yield Desired(generation=generation, workload=workload, committed=True)
        if locks:
            yield Desired(generation=generation, workload=workload, breaks_lock=True)


def _moved(s: Situation, event: Event, rules: Rules, **changes: object) -> Situation:
    return replace(s, state=machine.step(s.state, event, rules), **changes)  # type: ignore[arg-type]


def _successors(s: Situation, rules: Rules) -> Iterator[Situation]:
    for fault, alive, event in _answers(s):
        if fault and not s.budget.faults:
            continue
        budget = replace(s.budget, faults=s.budget.faults - fault)
        yield _moved(s, event, rules, alive=alive, budget=budget)
    if s.state.phase is Phase.RUNNING:
        yield _moved(s, HeldOut(s.state.ticket), rules)
        if s.budget.faults and s.alive:
            left = replace(s.budget, faults=s.budget.faults - 1)
            yield _moved(s, Erred(s.state.ticket, "the answer is wrong"), rules, budget=left)
    yield from _misfortunes(s, rules)


def _check(before: Situation, after: Situation) -> None:
    """Promises that hold on every single step."""
    if len(after.alive) > 1:
        raise ViolationError(f"two workloads at once: {set(after.alive)}")
    if after.state.desired.generation < before.state.desired.generation:
        raise ViolationError("the generation fell")
    ended = Counter(outcome.generation for outcome in after.state.outcomes)
    if any(count > 1 for count in ended.values()):
        raise ViolationError(f"an assignment ended twice: {after.state.outcomes}")
    leaves = before.state.phase in LEAVABLE and after.state.phase is Phase.STOPPING
    kept = lock.keeper(after.state)
    if leaves and not after.state.tripped and kept == before.state.active is not None:
        raise ViolationError(f"{kept} is stopped although it is locked")
    if after.state.tripped and machine.effect(after.state).__class__ in (Start, Probe, Prepare):
        raise ViolationError("something is started after safety stopped the group")
    if after.state.derate is not None and after.state.phase not in DERATED:
        raise ViolationError(f"derated by {after.state.derate} in {after.state.phase}")


def _settle(s: Situation, rules: Rules) -> Situation:
    """Let everything go well from here on."""
    for _ in range(SETTLE_STEPS_MAX):
        answer = next(((alive, e) for fault, alive, e in _answers(s) if not fault), None)
        if answer is None and s.state.phase is Phase.RUNNING and not s.alive:
            answer = s.alive, Exited(s.state.ticket, "crashed")
        if answer is None:
            return s
        s = _moved(s, answer[1], rules, alive=answer[0])
    raise ViolationError(f"not at rest after {SETTLE_STEPS_MAX} steps: {s}")


def _check_rest(s: Situation, rules: Rules) -> None:
    """Promises that hold once nothing more goes wrong."""
    state = s.state
    want = road.wanted(state, rules)
    if not state.phase.stable:
        raise ViolationError(f"rests in {state.phase}")
    if state.phase is Phase.RUNNING and not (s.alive == {want} == {state.active}):
        raise ViolationError(f"runs {set(s.alive)}, should run {want}")
    if state.phase is Phase.IDLE and (s.alive or want):
        raise ViolationError(f"stands still, should run {want}; alive {set(s.alive)}")
    if state.phase is Phase.FAILED and not state.reason:
        raise ViolationError("failed without a reason")
    ended = {outcome.generation for outcome in state.outcomes}
    if ended != set(range(1, state.desired.generation + 1)) and not (
        state.ended is None and _overruled(state, rules)
    ):
        raise ViolationError(f"generations {state.desired.generation}, ended only {ended}")


def _overruled(state: State, rules: Rules) -> bool:
    """Offline policy and locks may keep an assignment open: it ends when they do."""
    if lock.keeper(state) not in (None, state.desired.workload):
        return True
    return state.lapsed and rules.offline is not Offline.KEEP and not state.desired.committed


def search(rules: Rules, budget: Budget) -> tuple[int, int]:
    """Walk everything; the number of situations and of transitions."""
    start = Situation(State(), frozenset(), budget)
    seen, queue, transitions = {start}, deque([start]), 0
    rested: set[tuple[State, frozenset[str]]] = set()
    while queue:
        situation = queue.popleft()
        # How a group comes to rest does not depend on what could still have gone wrong.
        if (situation.state, situation.alive) not in rested:
            rested.add((situation.state, situation.alive))
            _check_rest(_settle(situation, rules), rules)
        for after in _successors(situation, rules):
            transitions += 1
            _check(situation, after)
            plain = replace(after, state=_plain(after.state))
            if plain not in seen:
                seen.add(plain)
                queue.append(plain)
    return len(seen), transitions


CASES = {
    "orders and faults": (
        Offline.KEEP,
        Budget(assignments=3, faults=2, crashes=1, exits=0, trips=0, lapses=0),
    ),
    "crashes and exits": (
        Offline.KEEP,
        Budget(assignments=2, faults=1, crashes=2, exits=2, trips=0, lapses=0),
    ),
    "safety": (
        Offline.KEEP,
        Budget(assignments=2, faults=1, crashes=1, exits=1, trips=1, lapses=0),
    ),
    "derating": (
        Offline.KEEP,
        Budget(assignments=2, faults=1, crashes=1, exits=0, trips=1, lapses=0, derates=2),
    ),
    "leases, keep": (
        Offline.KEEP,
        Budget(assignments=2, faults=1, crashes=1, exits=1, trips=0, lapses=2),
    ),
    "leases, idle": (
        Offline.IDLE,
        Budget(assignments=2, faults=1, crashes=0, exits=0, trips=1, lapses=2),
    ),
    "locks and derating": (
        Offline.KEEP,
        Budget(assignments=2, faults=1, crashes=1, exits=0, trips=0, lapses=0, locks=2, derates=1),
    ),
    "locks and all of safety": (
        Offline.KEEP,
        Budget(assignments=1, faults=1, crashes=1, exits=1, trips=1, lapses=0, locks=2, derates=1),
    ),
    "locks and leases": (
        Offline.SAFE,
        Budget(assignments=2, faults=0, crashes=0, exits=1, trips=1, lapses=1, locks=2),
    ),
    "leases, safe workload": (
        Offline.SAFE,
        Budget(assignments=2, faults=0, crashes=1, exits=1, trips=0, lapses=2),
    ),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("case", CASES)
def test_no_misfortune_breaks_a_promise(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    offline, budget = CASES[case]
    rules = Rules(allowed=frozenset({"a", "b"}), offline=offline, safe_workload="b", restarts_max=1)
    situations, transitions = search(rules, budget)
    with capsys.disabled():
        print(f"\n{case}: {situations:,} situations, {transitions:,} transitions")
    assert situations > 1_000


def test_every_phase_answers_every_event() -> None:
    events = set(Event.__args__)
    for phase in Phase:
        assert set(machine.TABLE[phase]) == events, phase


def test_results_of_assignments_are_reached() -> None:
    """The search would be worth little if it never saw one of the ends."""
    rules = Rules(allowed=frozenset({"a", "b"}), restarts_max=1)
    budget = Budget(assignments=2, faults=2, crashes=0, exits=0, trips=0, lapses=0)
    start = Situation(State(), frozenset(), budget)
    seen, queue, results = {start}, deque([start]), set()
    while queue:
        for after in _successors(queue.popleft(), rules):
            results |= {outcome.result for outcome in after.state.outcomes}
            plain = replace(after, state=_plain(after.state))
            if plain not in seen:
                seen.add(plain)
                queue.append(plain)
    assert results == set(Result)
