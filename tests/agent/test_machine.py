"""What each row of the switch machine's table means, in small scripts."""

from __future__ import annotations

import pytest

from agent.core import machine
from agent.core.effects import Drain, Prepare, Probe, Start, Tune, Vacate, Watch
from agent.core.model import (
    OUTCOMES_MAX,
    Acknowledged,
    Assigned,
    Desired,
    Exited,
    Failed,
    HeldOut,
    Succeeded,
)
from tests.agent.scripts import ROAD, Group, running, switching
from wire.model import Phase, Result

BEFORE_STOPPING = ROAD[:2]
AFTER_DRAINING = ROAD[2:]


def results(group: Group) -> list[tuple[int, Result]]:
    return [(outcome.generation, outcome.result) for outcome in group.ended]


def test_the_road_from_standing_still_to_a_proven_workload() -> None:
    group = Group()
    assert group.assign("etc") is Phase.PREPARING
    assert group.effect() == Prepare(1, "etc")
    assert group.done() is Phase.VACATING, "nothing runs, so nothing is drained or stopped"
    assert group.effect() == Vacate(2, 0)
    assert group.done() is Phase.TUNING
    assert group.effect() == Tune(3, "etc")
    assert group.done() is Phase.STARTING
    assert group.state.active == "etc", "from here on it may hold the GPUs"
    assert group.effect() == Start(4, "etc")
    assert group.done() is Phase.PROBING
    assert group.effect() == Probe(5, "etc")
    assert group.done() is Phase.RUNNING
    assert group.effect() == Watch(6, "etc")
    assert group.state.previous == "etc"


def test_the_road_from_one_workload_to_another() -> None:
    group = running("etc")
    group.assign("llama")
    seen = [group.phase]
    while group.phase is not Phase.RUNNING:
        seen.append(group.done())
    assert seen == [*ROAD, Phase.RUNNING]
    assert (group.state.active, group.state.previous) == ("llama", "llama")
    assert results(group) == [(1, Result.DONE), (2, Result.DONE)]


def test_standing_still_by_order() -> None:
    group = running("etc")
    assert group.assign(None) is Phase.DRAINING, "there is nothing to prepare"
    assert group.effect() == Drain(group.state.ticket, "etc")
    group.until(Phase.IDLE)
    assert (group.state.active, group.state.target, group.state.previous) == (None, None, None)
    assert results(group)[-1] == (2, Result.DONE)


@pytest.mark.parametrize("phase", Phase)
def test_an_assignment_that_is_not_newer_changes_nothing(phase: Phase) -> None:
    group = _in(phase)
    before = group.state
    for generation in (0, before.desired.generation):
        group.feed(Assigned(Desired(generation=generation, workload="spare")))
    assert group.state is before


def test_an_assignment_to_what_runs_is_done_at_once() -> None:
    group = running("etc")
    ticket = group.state.ticket
    assert group.assign("etc") is Phase.RUNNING
    assert group.state.ticket == ticket, "the watch goes on undisturbed"
    assert results(group) == [(1, Result.DONE), (2, Result.DONE)]


# Newer words on the way.


def test_retarget_while_preparing() -> None:
    group = switching(Phase.PREPARING)
    assert group.assign("spare") is Phase.PREPARING
    assert group.effect() == Prepare(group.state.ticket, "spare")
    group.until(Phase.RUNNING)
    assert results(group) == [(1, Result.DONE), (2, Result.SUPERSEDED), (3, Result.DONE)]


def test_back_to_the_old_workload_while_preparing() -> None:
    group = switching(Phase.PREPARING)
    assert group.assign("etc") is Phase.RUNNING
    assert results(group)[1:] == [(2, Result.SUPERSEDED), (3, Result.DONE)]


def test_the_same_target_again_while_preparing_goes_on() -> None:
    group = switching(Phase.PREPARING)
    ticket = group.state.ticket
    assert group.assign("llama") is Phase.PREPARING
    assert group.state.ticket == ticket


def test_undrain() -> None:
    group = switching(Phase.DRAINING)
    assert group.assign("etc") is Phase.RUNNING
    assert group.effect() == Watch(group.state.ticket, "etc"), "which lets it take work again"


def test_another_target_while_draining_is_latched_and_prepared_after_it_is_empty() -> None:
    group = switching(Phase.DRAINING)
    assert group.assign("spare") is Phase.DRAINING
    group.until(Phase.VACATING)
    assert group.done() is Phase.PREPARING
    assert group.effect() == Prepare(group.state.ticket, "spare")
    group.until(Phase.RUNNING)
    assert group.state.active == "spare"


