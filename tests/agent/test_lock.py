"""A lock keeps a group: whatever is offered, ordered or silent, short of safety and an operator."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import lock, machine, recovery
from agent.core.effects import Drain, Watch
from agent.core.model import (
    Assigned,
    Bound,
    Derated,
    Desired,
    Event,
    Exited,
    Failed,
    Faulted,
    Freed,
    Lapsed,
    Lock,
    Locked,
    Offline,
    Renewed,
    Tripped,
)
from tests.agent.scripts import Group, running, switching
from wire.model import Phase, Result

RENTED = Locked("etc", "1 GPU is rented")

ECONOMIC: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda generation, workload: Assigned(Desired(generation=generation, workload=workload)),
        st.integers(2, 30),
        st.sampled_from(["etc", "llama", "spare", "unlisted", None]),
    ),
    st.sampled_from([Lapsed(), Renewed(), Freed("llama"), Locked("llama", "of another")]),
)
"""All that a controller, its silence, or word of other workloads can bring."""


def rented(group: Group | None = None) -> Group:
    group = running("etc", group)
    group.feed(RENTED)
    return group


def breaking(group: Group, workload: str | None) -> Phase:
    generation = group.state.desired.generation + 1
    return group.feed(Assigned(Desired(generation=generation, workload=workload, breaks_lock=True)))


@given(st.lists(ECONOMIC, max_size=12), st.sampled_from(Offline))
def test_nothing_economic_moves_a_locked_group(words: list[Event], offline: Offline) -> None:
    group = rented(Group(offline=offline))
    for word in words:
        assert group.feed(word) is Phase.RUNNING
        assert group.state.active == "etc"
        assert group.state.lock == Lock("etc", "1 GPU is rented")


def test_the_newest_order_is_followed_when_the_lock_ends() -> None:
    group = rented()
    group.assign("llama")
    assert group.state.ended is None, "it is still to be carried out"
    assert group.feed(Freed("etc")) is Phase.PREPARING
    assert group.until(Phase.RUNNING).state.active == "llama"
    assert group.ended[-1].result is Result.DONE


def test_an_expired_lease_is_followed_when_the_lock_ends() -> None:
    group = rented(Group(offline=Offline.IDLE))
    group.feed(Lapsed())
    assert group.feed(Freed("etc")) is Phase.DRAINING


@pytest.mark.parametrize("phase", [Phase.PREPARING, Phase.DRAINING])
def test_a_lock_before_the_point_of_no_return_turns_the_group_back(phase: Phase) -> None:
    group = switching(phase)
    assert group.feed(RENTED) is Phase.RUNNING
    assert group.state.active == "etc"


def test_what_is_drained_but_perhaps_locked_is_kept() -> None:
    group = switching(Phase.DRAINING)
    effect = group.effect()
    assert isinstance(effect, Drain)
    assert effect.heeds_lock
    assert group.feed(Bound(group.state.ticket, "nobody answers")) is Phase.RUNNING
    assert group.state.lock == Lock("etc", "nobody answers")


def test_whoever_takes_it_proves_it() -> None:
    group = switching(Phase.PROBING)
    assert group.feed(Locked("llama", "taken at once")) is Phase.RUNNING
    assert (group.state.active, group.state.previous) == ("llama", "llama")


def test_a_lock_outlives_the_agent_and_is_not_ended_by_its_death() -> None:
    group = rented()
    group.state = recovery.resume(group.state, frozenset({"etc"}), group.rules)
    group.assign("llama")
    assert group.phase is Phase.RUNNING
    assert group.state.lock is not None


def test_a_locked_workload_that_exits_is_started_again_and_nothing_else() -> None:
    group = rented()
    group.feed(Exited(group.state.ticket, "crashed"))
    group.assign("llama")
    assert group.until(Phase.RUNNING).state.active == "etc"


def test_a_locked_workload_that_keeps_failing_leaves_the_group_standing_still() -> None:
    group = rented(Group(restarts_max=0))
    group.assign("llama")
    group.feed(Exited(group.state.ticket, "crashed"))
    assert group.until(Phase.IDLE).state.active is None
    assert group.feed(Freed("etc")) is Phase.PREPARING
    assert group.state.target == "llama"


def test_an_operator_who_says_so_leaves_it() -> None:
    group = rented()
    assert breaking(group, "llama") is Phase.PREPARING
    group.until(Phase.DRAINING)
    effect = group.effect()
    assert isinstance(effect, Drain)
    assert not effect.heeds_lock
    group.feed(RENTED)
    assert group.until(Phase.VACATING).state.lock is None, "nothing runs that could be locked"
    assert group.until(Phase.RUNNING).state.active == "llama"


def test_an_operator_can_still_overrule_while_it_drains() -> None:
    group = switching(Phase.DRAINING)
    breaking(group, "spare")
    assert group.feed(Bound(group.state.ticket, "rented")) is Phase.STOPPING


def test_word_to_keep_it_breaks_no_lock() -> None:
    group = running("etc", Group(offline=Offline.SAFE))
    breaking(group, "etc")
    group.feed(RENTED)
    assert group.feed(Lapsed()) is Phase.RUNNING


def test_safety_stops_what_is_locked() -> None:
    group = rented()
    assert group.feed(Tripped("GPU at 97 °C")) is Phase.STOPPING


def test_a_locked_group_that_is_derated_keeps_both() -> None:
    group = rented()
    assert group.feed(Derated(2, "GPU at 92 °C")) is Phase.RUNNING
    group.assign("llama")
    group.state = recovery.resume(group.state, frozenset({"etc"}), group.rules)
    assert (group.phase, group.state.active, group.state.derate) == (Phase.RUNNING, "etc", 2)
    assert group.state.lock == Lock("etc", RENTED.reason)
    assert group.effect() == Watch(group.state.ticket, "etc", 2)


def test_what_turns_back_because_it_is_locked_is_derated_as_before() -> None:
    group = running("etc")
    group.feed(Derated(1, "GPU at 92 °C"))
    group.assign("llama")
    group.until(Phase.DRAINING)
    assert group.feed(Bound(group.state.ticket, "rented")) is Phase.RUNNING
    assert group.effect() == Watch(group.state.ticket, "etc", 1)


def test_a_locked_group_that_cannot_be_derated_is_stopped() -> None:
    group = rented()
    group.feed(Derated(1, "GPU at 92 °C"))
    assert group.feed(Failed(group.state.ticket, "is at its lowest")) is Phase.STOPPING


def test_what_a_tenants_program_does_to_itself_ends_no_rental() -> None:
    group = rented()
    before = group.state
    assert group.feed(Faulted("XID 31")) is Phase.RUNNING
    assert group.state is before
    group.feed(Freed("etc"))
    assert group.feed(Faulted("XID 31")) is Phase.STOPPING


def test_a_failed_group_that_is_locked_is_not_emptied_for_another_workload() -> None:
    group = rented()
    group.feed(Tripped("GPU at 97 °C"))
    group.fails("still rented")
    assert group.assign("llama") is Phase.FAILED
    assert group.ended[-1].result is Result.QUARANTINED
    assert group.assign("etc") is Phase.STOPPING


def test_a_failed_group_is_left_when_an_operator_says_so() -> None:
    group = rented()
    group.feed(Tripped("GPU at 97 °C"))
    group.fails("still rented")
    assert breaking(group, None) is Phase.STOPPING


def test_a_lock_on_what_left_the_rigs_list_is_void() -> None:
    group = rented()
    rules = replace(group.rules, allowed=frozenset({"llama"}))
    resumed = recovery.resume(group.state, frozenset(), rules)
    assert resumed.lock is None


def test_the_same_word_twice_is_no_news() -> None:
    group = rented()
    before = group.state
    assert machine.step(before, RENTED, group.rules) is before
    assert lock.noted(before, Freed("llama")) is before
