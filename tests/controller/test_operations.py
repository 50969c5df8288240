"""Orders, holds, explanations and checks, over a small desk and a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from controller.answers import Check
from controller.core.model import GroupKey, Hold, QuoteState
from controller.operations import Operations
from controller.orders import (
    HOLD_MAX_S,
    BadRequestError,
    ConflictError,
    Intent,
    NothingFoundError,
    NotYetError,
    OperationError,
)
from controller.ports import StoreError
from controller.store.sql import SqlStore
from tests.controller.desk import SmallDesk, record, view
from wire.model import GpuReading, Kind, Phase, Rejection, Sample, WorkloadOffer


class Bench:
    """A desk with three groups, a real store, and operations over both."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.desk = SmallDesk(
            store,
            view("rig-01", "g0", active="etc"),
            view("rig-01", "g1", active="etc"),
            view("rig-02", "g0", active=None, site="lagos"),
        )
        numbers = count(1)
        self.operations = Operations(
            self.desk, store, now=lambda: self.desk.now, new_id=lambda: f"{next(numbers):04x}"
        )

    def holds(self) -> list[tuple[str, str, str | None]]:
        standing = self.operations.holds()
        return [(hold.hold_id, f"{hold.rig}/{hold.group}", hold.workload) for hold in standing]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with closing(SqlStore.open(tmp_path / "store.db")) as store:
        yield Bench(store)


def intent(selector: str, **changes: object) -> Intent:
    made = Intent(selector=selector, owner="anna", reason="a customer came", for_s=7_200.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_switch_becomes_holds_with_an_expiry_and_a_line_in_the_audit(bench: Bench) -> None:
    result = bench.operations.switch(intent("rig-01"), "llama")
    assert bench.holds() == [
        ("hold-0001-1", "rig-01/g0", "llama"),
        ("hold-0001-2", "rig-01/g1", "llama"),
    ]
    assert result.order == "hold-0001"
    assert result.hold_ids == ("hold-0001-1", "hold-0001-2")
    assert {hold.expires_at for hold in bench.operations.holds()} == {8_200.0}
    [line] = bench.operations.events(10)
    assert (line.at, line.actor, line.verb, line.subject) == (1_000.0, "anna", "switch", "rig-01")
    assert line.detail == "switch to llama for 2h: rig-01/g0, rig-01/g1; a customer came"
    assert {found.assigned for found in bench.desk.views() if found.key.rig == "rig-01"} == {
        "llama"
    }


def test_a_switch_to_off_pins_standing_still(bench: Bench) -> None:
    bench.operations.switch(intent("rig-01/g0"), "off")
    assert bench.holds() == [("hold-0001-1", "rig-01/g0", None)]


def test_a_dry_run_says_what_it_costs_and_changes_nothing(bench: Bench) -> None:
    result = bench.operations.switch(intent("rig-01", dry_run=True), "etc")
    # Left alone, both would move to llama (2 $/h) for a switch of 90 s each; held, both earn 0.5.
    assert result.usd_per_h == pytest.approx(2 * (0.5 - 2.0))
    assert result.usd_total == pytest.approx(2 * (2 * 0.5 - 2.0 * (7200 - 90) / 3600))
    assert [(str(move.key), move.current, move.without, move.planned) for move in result.moves] == [
        ("rig-01/g0", "etc", "llama", "etc"),
        ("rig-01/g1", "etc", "llama", "etc"),
    ]
    assert all(move.obeyed for move in result.moves)
    assert (result.dry_run, result.order, result.hold_ids) == (True, "", ())
    assert bench.holds() == []
    assert bench.operations.events(10) == []
    assert bench.desk.plan() is None


def test_a_missing_price_leaves_the_gain_unknown(bench: Bench) -> None:
    bench.desk.nets["etc"] = None
    result = bench.operations.switch(intent("rig-01", dry_run=True), "etc")
    assert (result.usd_per_h, result.usd_total) == (None, None)


def test_a_workload_that_some_groups_lack_is_refused_by_name(bench: Bench) -> None:
    only_etc = (WorkloadOffer("etc", Kind.MINING),)
    lacking = view("rig-03", workloads=only_etc)
    bench.desk.fleet[lacking.key] = lacking
    with pytest.raises(BadRequestError, match=r"1 of 4 .* 'llama': rig-03/g0") as caught:
        bench.operations.switch(intent("*"), "llama")
    assert "all of them offer: etc, off" in caught.value.hint
    assert bench.holds() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "  "},
        {"reason": "x" * 501},
        {"owner": ""},
        {"for_s": 1.0},
        {"for_s": HOLD_MAX_S + 1},
    ],
)
def test_an_order_without_owner_reason_or_end_is_refused(
    bench: Bench, changes: dict[str, object]
) -> None:
    with pytest.raises(BadRequestError):
        bench.operations.switch(intent("*", **changes), "etc")
    assert bench.holds() == []