@pytest.mark.parametrize("phase", AFTER_DRAINING)
@pytest.mark.parametrize("word", ["spare", "etc", None])
def test_past_the_point_of_no_return_a_newer_word_is_latched(
    phase: Phase, word: str | None
) -> None:
    group = switching(phase)
    ticket = group.state.ticket
    assert group.assign(word) is phase
    assert group.state.ticket == ticket
    group.until(Phase.RUNNING if word else Phase.IDLE)
    assert group.state.active == word
    assert results(group)[-2:] == [(2, Result.SUPERSEDED), (3, Result.DONE)]


def test_a_latched_word_is_honoured_where_the_gpus_are_empty() -> None:
    group = switching(Phase.STOPPING)
    group.assign(None)
    assert group.done() is Phase.VACATING
    assert group.done() is Phase.IDLE


def test_a_latched_word_is_honoured_after_the_commit() -> None:
    group = switching(Phase.PROBING)
    group.assign("etc")
    assert group.done() is Phase.PREPARING
    assert (group.state.active, group.state.previous) == ("llama", "llama")


def test_late_answers_are_dropped() -> None:
    group = switching(Phase.STOPPING)
    before = group.state
    for late in (before.ticket - 1, before.ticket + 1, 0):
        for answer in (
            Succeeded(late),
            Failed(late, "late"),
            Exited(late, "late"),
            HeldOut(late),
        ):
            group.feed(answer)
    assert group.state is before


# Limits and the record.


def test_a_road_in_circles_is_given_up() -> None:
    group = Group(restarts_max=1_000, lines_max=40)
    running("etc", group)
    group.feed(Exited(group.state.ticket, "crash"))
    steps = 0
    while group.phase is not Phase.FAILED and steps < 100:
        steps += 1
        if group.phase is Phase.STARTING:
            group.fails()
        else:
            group.done()
    assert group.phase is Phase.FAILED
    assert group.state.reason.startswith("gave up after 40 steps of one switch")
    assert group.state.active is None, "it was stopped first"


def test_outcomes_are_kept_until_they_are_acknowledged() -> None:
    group = running("etc")
    group.assign("llama")
    group.until(Phase.RUNNING)
    group.feed(Acknowledged(1))
    assert results(group) == [(2, Result.DONE)]
    before = group.state
    group.feed(Acknowledged(1))
    assert group.state is before
    group.feed(Acknowledged(2))
    assert group.ended == []


def test_outcomes_are_bounded() -> None:
    group = Group()
    for _ in range(OUTCOMES_MAX + 5):
        group.assign(None)
    assert len(group.ended) == OUTCOMES_MAX
    assert group.ended[-1].generation == OUTCOMES_MAX + 5


def test_the_seconds_of_each_phase_are_recorded_from_the_assignment_on() -> None:
    group = running("etc")
    group.now_s = 1_000.0
    group.assign("llama")
    for _ in ROAD:
        group.now_s += 2.0
        group.done()
    assert group.phase is Phase.RUNNING
    assert group.ended[-1].phase_s == tuple((phase, 2.0) for phase in ROAD)
    assert (group.ended[-1].origin, group.ended[-1].workload) == ("etc", "llama")
    assert group.state.since_s == 1_000.0 + 2.0 * len(ROAD)


def test_a_clock_that_was_set_back_gives_no_negative_seconds() -> None:
    group = Group()
    group.now_s = 500.0
    group.assign("etc")
    group.now_s = 3.0
    group.until(Phase.RUNNING)
    assert min(seconds for _, seconds in group.ended[-1].phase_s) == 0.0


def test_the_ticket_grows_with_every_phase() -> None:
    group = running("etc")
    group.assign("llama")
    tickets = [group.state.ticket]
    while group.phase is not Phase.RUNNING:
        group.done()
        tickets.append(group.state.ticket)
    assert tickets == list(range(tickets[0], tickets[0] + len(tickets)))


def test_stable_phases_ask_for_nothing_but_a_watch() -> None:
    assert machine.effect(Group().state) is None
    assert machine.effect(_in(Phase.FAILED).state) is None
    assert isinstance(machine.effect(running("etc").state), Watch)


def _in(phase: Phase) -> Group:
    """A group that stands in this phase."""
    match phase:
        case Phase.IDLE:
            group = running("etc")
            group.assign(None)
            return group.until(Phase.IDLE)
        case Phase.RUNNING:
            return running("etc")
        case Phase.FAILED:
            group = switching(Phase.VACATING)
            group.fails()
            return group
    return switching(phase)
