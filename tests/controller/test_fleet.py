"""The picture of the fleet: inventory, assignments, reports and experience together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from controller.core.model import GroupKey
from controller.core.options.experience import Experience, Route, travelled
from controller.fleet import GAP_MAX, Fleet
from controller.ports import StoreError
from controller.records import StoredAssignment
from tests.controller.control import Control, FullStore, hello, outcome, record, status, up
from tests.sim.clock import run
from wire import messages
from wire.model import Assignment, GroupStatus, Phase, Rejection, Result

KEY = GroupKey("rig-1", "g0")


def stored(generation: int, workload: str | None, key: GroupKey = KEY) -> StoredAssignment:
    assignment = Assignment(f"order-{generation}", key.group, generation, workload)
    return StoredAssignment(key=key, assignment=assignment, created_at=50.0, cause="plan")


def fleet(check: Callable[[Control], None], store: FullStore | None = None) -> None:
    """Check something of a controller that knows one rig."""

    async def scenario() -> None:
        control = Control(store)
        control.enrol("rig-1")
        check(control)

    run(scenario())


def hear(control: Control, at_s: float, *bodies: messages.UpBody, rig: str = "rig-1") -> None:
    for number, body in enumerate(bodies):
        control.sessions.accept(up(body, at_s + number / 10, rig=rig))


def test_a_rig_is_seen_once_it_has_said_what_it_offers() -> None:
    def check(control: Control) -> None:
        assert control.fleet.views() == ()
        hear(control, 1.0, messages.StateReport((status("etc", 0),)))
        assert control.fleet.views() == ()
        hear(control, 2.0, hello("g1", "g0"))
        assert [str(view.key) for view in control.fleet.views()] == ["rig-1/g0", "rig-1/g1"]
        view = control.view()
        assert (view.site, view.rig_class, view.online) == ("oslo", "a4000", True)
        assert view.status == status("etc", 0)
        assert control.view(group="g1").status is None

    fleet(check)


def test_an_assignment_is_durable_before_it_is_true() -> None:
    def check(control: Control) -> None:
        hear(control, 1.0, hello(), messages.StateReport((status(None, 0),)))
        control.store.refusal = "disk full"
        with pytest.raises(StoreError):
            control.fleet.assign([stored(1, "etc")])
        assert (control.fleet.assigned("rig-1"), control.view().generation) == ((), 0)
        control.store.refusal = ""
        control.fleet.assign([stored(1, "etc")])
        assert [a.workload for a in control.fleet.assigned("rig-1")] == ["etc"]
        assert (control.view().assigned, control.view().assigned_at) == ("etc", 50.0)
        assert control.fleet.unobserved("rig-1")
        hear(control, 2.0, messages.StateReport((status("etc", 1),)))
        assert not control.fleet.unobserved("rig-1")

    fleet(check)


def test_a_restarted_controller_remembers_what_it_assigned() -> None:
    store = FullStore()
    fleet(lambda control: control.fleet.assign([stored(4, "llama")]), store)

    def check(control: Control) -> None:
        hear(control, 1.0, hello())
        assert (control.view().generation, control.view().assigned) == (4, "llama")
        assert control.fleet.next_generation(KEY) == 5

    fleet(check, store)


@pytest.mark.parametrize(
    ("report", "taken_over"),
    [
        (status("etc", 7), "etc"),
        (status(None, 7), None),
        (status("etc", 7, phase=Phase.PREPARING, target="llama"), "llama"),
        (status(None, 7, phase=Phase.VACATING, target="llama"), "llama"),
        (status("etc", 7, phase=Phase.DRAINING, target=None), None),
        (status("etc", 7, phase=Phase.FAILED), "etc"),
    ],
)
def test_a_controller_that_lost_its_store_takes_over_what_it_finds(
    report: GroupStatus, taken_over: str | None
) -> None:
    def check(control: Control) -> None:
        hear(control, 1.0, hello(), messages.StateReport((report,)))
        assert (control.view().generation, control.view().assigned) == (7, taken_over)
        assert control.fleet.next_generation(KEY) == 8, "a generation is never used again"

    fleet(check)


def test_a_revoked_rig_is_forgotten() -> None:
    def check(control: Control) -> None:
        told = list[bool]()
        control.fleet.on_inventory = lambda: told.append(control.fleet.admitted("rig-1"))
        hear(control, 1.0, hello())
        control.store.put_rig(replace(record("rig-1"), revoked=True))
        control.fleet.refresh()
        assert control.fleet.views() == ()
        assert dict(control.sessions.all()) == {}
        assert told == [False]

    fleet(check)


def test_a_rig_that_nobody_enrolled_is_not_admitted() -> None:
    def check(control: Control) -> None:
        assert control.fleet.admitted("rig-1")
        assert not control.fleet.admitted("stranger")

    fleet(check)


def test_a_silent_rig_is_offline_but_keeps_its_assignments() -> None:
    async def scenario() -> None:
        control = Control()
        control.enrol("rig-1")
        hear(control, 1.0, hello())
        control.fleet.assign([stored(1, "etc")])
        await asyncio.sleep(control.settings.offline_after_s - 1.0)
        assert control.fleet.online("rig-1")
        await asyncio.sleep(2.0)
        assert not control.view().online
        assert control.view().assigned == "etc"

    run(scenario())


def test_what_of_a_report_matters_to_a_plan() -> None:
    def check(control: Control) -> None:
        def moment(report: GroupStatus, at_s: float) -> object:
            hear(control, at_s, messages.StateReport((report,)))
            return control.fleet.moment("rig-1")

        assert control.fleet.moment("rig-1") == ()
        resting = moment(status("etc", 1), 1.0)
        assert moment(status("etc", 1), 2.0) == resting
        switching = moment(status("etc", 2, phase=Phase.PREPARING, target="llama"), 3.0)
        assert switching != resting
        assert moment(status(None, 2, phase=Phase.VACATING, target="llama"), 4.0) == switching
        assert moment(status("llama", 2), 5.0) != switching

    fleet(check)


def test_the_progress_of_a_switch_that_was_ordered_changes_no_plan() -> None:
    def check(control: Control) -> None:
        def moment(report: GroupStatus, at_s: float) -> object:
            hear(control, at_s, messages.StateReport((report,)))
            return control.fleet.moment("rig-1")

        hear(control, 1.0, hello())
        control.fleet.assign([stored(2, "llama")])
        ordered = moment(status("etc", 1), 2.0)
        assert moment(status("etc", 2, phase=Phase.PREPARING, target="llama"), 3.0) == ordered
        assert moment(status("llama", 2), 4.0) != ordered
        failed = replace(
            status("etc", 2, phase=Phase.PREPARING), rejected=(Rejection("llama", "no image"),)
        )
        assert moment(failed, 5.0) != ordered

    fleet(check)


def test_a_rig_that_comes_back_matters_to_a_plan_and_one_that_repeats_its_hello_does_not() -> None:
    async def scenario() -> None:
        control = Control()
        control.enrol("rig-1")
        hear(control, 1.0, hello())
        there = control.fleet.moment("rig-1")
        hear(control, 2.0, hello())
        assert control.fleet.moment("rig-1") == there
        await asyncio.sleep(control.settings.offline_after_s + 1.0)
        away = control.fleet.moment("rig-1")
        assert away != there
        hear(control, 3.0, hello())
        assert control.fleet.moment("rig-1") == there
        hear(control, 4.0, hello("g0", "g1"))
        assert control.fleet.moment("rig-1") != there

    run(scenario())


# Outcomes.


def test_outcomes_are_news_once() -> None:
    def check(control: Control) -> None:
        assert [e.outcome.generation for e in control.fleet.learn("rig-1", [outcome(1)])] == [1]
        assert control.fleet.learn("rig-1", [outcome(1)]) == []

    fleet(check)


def test_assignments_that_never_reached_the_rig_end_superseded() -> None:
    def check(control: Control) -> None:
        control.fleet.learn("rig-1", [outcome(2)])
        news = control.fleet.learn("rig-1", [outcome(6), outcome(4)])
        assert [(e.outcome.generation, e.outcome.result) for e in news] == [
            (3, Result.SUPERSEDED),
            (5, Result.SUPERSEDED),
            (6, Result.DONE),
            (4, Result.DONE),
        ]
        first = {e.outcome.generation for e in control.store.outcomes(limit=99)}
        assert first == {1, 2, 3, 4, 5, 6}, "each exactly once, from the first on"

    fleet(check)


def test_a_rig_cannot_make_the_controller_invent_outcomes_without_end() -> None:
    def check(control: Control) -> None:
        news = control.fleet.learn("rig-1", [outcome(2**50)])
        assert len(news) == GAP_MAX

    fleet(check)


def test_a_store_that_refuses_leaves_nothing_learned() -> None:
    def check(control: Control) -> None:
        hear(control, 1.0, hello())
        control.store.refusal = "disk full"
        with pytest.raises(StoreError):
            control.fleet.learn("rig-1", [outcome(1, Result.ROLLED_BACK)])
        assert control.view().avoided == ()
        control.store.refusal = ""
        assert control.fleet.learn("rig-1", [outcome(1, Result.ROLLED_BACK)])

    fleet(check)


# Experience.


def test_a_failed_workload_is_avoided_for_a_while_and_longer_after_each_failure() -> None:
    async def scenario() -> None:
        control = Control()
        control.enrol("rig-1")
        hear(control, 1.0, hello())

        async def avoided_s() -> int:
            seconds = 0
            while control.view().avoided:
                assert control.view().avoided[0].reason == "why not"
                await asyncio.sleep(1.0)
                seconds += 1
            return seconds

        for generation, expected_s in ((1, 100), (2, 200), (3, 350), (4, 350)):
            control.fleet.learn("rig-1", [outcome(generation, Result.ROLLED_BACK)])
            assert await avoided_s() == pytest.approx(expected_s, abs=1.0)
        control.fleet.learn("rig-1", [outcome(5, Result.DONE)])
        control.fleet.learn("rig-1", [outcome(6, Result.REFUSED)])
        assert await avoided_s() == pytest.approx(100, abs=1.0), "who has worked begins anew"

    run(scenario())


def test_what_kept_exiting_after_it_was_proven_is_avoided_too() -> None:
    async def scenario() -> None:
        control = Control()
        control.enrol("rig-1")
        gave_up = replace(status(None, 1), rejected=(Rejection("etc", "etc exited 6 times"),))
        hear(control, 1.0, hello(), messages.StateReport((gave_up,)))
        for _ in range(3):
            control.fleet.notice("rig-1")
        assert [avoided.reason for avoided in control.view().avoided] == ["etc exited 6 times"]
        await asyncio.sleep(control.settings.retry_failed_s)
        assert control.view().avoided == (), "said three times, but failed once"

    run(scenario())


def test_a_restarted_controller_still_avoids_what_failed() -> None:
    store = FullStore()

    def fail(control: Control) -> None:
        control.fleet.learn("rig-1", [outcome(1, Result.ROLLED_BACK)])

    fleet(fail, store)

    def check(control: Control) -> None:
        hear(control, 1.0, hello())
        assert [rejection.workload for rejection in control.view().avoided] == ["etc"]

    fleet(check, store)


@pytest.mark.parametrize("result", [Result.SUPERSEDED, Result.QUARANTINED])
def test_what_was_not_the_workloads_fault_is_not_held_against_it(result: Result) -> None:
    assert Experience().learned(outcome(1, result), 0.0) == Experience()


def test_typical_switch_seconds_leave_out_what_still_earned() -> None:
    taught = Experience().learned(outcome(1, took_s=10.0), 0.0)
    assert taught.switch_s == 10.0
    taught = taught.learned(outcome(2, took_s=20.0), 0.0)
    assert taught.switch_s == pytest.approx(13.0)
    assert taught.learned(outcome(3, workload=None, took_s=99.0), 0.0).switch_s == taught.switch_s


def test_each_route_has_its_own_seconds_and_no_single_switch_upsets_them() -> None:
    known: Mapping[Route, float] = {}
    for generation, (origin, target, took_s) in enumerate(
        [
            (None, "etc", 10.0),
            ("etc", "llama", 300.0),
            ("llama", None, 60.0),
            (None, "etc", 12.0),
            ("etc", "llama", 9000.0),
            ("etc", "etc", 1.0),
        ]
    ):
        ended = outcome(generation, workload=target, took_s=took_s)
        known = travelled(known, replace(ended, origin=origin))
    assert known == {
        (None, "etc"): pytest.approx(10.2),
        ("etc", "llama"): pytest.approx(330.0),
        ("llama", None): 60.0,
    }
    failed = replace(outcome(9, Result.ROLLED_BACK, took_s=500.0), origin="xmr")
    assert travelled(known, failed) == known


def test_what_one_group_of_a_class_took_is_known_of_all() -> None:
    def check(control: Control) -> None:
        hear(control, 1.0, hello("g0", "g1"))
        control.fleet.learn("rig-1", [replace(outcome(1, took_s=10.0), origin=None)])
        assert [view.route_s for view in control.fleet.views()] == [{(None, "etc"): 10.0}] * 2

    fleet(check)


def test_in_a_replay_a_switch_costs_as_much_price_time_as_passes_beside_it() -> None:
    def check(control: Control) -> None:
        hear(control, 1.0, hello())
        fast = Fleet(
            control.store,
            control.sessions,
            control.settings,
            now=control.now,
            seconds_per_second=1_200.0,
        )
        fast.learn("rig-1", [outcome(1, took_s=10.0)])
        assert fast.views()[0].switch_s == 12_000.0

    fleet(check)
