"""What the switch machine does when things go wrong, in small scripts."""

from __future__ import annotations

import pytest

from agent.core.effects import Prepare, Probe, Start, Stop, Tune, Vacate, Watch
from agent.core.model import (
    Derated,
    Erred,
    Exited,
    Faulted,
    HeldOut,
    Lapsed,
    Noted,
    Offline,
    Renewed,
    Succeeded,
    Tripped,
)
from tests.agent.scripts import ROAD, Group, running, switching
from wire.model import Leg, Phase, Result

BEFORE_STOPPING = ROAD[:2]
AFTER_DRAINING = ROAD[2:]


def results(group: Group) -> list[tuple[int, Result]]:
    return [(outcome.generation, outcome.result) for outcome in group.ended]


# What fails.


def test_what_cannot_be_prepared_leaves_the_old_workload_running() -> None:
    group = switching(Phase.PREPARING)
    assert group.fails("port 8000 is taken") is Phase.RUNNING
    assert group.state.active == "etc"
    assert group.ended[-1].result is Result.ROLLED_BACK
    assert "port 8000 is taken" in group.ended[-1].reason


@pytest.mark.parametrize("phase", [Phase.TUNING, Phase.STARTING, Phase.PROBING])
def test_rollback_is_the_same_road_to_what_worked_before(phase: Phase) -> None:
    group = switching(phase)
    group.fails("no share in 900 s")
    assert group.state.leg is Leg.ROLLBACK
    group.until(Phase.RUNNING)
    assert (group.state.active, group.state.leg) == ("etc", Leg.ROLLBACK)
    assert group.ended[-1].result is Result.ROLLED_BACK
    assert group.ended[-1].reason == f"llama failed in {phase}: no share in 900 s"


def test_half_a_start_is_stopped_before_anything_else() -> None:
    group = switching(Phase.STARTING)
    assert group.fails() is Phase.STOPPING
    assert group.state.active == "llama", "something of it may run"
    assert group.effect() == Stop(group.state.ticket)


def test_when_the_way_back_fails_too_the_group_stands_still() -> None:
    group = switching(Phase.PROBING)
    group.fails()
    group.until(Phase.STARTING).fails()
    group.until(Phase.IDLE)
    assert {rejection.workload for rejection in group.state.rejected} == {"llama", "etc"}
    assert results(group)[-1] == (2, Result.ROLLED_BACK)


def test_after_standing_still_by_order_there_is_nothing_to_go_back_to() -> None:
    group = running("etc")
    group.assign(None)
    group.until(Phase.IDLE).assign("llama")
    group.until(Phase.STARTING).fails()
    assert group.until(Phase.IDLE).ended[-1].result is Result.ROLLED_BACK


def test_what_failed_is_rejected_for_one_generation() -> None:
    group = switching(Phase.PROBING)
    group.fails()
    group.until(Phase.RUNNING)
    group.feed(Lapsed())
    group.feed(Renewed())
    assert group.phase is Phase.RUNNING, "it is not tried again by itself"
    assert group.assign("llama") is Phase.PREPARING, "a new assignment is a new chance"
    assert group.state.rejected == ()


def test_what_the_rig_does_not_list_is_refused_and_nothing_moves() -> None:
    group = running("etc")
    assert group.assign("shell") is Phase.RUNNING
    assert group.state.active == "etc"
    assert group.ended[-1].result is Result.REFUSED
    assert group.ended[-1].reason == "shell is not on this rig's list for the group"


def test_what_the_rig_does_not_list_is_refused_on_the_way_too() -> None:
    group = switching(Phase.STARTING)
    group.assign("shell")
    assert results(group)[-2:] == [(2, Result.SUPERSEDED), (3, Result.REFUSED)]
    group.until(Phase.RUNNING)
    assert len(group.ended) == 3, "an assignment ends once"


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.VACATING])
def test_gpus_that_cannot_be_emptied_end_in_failed(phase: Phase) -> None:
    group = switching(phase)
    assert group.fails("pid 77 does not die") is Phase.FAILED
    assert group.effect() is None
    assert group.ended[-1].result is Result.QUARANTINED
    assert "pid 77 does not die" in group.state.reason


def test_failed_is_left_by_a_new_assignment_only_and_through_stopping() -> None:
    group = switching(Phase.VACATING)
    group.fails()
    for event in (Lapsed(), Renewed(), Tripped("hot"), Succeeded(group.state.ticket)):
        assert group.feed(event) is Phase.FAILED
    assert group.assign("llama") is Phase.STOPPING
    assert group.effect() == Stop(group.state.ticket)
    group.until(Phase.RUNNING)
    assert results(group)[-2:] == [(2, Result.QUARANTINED), (3, Result.DONE)]


def test_a_refused_assignment_does_not_lead_out_of_failed() -> None:
    group = switching(Phase.VACATING)
    group.fails()
    assert group.assign("shell") is Phase.FAILED
    assert group.ended[-1].result is Result.REFUSED
    assert group.assign("llama") is Phase.STOPPING, "one that is listed does"


# Restarts.


