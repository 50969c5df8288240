"""Gather, plan, persist, send: and what it does not do while its store refuses."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from controller.core.measured import SAMPLES_MIN, Quantity
from controller.core.model import GroupKey
from controller.reconciler import INVENTORY_INTERVAL_S
from controller.sessions import WELCOME_GAP_S
from tests.controller.control import (
    EPOCH,
    PATIENCE_S,
    TICK_S,
    FullStore,
    Talker,
    hello,
    live,
    outcome,
    record,
    standing_by,
    status,
)
from tests.sim.clock import run
from wire import messages
from wire.figures import Figure, Measured
from wire.memory import MemoryNetwork
from wire.model import Outcome, Phase, Result


def test_the_plan_becomes_an_assignment_on_the_rig() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            await rig.listen(PATIENCE_S)
            assert rig.assigned() == [(1, "etc")]
            (kept,) = control.store.assignments()
            assert (kept.key, kept.cause, kept.created_at > EPOCH) == (
                GroupKey("rig-1", "g0"),
                "plan",
                True,
            )
            assert kept.assignment.reason == "it pays most"

    run(scenario())


def test_a_plan_that_changes_nothing_assigns_nothing() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1),)))
            await rig.listen(60.0)
            assert control.plans > 50
            assert control.view().generation == 1

    run(scenario())


def test_every_assignment_has_a_line_in_the_audit_all_in_one_go() -> None:
    class Counted(FullStore):
        writes: list[list[str]]

        def put_assignments(self, assignments, events=()):  # type: ignore[no-untyped-def]
            self.writes.append([event.subject for event in events])
            super().put_assignments(assignments, events)

    async def scenario() -> None:
        store = Counted()
        store.writes = []
        async with live(store) as control:
            rig = Talker(control.network)
            for group in ("g0", "g1", "g2"):
                control.want("etc", group=group)
            groups = ("g0", "g1", "g2")
            await rig.say(hello(*groups))
            assert store.writes == [], "nobody knows yet which generations the rig has seen"
            await rig.say(messages.StateReport(tuple(status(None, 0, group=g) for g in groups)))
            await rig.listen(PATIENCE_S)
            assert [len(keys) for keys in store.writes] == [3]
            lines = reversed(store.events(limit=9))
            assert [(line.actor, line.verb, line.subject, line.detail) for line in lines] == [
                ("plan", "assign etc", f"rig-1/g{number}", "it pays most") for number in range(3)
            ]

    run(scenario())


def test_a_report_that_changes_what_a_plan_sees_is_planned_for_at_once() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            await rig.listen(PATIENCE_S)
            before = control.plans
            await rig.say(messages.StateReport((status("etc", 0),)))
            await rig.say(messages.StateReport((status(None, 0, phase=Phase.FAILED),)))
            assert control.plans - before >= 1, "within tenths of a tick"
            assert TICK_S > 2 * 0.1

    run(scenario())


def test_an_agent_that_was_started_anew_is_told_at_once_and_plans_nothing_anew() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1),)))
            await rig.listen(TICK_S * 0.3)
            plans, orders = control.plans, len(rig.orders())
            rig.run_id = "run-2"
            await rig.say(hello())
            assert control.plans == plans, "what it offers and does is known"
            assert len(rig.orders()) == orders + 1
            assert rig.assigned() == [(1, "etc")]

    run(scenario())


def test_a_rig_whose_hello_was_lost_is_asked_for_it() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = Talker(control.network)
            for _ in range(3):
                await rig.say(messages.StateReport((status(None, 0),)))
            assert rig.welcomes() == 1, "not for every frame"
            await rig.listen(WELCOME_GAP_S)
            await rig.say(messages.StateReport((status(None, 0),)))
            assert rig.welcomes() == 2
            await rig.say(hello())
            await rig.listen(WELCOME_GAP_S)
            rig.run_id = "run-2"
            await rig.say(messages.StateReport((status(None, 0),)))
            assert rig.welcomes() == 3, "a new agent may offer something else"

    run(scenario())


def test_refusals_hurry_nobody() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1),)))
            before = len(rig.orders())
            for _ in range(30):
                await rig.say(messages.Refused("the frame is not signed by the controller"))
            assert len(rig.orders()) == before, "else a rig with another key would be a flood"
            assert control.sessions.counts.refusals == 30

    run(scenario())


# Outcomes.


def test_outcomes_are_stored_told_and_acknowledged() -> None:
    async def scenario() -> None:
        async with live() as control:
            told = list[Outcome]()
            control.reconciler.on_outcome = told.append
            rig = await standing_by(control)
            for _ in range(3):
                await rig.say(messages.Outcomes((outcome(2), outcome(1, Result.ROLLED_BACK))))
            assert rig.acks() == [{"g0": 2}] * 3, "repetitions are answered too"
            assert [entry.generation for entry in told] == [2, 1]
            audit = {(line.verb, line.subject) for line in control.store.events(limit=9)}
            assert audit == {("done", "rig-1/g0"), ("rolled_back", "rig-1/g0")}
            detail = control.store.events(limit=9)[0].detail
            assert detail == "off → etc, 510.0 s: why not"

    run(scenario())


def test_nothing_is_acknowledged_that_was_not_stored() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.store.refusal = "disk full"
            await rig.say(messages.Outcomes((outcome(1),)))
            control.store.refusal, control.store.audit_refusal = "", "disk full again"
            await rig.say(messages.Outcomes((outcome(1),)))
            assert rig.acks() == []
            control.store.audit_refusal = ""
            await rig.say(messages.Outcomes((outcome(1),)))
            assert rig.acks() == [{"g0": 1}]

    run(scenario())


# The store refuses.


def test_while_the_store_refuses_nothing_is_assigned_but_leases_are_renewed() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1),)))
            control.store.refusal = "disk full"
            before = len(rig.orders())
            control.want("llama")
            await rig.listen(220.0)
            assert control.reconciler.fault == "disk full"
            assert {a.generation for o in rig.orders()[before:] for a in o.assignments} == {1}
            assert len(rig.orders()) - before >= 2, "two renewals within two thirds of a lease"
            control.store.refusal = ""
            await rig.listen(PATIENCE_S)
            assert control.reconciler.fault == ""
            assert rig.assigned() == [(2, "llama")]

    run(scenario())


# Controllers that come and go.


def test_a_restarted_controller_moves_nothing() -> None:
    async def scenario() -> None:
        network, store = MemoryNetwork(), FullStore()
        async with live(store, network) as first:
            rig = await standing_by(first)
            first.want("etc")
            await rig.listen(PATIENCE_S)
        async with live(store, network) as second:
            await rig.say(messages.StateReport((status("etc", 1),)))
            assert rig.welcomes() == 1
            await rig.say(hello())
            await rig.listen(60.0)
            assert rig.assigned() == [(1, "etc")]
            assert second.view().generation == 1

    run(scenario())


def test_a_controller_that_lost_its_store_goes_on_with_what_runs() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control, "llama", 7)
            await rig.listen(PATIENCE_S)
            assert rig.assigned() == [(8, "llama")], "never a generation that the rig has seen"
            await rig.say(messages.StateReport((status("llama", 8),)))
            await rig.listen(60.0)
            assert rig.assigned() == [(8, "llama")]

    run(scenario())


# Who may speak.


def test_a_stranger_is_not_listened_to() -> None:
    async def scenario() -> None:
        async with live() as control:
            stranger = Talker(control.network, "rig-9")
            await stranger.say(hello())
            await stranger.listen(PATIENCE_S)
            assert stranger.heard == []
            assert control.fleet.views() == ()

    run(scenario())


def test_enrolment_and_revocation_take_effect_while_the_controller_runs() -> None:
    async def scenario() -> None:
        async with live() as control:
            late = Talker(control.network, "rig-2")
            control.store.put_rig(record("rig-2"))
            await asyncio.sleep(INVENTORY_INTERVAL_S + TICK_S)
            await late.say(hello())
            await late.say(messages.StateReport((status(None, 0),)))
            control.want("etc", "rig-2")
            await late.listen(PATIENCE_S)
            assert late.assigned() == [(1, "etc")]
            control.store.put_rig(replace(record("rig-2"), revoked=True))
            await late.listen(INVENTORY_INTERVAL_S + TICK_S)
            before = len(late.heard)
            await late.say(hello())
            await late.listen(600.0)
            assert len(late.heard) == before
            assert control.fleet.views() == ()

    run(scenario())


def test_a_rig_that_offers_too_much_harms_no_other() -> None:
    async def scenario() -> None:
        async with live() as control:
            control.enrol("rig-2")
            greedy = Talker(control.network, "rig-2")
            rig = await standing_by(control)
            names = [f"group-{number:05}" for number in range(2_500)]
            control.reason = "because " * 20
            for name in names:
                control.want("etc", "rig-2", name)
            await greedy.say(hello(*names))
            control.want("etc")
            await rig.listen(PATIENCE_S)
            assert rig.assigned() == [(1, "etc")]
            assert len(control.fleet.assignments) == 1
            assert control.sessions.counts.refused == 1
            await greedy.listen(PATIENCE_S)
            assert greedy.orders() == []

    run(scenario())


# Holds and previews.


def learned(watts: float, workload: str | None = "etc") -> messages.Learned:
    figure = Figure(watts, 0.0, SAMPLES_MIN)
    entry = Measured(group="g0", workload=workload, profile="", gpu_busy_w=figure)
    return messages.Learned((entry,))


def test_what_a_rig_learned_is_seen_by_the_next_plan() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control, "etc", 1)
            await rig.say(learned(90.0))
            view = control.view()
            assert view.figures["etc", Quantity.BUSY_W].value == 90.0
            assert [entry.workload for entry in view.measured] == ["etc"]

    run(scenario())


def test_a_restarted_controller_counts_rigs_that_it_has_not_heard_yet() -> None:
    async def scenario() -> None:
        store = FullStore()
        async with live(store) as before:
            rig = await standing_by(before, None, 0)
            before.want("etc")
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1),)))
            await rig.say(learned(90.0))
            await asyncio.sleep(2 * INVENTORY_INTERVAL_S)
        network = MemoryNetwork()
        async with live(store, network) as after:
            await asyncio.sleep(PATIENCE_S)
            view = after.view()
            assert (view.online, view.status) == (False, None)
            assert (view.assigned, view.generation) == ("etc", 1), "it keeps its assignment"
            assert view.figures["etc", Quantity.BUSY_W].value == 90.0, "at its last known watts"
            rig = Talker(network)
            await rig.say(messages.StateReport((status("etc", 1),)))
            assert any(isinstance(down.body, messages.Welcome) for down in rig.heard)
            assert after.view().status is not None
            await rig.say(hello("g1"))
            assert [v.key.group for v in after.fleet.views()] == ["g1"], "the newest offer counts"

    run(scenario())


def test_a_store_that_refuses_portraits_stops_no_plan() -> None:
    async def scenario() -> None:
        store = FullStore()
        async with live(store) as control:
            store.portrait_refusal = "the disk is full"
            await standing_by(control)
            plans = control.plans
            await asyncio.sleep(2 * INVENTORY_INTERVAL_S + TICK_S)
            assert control.plans > plans
            assert control.reconciler.fault == ""
            store.portrait_refusal = ""
            await asyncio.sleep(2 * INVENTORY_INTERVAL_S)
            assert [portrait.rig for portrait in store.portraits()] == ["rig-1"]

    run(scenario())
