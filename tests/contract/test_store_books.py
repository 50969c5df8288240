"""One suite over every store: books add up, are read as asked, and do not grow without end."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.books.entries import (
    SECONDS_PER_DAY,
    Account,
    DecisionRecord,
    Entry,
    Measure,
    gathered,
)
from controller.core.model import GroupKey
from controller.ports import Store
from controller.records import Pages, StoredAssignment
from controller.store import limits
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from wire.model import Assignment

DAY = 20_000
NOON = DAY * SECONDS_PER_DAY + 43_200.0


def account(rig: str = "rig-1", day: int = DAY, **parts: object) -> Account:
    made = Account(day, "oslo", rig, "g0", "etc", "mining", 1, "")
    return made._replace(**parts)  # type: ignore[arg-type]


def entry(where: Account, *amounts: int) -> Entry:
    return Entry(where, (*amounts, *(0 for _ in range(len(Measure) - len(amounts)))))


def record(generation: int = 1, **changes: object) -> DecisionRecord:
    made = DecisionRecord(
        rig="rig-1",
        group="g0",
        generation=generation,
        at=NOON,
        origin=None,
        workload="etc",
        reason="mine etc: it pays most",
        promised_usd_per_h=0.25,
        switch_usd=0.001,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def written(
    store: Store, *entries: Entry, records: tuple[DecisionRecord, ...] = (), through: float = NOON
) -> None:
    store.put_pages(Pages(entries=entries, records=records, through=through))


def test_an_empty_store_has_no_books(store: Store) -> None:
    assert store.booked_through() is None
    assert store.booked(0, 2 * DAY, Account._fields) == []
    assert store.booked(0, 2 * DAY, ()) == []
    assert store.decisions(0, 2 * DAY) == store.standing_decisions() == []


def test_amounts_add_up_in_their_accounts(store: Store) -> None:
    here, there = account(), account("rig-2", site="")
    written(store, entry(here, 5, 7), entry(there, 1))
    written(store, entry(here, -8, 3), through=NOON + 60.0)
    assert store.booked(DAY, DAY, Account._fields) == [entry(there, 1), entry(here, -3, 10)]
    assert store.booked_through() == NOON + 60.0


def test_books_are_told_apart_as_asked(store: Store) -> None:
    entries = [
        entry(account("rig-1", DAY), 1),
        entry(account("rig-1", DAY + 1, workload="", desk="", generation=2), 10),
        entry(account("", DAY, group="", generation=0, item="demand charge"), 100),
        entry(account("rig-2", DAY + 40), 1_000),
    ]
    written(store, *entries)
    for by in ((), ("desk",), ("day", "site"), ("rig", "group", "generation"), ("item",)):
        assert store.booked(DAY, DAY + 30, by) == gathered(entries[:3], by)
    assert store.booked(DAY, DAY + 30, ("desk",))[0].account.rig == ""


def test_large_sums_keep_their_last_digit(store: Store) -> None:
    for _ in range(3):
        written(store, entry(account(), 2**45 + 1))
    assert store.booked(DAY, DAY, ("site",))[0].sums[0] == 3 * 2**45 + 3


def test_a_decision_is_written_once(store: Store) -> None:
    written(store, entry(account(), 1), records=(record(), record(2, promised_usd_per_h=None)))
    written(store, entry(account(generation=2), 1), records=(record(reason="as found"),))
    assert store.decisions(DAY, DAY) == [record(), record(2, promised_usd_per_h=None)]
    assert store.decisions(DAY + 1, DAY + 9) == []


def test_standing_decisions_are_those_of_the_newest_assignments(store: Store) -> None:
    written(store, records=(record(1), record(2), record(3), record(2, rig="rig-2")))
    for rig in ("rig-1", "rig-2"):
        order = Assignment(f"order-{rig}", "g0", 2, "etc")
        stored = StoredAssignment(
            key=GroupKey(rig, "g0"), assignment=order, created_at=NOON, cause="plan"
        )
        store.put_assignments([stored])
    assert store.standing_decisions() == [record(2), record(2, rig="rig-2")]


def test_the_decision_before_comes_with_what_it_came_to(store: Store) -> None:
    key = GroupKey("rig-1", "g0")
    assert store.decision_before(key, 5) is None
    parts = entry(account(), 3, 4), entry(account(day=DAY + 9, workload=""), 1)
    written(store, *parts, entry(account(generation=3), 50), records=(record(1), record(3)))
    assert store.decision_before(key, 1) is None
    assert store.decision_before(key, 3) == (record(1), entry(account(), 4, 4).sums)
    written(store, records=(record(4),))
    assert store.decision_before(key, 9) == (record(4), entry(account()).sums)
    assert store.decision_before(GroupKey("rig-2", "g0"), 9) is None


def test_what_is_older_than_books_are_kept_is_forgotten(store: Store) -> None:
    oldest = DAY - limits.LEDGER_DAYS_KEPT + 1
    kept, gone = account(day=oldest), account(day=oldest - 1)
    old = record(at=oldest * SECONDS_PER_DAY - 1.0, generation=1)
    young = record(at=oldest * SECONDS_PER_DAY, generation=2)
    written(store, entry(kept, 1), entry(gone, 1), records=(old, young))
    assert store.booked(0, DAY, Account._fields) == [entry(kept, 1)]
    assert store.decisions(0, DAY) == []
    written(store, entry(kept._replace(generation=2), 1))
    assert store.decisions(0, DAY) == [young]


def test_books_outlive_their_controller(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        written(opened, entry(account(), 4), records=(record(),))
    with closing(SqlStore.open(path)) as opened:
        assert opened.booked(DAY, DAY, Account._fields) == [entry(account(), 4)]
        assert opened.decisions(DAY, DAY) == [record()]
        assert opened.booked_through() == NOON


def test_a_store_of_the_sixth_version_gets_room_for_books(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqlStore.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        for table in ("ledger", "ledger_decisions", "ledger_through"):
            other.execute(f"DROP TABLE {table}")
        other.execute("UPDATE rigshift_schema SET version = 6")
    for _ in range(2):
        with closing(SqlStore.open(path)) as opened:
            written(opened, entry(account(), 1))
    with closing(SqlStore.open(path)) as opened:
        assert opened.booked(DAY, DAY, Account._fields) == [entry(account(), 2)]


def test_both_stores_sum_alike_whatever_is_asked(tmp_path: Path) -> None:
    memory = MemoryStore()
    with closing(SqlStore.open(tmp_path / "store.db")) as sql:
        for number in range(40):
            where = account(
                f"rig-{number % 7}", DAY + number % 3, desk=("", "ai", "mining")[number % 3]
            )
            for store in (memory, sql):
                written(store, entry(where, number, -number))
        for name in Account._fields:
            assert sql.booked(DAY, DAY + 1, (name,)) == memory.booked(DAY, DAY + 1, (name,))


@pytest.mark.parametrize("by", Account._fields)
def test_every_grouping_has_the_same_total(store: Store, by: str) -> None:
    written(store, *(entry(account(f"rig-{n}", DAY + n), n, n * n) for n in range(5)))
    whole = store.booked(DAY, DAY + 9, ())
    parts = store.booked(DAY, DAY + 9, (by,))
    assert gathered(parts, ()) == whole


def test_books_give_way_before_the_file_is_full(tmp_path: Path) -> None:
    with closing(SqlStore.open(tmp_path / "store.db", bytes_max=600_000)) as store:
        for day in range(DAY, DAY + 12):
            rigs = [entry(account(f"rig-{n}", day), n + 1) for n in range(500)]
            written(store, *rigs, through=(day + 1) * SECONDS_PER_DAY - 1.0)
        kept = [one.account.day for one in store.booked(0, 2 * DAY, ("day",))]
        assert kept == list(range(kept[0], DAY + 12))
        assert DAY < kept[0] < DAY + 11
