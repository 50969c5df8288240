"""L0: every situation that the real `step` and resume map can get into, within bounded misfortune.

The world beside the machine is as small as it can be: who is awake on the group's GPUs, and who
sleeps there. Misfortune is budgeted: so many assignments, faults, crashes, spontaneous exits,
safety trips, lapses, sleepers that wake or die. Everything within the budgets is tried, from every
situation.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.core import lock, machine, recovery, road
from agent.core.effects import Prepare, Probe, Start
from agent.core.model import (
    Assigned,
    Derated,
    Desired,
    Erred,
    Event,
    Exited,
    Faulted,
    Freed,
    HeldOut,
    Lapsed,
    Lock,
    Locked,
    Offline,
    Renewed,
    Rules,
    State,
    Tripped,
)
from tests.agent import search_world
from tests.agent.search_world import NOBODY, Budget, Situation, ViolationError, World, answers
from wire.model import Phase, Result

SETTLE_STEPS_MAX = 20
"""Without further misfortune a group rests after at most this many steps."""

DERATE_STEPS = (0, 1, 2)

DERATED = frozenset({Phase.RUNNING, Phase.PREPARING, Phase.DRAINING, Phase.STOPPING, Phase.FAILED})
"""Where a lowered power limit may still be on the GPUs: nothing starts under it."""
EMPTIED = frozenset({Phase.STOPPING, Phase.FAILED})
"""Where anything may still be on the GPUs."""
LEAVABLE = (Phase.RUNNING, Phase.PREPARING, Phase.DRAINING)
"""Before the point of no return."""

CHOICES: tuple[str | None, ...] = ("a", "b", None)


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


def _misfortunes(s: Situation, rules: Rules) -> Iterator[Situation]:
    """Everything that can happen to a group besides its own effects."""
    b = s.budget
    if b.assignments:
        left = replace(b, assignments=b.assignments - 1)
        generation = s.state.desired.generation + 1
        for desired in _assignable(generation, leases=b.lapses > 0, locks=b.locks > 0):
            yield _moved(s, Assigned(desired), rules, budget=left)
    if b.naps:
        yield from search_world.naps(s, replace(b, naps=b.naps - 1))
    if b.exits and s.world.awake:
        yield from _exits(s, rules)
    yield from _dangers(s, rules)
    if b.lapses:
        event = Renewed() if s.state.lapsed else Lapsed()
        yield _moved(s, event, rules, budget=replace(b, lapses=b.lapses - 1))
    if b.locks:
        yield from _locks(s, rules, replace(b, locks=b.locks - 1))
    if b.crashes:
        left = replace(b, crashes=b.crashes - 1)
        for world in {s.world, *(after for _, after, _ in answers(s))}:
            yield from _resumed(replace(s, world=world, budget=left), rules)


def _resumed(s: Situation, rules: Rules) -> Iterator[Situation]:
    """The next agent asks the sleeper before anything else, and ends it if it does not sleep."""
    name = search_world.sleeper_of(s.state)
    sleeps = name is not None and name in s.world.asleep
    worlds = {s.world if sleeps or name is None else s.world.without(name): s.budget}
    if name in s.world.astray and s.budget.faults:
        worlds[s.world] = replace(s.budget, faults=s.budget.faults - 1)
    for world, left in worlds.items():
        state = recovery.resume(s.state, world.there, rules, sleeps=sleeps)
        yield Situation(state, world, left)


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
        yield _moved(s, gone, rules, world=replace(s.world, awake=NOBODY), budget=left)
        yield _moved(s, Faulted("XID 31"), rules, budget=left)
    else:
        yield replace(s, world=replace(s.world, awake=NOBODY), budget=left)


def _locks(s: Situation, rules: Rules, left: Budget) -> Iterator[Situation]:
    for workload in s.world.awake:
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
    for fault, world, event in answers(s):
        if fault and not s.budget.faults:
            continue
        budget = replace(s.budget, faults=s.budget.faults - fault)
        yield _moved(s, event, rules, world=world, budget=budget)
    if s.state.phase is Phase.RUNNING:
        yield _moved(s, HeldOut(s.state.ticket), rules)
        if s.budget.faults and s.world.awake:
            left = replace(s.budget, faults=s.budget.faults - 1)
            yield _moved(s, Erred(s.state.ticket, "the answer is wrong"), rules, budget=left)
    yield from _misfortunes(s, rules)


def _check(before: Situation, after: Situation) -> None:
    """Promises that hold on every single step."""
    world, state = after.world, after.state
    if len(world.awake) > 1 or len(world.asleep) > 1:
        raise ViolationError(f"two workloads at once: {world}")
    if state.phase not in EMPTIED and not world.there <= {state.active, state.parked}:
        raise ViolationError(f"{state.phase} knows of {state.active}, {state.parked}, not {world}")
    if state.parked is not None and state.phase in (Phase.IDLE, Phase.FAILED):
        raise ViolationError(f"{state.parked} sleeps in {state.phase}")
    if after.state.desired.generation < before.state.desired.generation:
        raise ViolationError("the generation fell")
    ended = Counter(outcome.generation for outcome in after.state.outcomes)
    if any(count > 1 for count in ended.values()):
        raise ViolationError(f"an assignment ended twice: {after.state.outcomes}")
    leaves = before.state.phase in LEAVABLE and after.state.phase is Phase.STOPPING
    kept = lock.keeper(after.state)
    # Two awake at once weighs more than any lock: what woke and cannot be ended stops all.
    stops = leaves and not after.state.tripped and not world.astray
    if stops and kept == before.state.active is not None:
        raise ViolationError(f"{kept} is stopped although it is locked")
    if after.state.tripped and machine.effect(after.state).__class__ in (Start, Probe, Prepare):
        raise ViolationError("something is started after safety stopped the group")
    if after.state.derate is not None and after.state.phase not in DERATED:
        raise ViolationError(f"derated by {after.state.derate} in {after.state.phase}")


def _settle(s: Situation, rules: Rules) -> Situation:
    """Let everything go well from here on."""
    for _ in range(SETTLE_STEPS_MAX):
        answer = next(((world, e) for fault, world, e in answers(s) if not fault), None)
        if answer is None and s.state.phase is Phase.RUNNING and not s.world.awake:
            answer = s.world, Exited(s.state.ticket, "crashed")
        if answer is None:
            return s
        s = _moved(s, answer[1], rules, world=answer[0])
    raise ViolationError(f"not at rest after {SETTLE_STEPS_MAX} steps: {s}")


def _check_rest(s: Situation, rules: Rules) -> None:
    """Promises that hold once nothing more goes wrong."""
    state = s.state
    want = road.wanted(state, rules)
    if not state.phase.stable:
        raise ViolationError(f"rests in {state.phase}")
    if state.phase is Phase.RUNNING and not (s.world.awake == {want} == {state.active}):
        raise ViolationError(f"runs {s.world}, should run {want}")
    if state.phase is Phase.RUNNING and not (s.world.asleep == _named(state.parked)):
        raise ViolationError(f"{s.world} beside a journal that says {state.parked} sleeps")
    if state.phase is not Phase.FAILED and s.world.astray:
        raise ViolationError(f"{s.world} goes on for ever")
    if state.phase is Phase.IDLE and (s.world.there or want):
        raise ViolationError(f"stands still, should run {want}; {s.world}")
    if state.phase is Phase.FAILED and not state.reason:
        raise ViolationError("failed without a reason")
    ended = {outcome.generation for outcome in state.outcomes}
    if ended != set(range(1, state.desired.generation + 1)) and not (
        state.ended is None and _overruled(state, rules)
    ):
        raise ViolationError(f"generations {state.desired.generation}, ended only {ended}")


def _named(name: str | None) -> frozenset[str]:
    return NOBODY if name is None else frozenset({name})


def _overruled(state: State, rules: Rules) -> bool:
    """Offline policy and locks may keep an assignment open: it ends when they do."""
    if lock.keeper(state) not in (None, state.desired.workload):
        return True
    return state.lapsed and rules.offline is not Offline.KEEP and not state.desired.committed


def search(rules: Rules, budget: Budget) -> tuple[int, int]:
    """Walk everything; the number of situations and of transitions."""
    start = Situation(State(), World(), budget)
    seen, queue, transitions = {start}, deque([start]), 0
    rested: set[tuple[State, World]] = set()
    while queue:
        situation = queue.popleft()
        # How a group comes to rest does not depend on what could still have gone wrong.
        if (situation.state, situation.world) not in rested:
            rested.add((situation.state, situation.world))
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
    "sleepers, orders and crashes": (
        Offline.KEEP,
        Budget(assignments=3, faults=1, crashes=1, exits=0, trips=0, lapses=0, naps=1),
    ),
    "sleepers, safety and exits": (
        Offline.KEEP,
        Budget(assignments=2, faults=2, crashes=1, exits=1, trips=1, lapses=0, naps=1),
    ),
    "sleepers, leases and locks": (
        Offline.IDLE,
        Budget(assignments=2, faults=1, crashes=1, exits=0, trips=0, lapses=1, locks=1, naps=2),
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
    rules = Rules(
        allowed=frozenset({"a", "b"}),
        offline=offline,
        safe_workload="b",
        restarts_max=1,
        sleeper="a" if budget.naps else None,
    )
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
    start = Situation(State(), World(), budget)
    seen, queue, results = {start}, deque([start]), set()
    while queue:
        for after in _successors(queue.popleft(), rules):
            results |= {outcome.result for outcome in after.state.outcomes}
            plain = replace(after, state=_plain(after.state))
            if plain not in seen:
                seen.add(plain)
                queue.append(plain)
    assert results == set(Result)
