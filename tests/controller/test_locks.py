"""What is rented or otherwise locked: planned around, told, and left on express word only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controller.cli import tables
from controller.core import selector
from controller.core.model import Block, GroupKey, GroupView, Hold
from controller.core.options.standing import standing
from controller.operations import Operations
from controller.orders import ConflictError, Intent
from controller.store.sql import SqlStore
from tests.controller import desk
from tests.controller.desk import SmallDesk
from tests.controller.fleet import FARM, decided, hold, planned, status, view
from wire.model import Phase

LOCK = "llama: 2 GPUs are rented on vast.ai"


def rented(number: int = 0, assigned: str | None = "llama", **changes: object) -> GroupView:
    made = view(number, assigned, status=replace(status("llama"), lock=LOCK))
    return replace(made, **changes)  # type: ignore[arg-type]


def breaking(workload: str | None) -> Hold:
    return replace(hold(0, workload), breaks_lock=True)


def test_a_locked_group_stays_whatever_pays_more_and_says_why() -> None:
    decision = decided(rented(), {"power": 0.1, "etc": 9.0, "xmr": 9.0, "rent": 0.0, "demand": 0.0})
    assert (decision.chosen, decision.blocked) == ("llama", Block.LOCKED)
    assert f"it is locked, and no price ends that: {LOCK}" in decision.reason
    assert decision.flip_usd_per_h is None


def test_what_is_locked_is_assigned_what_it_runs_and_that_is_no_switch() -> None:
    views = [rented(0, "etc"), *(view(number, "xmr") for number in (1, 2))]
    made = planned(views, {"power": 0.1, "etc": 0.3, "xmr": 0.02, "rent": 0.2, "demand": 0.0})
    assert [one.chosen for one in made.decisions] == ["llama", "etc", "etc"]
    assert made.warnings == ()


def test_a_word_to_leave_waits_unless_it_breaks_the_lock() -> None:
    waits = standing(rented(), hold(0, "etc"))
    assert (waits.tied_to, waits.block, waits.breaks_lock) == ("llama", Block.LOCKED, False)
    assert "what ada ordered waits for its end, or for --break-lock" in waits.why
    (decision,) = planned([rented()], holds=[breaking("etc")]).decisions
    assert (decision.chosen, decision.blocked) == ("etc", Block.HOLD)
    assert decision.breaks_lock


def test_a_word_to_stay_is_a_hold_like_any_other() -> None:
    assert standing(rented(), hold(0, "llama")).block is Block.HOLD


@pytest.mark.parametrize(
    "one",
    [
        rented(assigned="etc", online=False),
        rented(assigned="etc", generation=2),
        rented(assigned="etc", status=replace(status("llama", Phase.FAILED), lock=LOCK)),
        rented(assigned="etc", status=replace(status(None, Phase.VACATING), lock=LOCK)),
    ],
)
def test_what_is_locked_and_not_at_rest_is_left_to_its_way(one: GroupView) -> None:
    found = standing(one, None)
    assert (found.tied_to, found.block) == ("etc", Block.LOCKED)


def test_a_locked_group_counts_for_the_power_cap_and_others_make_room() -> None:
    capped = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=180.0),))
    made = planned([rented(0), view(1)], farm=capped)
    assert [one.chosen for one in made.decisions] == ["llama", None]
    tight = replace(FARM, sites=(replace(FARM.sites[0], power_cap_w=100.0),))
    assert "held, locked, committed" in planned([rented(0)], farm=tight).warnings[0]


class Bench:
    """A desk with a locked group and a free one, and operations over it."""

    def __init__(self, store: SqlStore) -> None:
        locked = desk.view("rig-01", active="llama")
        assert locked.status is not None
        locked = replace(locked, status=replace(locked.status, lock=LOCK))
        self.desk = SmallDesk(store, locked, desk.view("rig-02"))
        self.operations = Operations(self.desk, store, now=lambda: 1_000.0, new_id=lambda: "0001")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(SqlStore.open(tmp_path / "store.db")) as store:
        yield Bench(store)


INTENT = Intent(selector="*", owner="anna", reason="a customer came")


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_order_to_leave_what_is_locked_must_say_so(bench: Bench, dry_run: bool) -> None:
    with pytest.raises(ConflictError, match="rig-01/g0: locked") as caught:
        bench.operations.switch(replace(INTENT, dry_run=dry_run), "etc")
    assert LOCK in str(caught.value)
    assert "--break-lock" in caught.value.hint
    assert bench.operations.holds() == ()


def test_an_order_that_says_so_is_kept_and_audited(bench: Bench) -> None:
    bench.operations.switch(replace(INTENT, break_lock=True), "etc")
    assert {one.breaks_lock for one in bench.operations.holds()} == {True}
    [line] = bench.operations.events(10)
    assert line.detail.startswith("switch to etc and break locks for 2h: rig-01/g0, rig-02/g0")


def test_to_keep_what_is_locked_needs_no_such_word(bench: Bench) -> None:
    bench.operations.switch(replace(INTENT, selector="rig-01"), "llama")
    bench.operations.hold(replace(INTENT, replace=True))
    assert not any(one.breaks_lock for one in bench.operations.holds())


def test_status_explanation_and_selectors_know_of_it(bench: Bench) -> None:
    summary = bench.operations.status()
    assert [line.key for line in summary.locked] == [GroupKey("rig-01", "g0")]
    assert any(getattr(part, "title", "") == "Locked" for part in tables.summary(summary))
    (found,) = bench.operations.explain("rig-01")
    assert f"  locked, so that no price moves it: {LOCK}" in map(str, tables.explanation(found))
    chosen = selector.select("locked=true", bench.desk.views())
    assert [one.key for one in chosen] == [GroupKey("rig-01", "g0")]