def test_a_selector_without_a_match_changes_nothing(bench: Bench) -> None:
    with pytest.raises(NothingFoundError, match="site is one of: lagos, oslo"):
        bench.operations.switch(intent("site=paris"), "etc")
    assert bench.operations.events(10) == []


def test_someone_elses_hold_is_not_replaced_unasked(bench: Bench) -> None:
    bench.operations.switch(intent("rig-01/g0", owner="bo"), "off")
    with pytest.raises(ConflictError, match="rig-01/g0: already held, by bo") as caught:
        bench.operations.switch(intent("rig-01"), "llama")
    assert "hold-0001-1" in caught.value.hint
    bench.operations.switch(intent("rig-01", replace=True), "llama")
    assert [workload for _, _, workload in bench.holds()] == ["llama", "llama"]


def test_ones_own_hold_is_replaced(bench: Bench) -> None:
    bench.operations.switch(intent("rig-01/g0"), "off")
    bench.operations.switch(intent("rig-01/g0"), "llama")
    assert [workload for _, _, workload in bench.holds()] == ["llama"]


def test_an_expired_hold_does_not_stand(bench: Bench) -> None:
    bench.operations.switch(intent("rig-01/g0", owner="bo"), "off")
    bench.desk.now += 7_200.0
    assert bench.holds() == []
    bench.operations.switch(intent("rig-01/g0"), "llama")
    assert [workload for _, _, workload in bench.holds()] == ["llama"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (view("rig-01", "g0", active="llama"), "llama"),
        (view("rig-01", "g0", active=None), None),
        (view("rig-01", "g0", active="gone"), None),
        (
            replace(view("rig-01", "g0", active="etc", phase=Phase.STARTING), assigned="llama"),
            "llama",
        ),
        (replace(view("rig-01", "g0", active="etc"), status=None), "etc"),
    ],
)
def test_a_hold_pins_what_runs_or_where_the_group_is_going(
    bench: Bench, changed: object, expected: str | None
) -> None:
    bench.desk.fleet[GroupKey("rig-01", "g0")] = changed  # type: ignore[assignment]
    bench.operations.hold(intent("rig-01/g0"))
    assert bench.holds() == [("hold-0001-1", "rig-01/g0", expected)]


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("hold-0001-1", ["hold-0001-2", "hold-0002-1"]),
        ("hold-0001", ["hold-0002-1"]),
        ("site=lagos", ["hold-0001-1", "hold-0001-2"]),
        ("*", []),
    ],
)
def test_holds_are_released_by_id_by_order_and_by_selector(
    bench: Bench, what: str, left: list[str]
) -> None:
    bench.operations.switch(intent("rig-01", owner="bo"), "etc")
    bench.operations.hold(intent("rig-02", for_s=9_000.0))
    released = bench.operations.release(what, "anna")
    assert [hold_id for hold_id, _, _ in bench.holds()] == left
    assert len(released.holds) == 3 - len(left)
    assert bench.operations.events(1)[0].verb == "release"


@pytest.mark.parametrize("what", ["rig-02", "hold-9999", "hold"])
def test_releasing_what_is_not_held_is_an_error(bench: Bench, what: str) -> None:
    bench.operations.switch(intent("rig-01"), "etc")
    with pytest.raises(NothingFoundError):
        bench.operations.release(what, "anna")
    assert len(bench.holds()) == 2


def test_an_explanation_carries_the_line_and_the_decision(bench: Bench) -> None:
    assert bench.operations.explain("rig-02")[0].decision is None
    bench.operations.switch(intent("rig-02"), "off")
    [found] = bench.operations.explain("rig-02/g0")
    assert found.line.hold is not None
    assert found.decision is not None
    assert (found.line.state, found.line.net_usd_per_h) == ("off", 0.0)
    assert found.decision.reason == "held by an operator"


def test_there_is_no_plan_at_first(bench: Bench) -> None:
    with pytest.raises(NotYetError):
        bench.operations.plan()
    bench.desk.poke()
    assert bench.operations.plan().net_usd_per_h == pytest.approx(6.0)


def test_the_summary_counts(bench: Bench) -> None:
    bench.desk.poke()
    bench.desk.advance()
    summary = bench.operations.status()
    assert (summary.rigs, summary.rigs_online, summary.groups) == (2, 2, 3)
    assert summary.by_state == {"switching": 3}
    assert summary.by_workload == {"etc": 2, "off": 1}
    assert [str(line.key) for line in summary.moving] == ["rig-01/g0", "rig-01/g1", "rig-02/g0"]
    assert summary.trouble == ()