def test_a_workload_that_exits_is_restarted_once_its_gpus_are_empty() -> None:
    group = running("etc")
    assert group.feed(Exited(group.state.ticket, "exit code 3")) is Phase.VACATING
    assert group.state.active is None
    assert group.effect() == Vacate(group.state.ticket, 1), "after the first pause"
    assert group.done() is Phase.TUNING, "what ran needs no preparation"
    group.until(Phase.RUNNING)
    assert group.state.restarts == 1
    assert len(group.ended) == 1, "the assignment had ended long ago"


def test_restarts_have_a_budget_and_then_the_group_stands_still() -> None:
    group = switching(Phase.PREPARING, Group(restarts_max=2)).until(Phase.RUNNING)
    for restart in (1, 2):
        group.feed(Exited(group.state.ticket, "crash"))
        assert group.effect() == Vacate(group.state.ticket, restart)
        group.until(Phase.RUNNING)
    group.feed(Exited(group.state.ticket, "crash"))
    group.until(Phase.IDLE)
    assert group.state.rejected[0].reason == "llama exited more than 2 times, last: crash"


def test_a_restart_that_fails_counts_against_the_same_budget() -> None:
    group = running("etc", Group(restarts_max=2))
    group.feed(Exited(group.state.ticket, "crash"))
    assert group.until(Phase.STARTING).fails() is Phase.STOPPING
    assert group.state.restarts == 2
    group.until(Phase.PROBING).fails()
    group.until(Phase.IDLE)
    assert group.state.rejected[0].workload == "etc"


def test_who_holds_out_gets_the_restarts_back() -> None:
    group = running("etc")
    group.feed(Exited(group.state.ticket, "crash"))
    group.until(Phase.RUNNING)
    ticket = group.state.ticket
    assert group.feed(HeldOut(ticket)) is Phase.RUNNING
    assert (group.state.restarts, group.state.ticket) == (0, ticket)


def test_a_workload_that_errs_is_stopped_before_it_is_restarted() -> None:
    group = running("etc")
    assert group.feed(Erred(group.state.ticket, "the answer is wrong")) is Phase.STOPPING
    assert group.state.active == "etc", "it still holds the GPUs"
    assert group.state.reason == "etc erred (the answer is wrong); restart 1 of 2"
    assert group.done() is Phase.VACATING
    assert group.effect() == Vacate(group.state.ticket, 1), "after the first pause"
    assert group.until(Phase.RUNNING).state.active == "etc"


def test_erring_and_exiting_share_one_budget() -> None:
    group = switching(Phase.PREPARING, Group(restarts_max=1)).until(Phase.RUNNING)
    group.feed(Exited(group.state.ticket, "crash"))
    group.until(Phase.RUNNING).feed(Erred(group.state.ticket, "wrong"))
    group.until(Phase.IDLE)
    assert group.state.rejected[0].reason == "llama erred more than 1 times, last: wrong"


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.RUNNING])
def test_how_it_goes_is_told_and_moves_nothing(phase: Phase) -> None:
    group = running("etc") if phase is Phase.RUNNING else switching(phase)
    ticket, lines = group.state.ticket, group.state.lines
    assert group.feed(Noted(ticket, "the route stays open")) is phase
    assert (group.state.ticket, group.state.lines) == (ticket, lines)
    assert group.state.reason == "the route stays open"
    group.feed(Noted(ticket - 1, "too late"))
    assert group.state.reason == "the route stays open"


def test_an_ordered_switch_never_waits_for_a_restarts_pause() -> None:
    group = running("etc")
    group.feed(Exited(group.state.ticket, "crash"))
    group.until(Phase.RUNNING).assign("llama")
    group.until(Phase.VACATING)
    assert group.effect() == Vacate(group.state.ticket, 0)


# Safety.


@pytest.mark.parametrize("phase", [*ROAD, Phase.RUNNING])
def test_safety_stops_the_group_from_every_phase(phase: Phase) -> None:
    group = running("etc") if phase is Phase.RUNNING else switching(phase)
    group.feed(Tripped("GPU at 97 °C"))
    seen = [group.phase]
    while group.phase is not Phase.FAILED:
        assert not isinstance(group.effect(), Start | Prepare | Probe | Tune)
        seen.append(group.done())
    assert group.state.reason == "GPU at 97 °C"
    assert group.state.active is None
    assert group.ended[-1].result in (Result.QUARANTINED, Result.DONE)
    assert Phase.VACATING in seen


def test_safety_while_preparing_with_nothing_running_needs_no_stop() -> None:
    group = Group()
    group.assign("etc")
    assert group.feed(Tripped("hot")) is Phase.FAILED


def test_the_first_trip_is_the_reason() -> None:
    group = running("etc")
    group.feed(Tripped("first"))
    group.feed(Tripped("second"))
    assert group.until(Phase.FAILED).state.reason == "first"


@pytest.mark.parametrize("phase", [*ROAD, Phase.RUNNING])
def test_what_safety_stopped_is_not_what_worked_before(phase: Phase) -> None:
    group = running("etc") if phase is Phase.RUNNING else switching(phase)
    group.feed(Tripped("GPU at 97 °C"))
    group.until(Phase.FAILED)
    assert group.state.previous is None
    group.assign("llama")
    group.until(Phase.STARTING).fails()
    assert group.until(Phase.IDLE).state.active is None, "nothing that overheated is revived"


