"""Where a group goes on after its agent died, from the journal and what is seen alive."""

from __future__ import annotations

import pytest

from agent.core import recovery
from agent.core.model import State, Tripped
from tests.agent.scripts import ROAD, Group, running, switching
from wire.model import Phase

NOBODY: frozenset[str] = frozenset()


def resumed(group: Group, *alive: str) -> State:
    return recovery.resume(group.state, frozenset(alive), group.rules, 50.0)


def test_a_new_group_stands_still() -> None:
    group = Group()
    assert resumed(group).phase is Phase.IDLE


def test_what_runs_as_the_journal_says_is_adopted_under_a_new_ticket() -> None:
    group = running("etc")
    after = resumed(group, "etc")
    assert (after.phase, after.active, after.restarts) == (Phase.RUNNING, "etc", 0)
    assert after.ticket > group.state.ticket, "no answer to the dead agent may count"
    assert after.outcomes == group.state.outcomes


def test_what_is_gone_is_as_if_it_had_exited() -> None:
    after = resumed(running("etc"))
    assert (after.phase, after.active, after.target) == (Phase.VACATING, None, "etc")
    assert after.restarts == 1


@pytest.mark.parametrize(
    ("phase", "alive", "then"),
    [
        (Phase.PREPARING, ("etc",), Phase.PREPARING),
        (Phase.PREPARING, (), Phase.PREPARING),
        (Phase.DRAINING, ("etc",), Phase.DRAINING),
        (Phase.DRAINING, (), Phase.STOPPING),
        (Phase.STOPPING, ("etc",), Phase.STOPPING),
        (Phase.STOPPING, (), Phase.STOPPING),
        (Phase.VACATING, (), Phase.VACATING),
        (Phase.TUNING, (), Phase.VACATING),
        (Phase.STARTING, ("llama",), Phase.STOPPING),
        (Phase.STARTING, (), Phase.STOPPING),
        (Phase.PROBING, ("llama",), Phase.PROBING),
        (Phase.PROBING, (), Phase.STOPPING),
    ],
)
def test_the_resume_map(phase: Phase, alive: tuple[str, ...], then: Phase) -> None:
    group = switching(phase)
    after = resumed(group, *alive)
    assert after.phase is then
    assert after.ticket > group.state.ticket
    assert after.desired == group.state.desired, "the assignment still holds"


@pytest.mark.parametrize("phase", [*ROAD, Phase.IDLE, Phase.RUNNING])
def test_what_the_journal_does_not_name_is_stopped(phase: Phase) -> None:
    group = Group() if phase is Phase.IDLE else running("etc")
    if phase in ROAD:
        group = switching(phase)
    after = resumed(group, "spare")
    assert after.phase is Phase.STOPPING
    assert "spare" in after.reason


def test_two_at_once_are_stopped() -> None:
    assert resumed(running("etc"), "etc", "llama").phase is Phase.STOPPING


def test_failed_stays_failed_whatever_is_alive() -> None:
    group = switching(Phase.STOPPING)
    group.fails()
    assert resumed(group, "etc") == recovery.resume(group.state, NOBODY, group.rules, 50.0)
    assert resumed(group, "etc").phase is Phase.FAILED


def test_a_safety_stop_is_not_forgotten_by_a_restart() -> None:
    group = running("etc")
    group.feed(Tripped("GPU at 97 °C"))
    group.state = resumed(group, "etc")
    assert group.phase is Phase.STOPPING
    assert group.until(Phase.FAILED).state.reason == "GPU at 97 °C"


def test_a_journal_that_cannot_be_believed_empties_the_gpus_and_starts_nothing() -> None:
    group = Group()
    group.state = recovery.unknown("g0.log cannot be believed")
    group.state = resumed(group, "llama")
    assert group.phase is Phase.STOPPING
    group.until(Phase.IDLE)
    assert group.state.active is None


def test_an_agent_that_dies_at_every_step_gives_up_at_last() -> None:
    group = switching(Phase.PREPARING)
    for _ in range(group.rules.lines_max + 1):
        group.state = resumed(group, "etc")
    assert group.state.tripped.startswith("gave up after")
    assert group.until(Phase.FAILED).state.active is None


def test_the_resumed_phase_is_dated_by_the_clock_of_now() -> None:
    assert resumed(running("etc"), "etc").since_s == 50.0