def test_rigs_carry_readings_and_tell_what_is_missing(bench: Bench) -> None:
    bench.desk.readings["rig-01"] = Sample(
        at_s=9.0,
        ok=True,
        gpus=(
            GpuReading("GPU-a", power_w=200.0, temperature_c=60.0),
            GpuReading("GPU-b", power_w=100.5, temperature_c=71.0),
            GpuReading("GPU-c", error="lost"),
        ),
    )
    del bench.desk.readings["rig-02"]
    first, second = bench.operations.rigs()
    assert (first.gpus, first.gpus_failing, first.power_w) == (3, 1, 300.5)
    assert first.temperature_max_c == 71.0
    assert (second.gpus, second.power_w, second.temperature_max_c) == (0, None, None)
    assert "no readings" in second.trouble


def test_doctor_finds_each_trouble(bench: Bench) -> None:
    bench.desk.poke()
    assert all(check.ok for check in bench.operations.doctor())
    failed = view("rig-01", "g0", active="etc", phase=Phase.FAILED)
    status = view("rig-01", "g1").status
    assert status is not None
    turned_down = replace(status, rejected=(Rejection("llama", "no answer"),))
    bench.desk.fleet[failed.key] = failed
    bench.desk.fleet[GroupKey("rig-01", "g1")] = replace(view("rig-01", "g1"), status=turned_down)
    bench.desk.fleet[GroupKey("rig-02", "g0")] = replace(view("rig-02"), online=False)
    bench.desk.readings["rig-01"] = Sample(at_s=9.0, ok=False, reason="collector is stuck")
    bench.desk.checks[1] = Check("feeds", False, "etc_usd has been silent for 2h")
    troubled = {check.name: check.detail for check in bench.operations.doctor() if not check.ok}
    assert set(troubled) == {
        "feeds",
        "rigs online",
        "groups sound",
        "workloads accepted",
        "readings",
    }
    assert troubled["rigs online"].endswith("rig-02")
    assert {check.name for check in bench.operations.status().trouble} == set(troubled)


def test_doctor_names_stale_prices(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = replace(bench.desk.quotes()[0], state=QuoteState.STALE, value=None)
    monkeypatch.setattr(bench.desk, "quotes", lambda: (stale,))
    [check] = [check for check in bench.operations.doctor() if check.name == "prices"]
    assert not check.ok
    assert "etc_usd (stale)" in check.detail


def test_readiness_wants_store_link_and_plan(bench: Bench) -> None:
    assert [check.name for check in bench.operations.readiness() if not check.ok] == ["plan"]
    bench.desk.poke()
    assert all(check.ok for check in bench.operations.readiness())
    bench.desk.checks.clear()
    assert [check.name for check in bench.operations.readiness() if not check.ok] == ["link"]


def switch_without_end(bench: Bench) -> None:
    while True:
        bench.operations.switch(intent("*", reason="r" * 400), "llama")


def test_a_broken_store_is_reported_and_an_order_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path, bytes_max=104 * 1024)) as store:
        bench = Bench(store)
        with pytest.raises(StoreError, match="no room left"):
            switch_without_end(bench)
        standing = bench.operations.holds()
        assert len(standing) == 3
        assert len({hold.hold_id.rpartition("-")[0] for hold in standing}) == 1


def test_events_have_limits(bench: Bench) -> None:
    with pytest.raises(BadRequestError):
        bench.operations.events(0)


def test_only_admitted_rigs_are_scraped(bench: Bench) -> None:
    bench.store.put_rig(replace(record("rig-02"), revoked=True))
    bench.store.put_rig(record("rig-77"))
    assert [record.rig for record, _ in bench.operations.scraped()] == ["rig-01"]


def test_every_error_says_what_to_do_next(bench: Bench) -> None:
    for wrong in (
        lambda: bench.operations.switch(intent("nowhere"), "etc"),
        lambda: bench.operations.switch(intent("*"), "doge"),
        lambda: bench.operations.release("*", "anna"),
        bench.operations.plan,
    ):
        with pytest.raises(OperationError) as caught:
            wrong()
        assert caught.value.hint


def test_holds_that_end_first_come_first(bench: Bench) -> None:
    def hold(hold_id: str, expires_at: float) -> Hold:
        return Hold(
            hold_id=hold_id,
            rig="rig-01",
            group=hold_id,
            workload=None,
            owner="o",
            reason="r",
            created_at=0.0,
            expires_at=expires_at,
        )

    for made in (hold("a", 3_000.0), hold("b", 2_000.0), hold("c", 1_000.0)):
        bench.store.put_hold(made)
    assert [hold_id for hold_id, _, _ in bench.holds()] == ["b", "a"]