def test_where_nothing_runs_there_is_nothing_to_stop_but_nothing_starts() -> None:
    group = Group()
    assert group.feed(Tripped("GPU-0 is lost")) is Phase.FAILED
    assert group.effect() is None
    assert group.assign("etc") is Phase.STOPPING


# Derating and application faults.


def test_a_running_group_is_derated_and_goes_on() -> None:
    group = running("etc")
    group.now_s = 500.0
    assert group.feed(Derated(1, "GPU-0 at 91 °C")) is Phase.RUNNING
    assert group.effect() == Watch(group.state.ticket, "etc", 1)
    assert (group.state.reason, group.state.since_s) == ("GPU-0 at 91 °C", 0.0)
    before = group.state
    group.feed(Derated(1, "GPU-0 at 92 °C"))
    assert group.state is before, "the same step is no news"
    group.feed(Derated(0, "cool again"))
    assert group.effect() == Watch(group.state.ticket, "etc", 0)


def test_full_power_that_was_never_taken_need_not_be_given_back() -> None:
    group = running("etc")
    before = group.state
    group.feed(Derated(0, "cool"))
    assert group.state is before
    assert group.effect() == Watch(before.ticket, "etc", None)


def test_where_the_power_limit_cannot_be_lowered_the_group_is_stopped() -> None:
    group = running("etc")
    group.feed(Derated(1, "GPU-0 at 91 °C"))
    assert group.fails("no permission") is Phase.STOPPING
    assert group.state.tripped == "GPU-0 at 91 °C, but it could not be set: no permission"
    group.until(Phase.FAILED)


def test_full_power_that_cannot_be_given_back_stops_nothing() -> None:
    group = running("etc")
    group.feed(Derated(1, "hot"))
    group.feed(Derated(0, "cool again"))
    assert group.fails("no permission") is Phase.RUNNING


def test_a_derating_ends_with_the_workload_it_was_for() -> None:
    group = running("etc")
    group.feed(Derated(2, "hot"))
    group.assign("llama")
    assert group.until(Phase.STOPPING).state.derate == 2
    assert group.until(Phase.VACATING).state.derate is None
    assert group.until(Phase.RUNNING).effect() == Watch(group.state.ticket, "llama", None)


@pytest.mark.parametrize("phase", ROAD)
def test_only_what_runs_is_derated_or_restarted(phase: Phase) -> None:
    group = switching(phase)
    before = group.state
    group.feed(Derated(1, "hot"))
    group.feed(Faulted("XID 31"))
    assert group.state is before


def test_a_workload_that_its_gpu_threw_out_is_restarted_while_its_budget_lasts() -> None:
    group = running("etc")
    for restart in (1, 2):
        assert group.feed(Faulted("GPU-0: XID 31")) is Phase.STOPPING
        assert group.state.restarts == restart
        assert group.until(Phase.RUNNING).state.active == "etc"
    assert group.feed(Faulted("GPU-0: XID 31")) is Phase.STOPPING
    group.until(Phase.IDLE)
    assert group.state.rejected[0].workload == "etc"
    assert "XID 31" in group.state.rejected[0].reason


# Leases.


def test_a_lapse_keeps_what_was_assigned_when_so_told() -> None:
    group = running("etc", Group(offline=Offline.KEEP))
    assert group.feed(Lapsed()) is Phase.RUNNING
    assert group.state.lapsed


def test_a_lapse_stands_still_when_so_told_and_comes_back() -> None:
    group = running("etc", Group(offline=Offline.IDLE))
    assert group.feed(Lapsed()) is Phase.DRAINING
    group.until(Phase.IDLE)
    assert group.feed(Renewed()) is Phase.PREPARING
    assert group.until(Phase.RUNNING).state.active == "etc"
    assert len(group.ended) == 1


def test_a_lapse_runs_the_safe_workload_when_so_told() -> None:
    group = running("etc", Group(offline=Offline.SAFE))
    group.feed(Lapsed())
    assert group.until(Phase.RUNNING).state.active == "spare"


@pytest.mark.parametrize("offline", Offline)
def test_silence_never_ends_a_contract(offline: Offline) -> None:
    group = Group(offline=offline)
    group.assign("llama", committed=True)
    group.until(Phase.RUNNING)
    assert group.feed(Lapsed()) is Phase.RUNNING
    assert group.state.active == "llama"


def test_a_lapse_finishes_the_switch_under_way_first() -> None:
    group = switching(Phase.STARTING, Group(offline=Offline.IDLE))
    assert group.feed(Lapsed()) is Phase.STARTING
    group.done()
    assert group.done() is Phase.DRAINING, "the switch is finished, the policy follows"


def test_a_new_assignment_ends_a_lapse() -> None:
    group = running("etc", Group(offline=Offline.IDLE))
    group.feed(Lapsed())
    group.until(Phase.IDLE).assign("llama")
    assert not group.state.lapsed
    assert group.until(Phase.RUNNING).state.active == "llama"
