"""An operator's holds on their way into plans and assignments."""

from __future__ import annotations

import pytest

from controller.core.model import GroupKey, Hold
from controller.records import StoredAssignment
from tests.controller.control import (
    EPOCH,
    PATIENCE_S,
    FullStore,
    Talker,
    hello,
    live,
    standing_by,
    status,
)
from tests.sim.clock import run
from wire import messages
from wire.model import Assignment, Phase


def hold(workload: str | None, for_s: float) -> Hold:
    return Hold(
        hold_id="h1",
        rig="rig-1",
        group="g0",
        workload=workload,
        owner="ada",
        reason="fan noise",
        created_at=EPOCH,
        expires_at=EPOCH + for_s,
    )


def test_holds_are_planned_with_until_they_expire() -> None:
    async def scenario() -> None:
        async with live() as control:
            rig = await standing_by(control)
            control.want("etc")
            control.store.put_hold(hold("llama", 30.0))
            control.reconciler.poke()
            await rig.listen(PATIENCE_S)
            assert rig.assigned() == [(1, "llama")]
            await rig.say(messages.StateReport((status("llama", 1),)))
            await rig.listen(40.0)
            assert control.holds_seen == []
            assert rig.assigned() == [(2, "etc")]

    run(scenario())


@pytest.mark.parametrize("remembered", [False, True], ids=["store lost", "store kept"])
def test_a_hold_on_a_group_that_was_not_heard_yet_releases_it_when_it_turns_out_to_have_failed(
    remembered: bool,
) -> None:
    async def scenario() -> None:
        store = FullStore()
        if remembered:
            order = Assignment("order-0", "g0", 1, "etc")
            key = GroupKey("rig-1", "g0")
            known = StoredAssignment(key=key, assignment=order, created_at=EPOCH, cause="plan")
            store.put_assignments([known])
        async with live(store) as control:
            rig = Talker(control.network)
            await rig.say(hello())
            await rig.listen(PATIENCE_S)
            control.store.put_hold(hold("etc", for_s=600.0))
            await rig.listen(PATIENCE_S)
            await rig.say(messages.StateReport((status("etc", 1, phase=Phase.FAILED),)))
            await rig.listen(PATIENCE_S)
            assert rig.assigned() == [(2, "etc")], "only a new generation leads out"

    run(scenario())


def test_a_preview_changes_nothing() -> None:
    async def scenario() -> None:
        async with live() as control:
            await standing_by(control)
            control.store.put_hold(hold("llama", 30.0))
            key = GroupKey("rig-1", "g0")
            assert control.reconciler.preview({}).decisions[0].chosen == "llama"
            pinned = control.reconciler.preview({key: None})
            assert pinned.decisions[0].chosen is None
            assert len(control.holds_seen) == 1, "a pin beats the hold of its group"
            assert key not in control.fleet.assignments

    run(scenario())
