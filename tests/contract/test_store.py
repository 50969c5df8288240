"""One suite over every store, then what only a file can do: survive, fill up, break."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.model import GroupKey, Hold, RigRecord
from controller.ports import Store, StoreError
from controller.records import Event, Portrait, StoredAssignment, StoredOutcome
from controller.store import limits, statements, tables
from controller.store import memory as memory_module
from controller.store import sql as sql_module
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from wire.figures import Figure, Measured
from wire.model import Assignment, GroupOffer, Kind, Outcome, Phase, Result, WorkloadOffer


def rig(name: str, **changes: object) -> RigRecord:
    record = RigRecord(
        rig=name, site="oslo", rig_class="rtx4090", labels={"row": "ä"}, public_key="key"
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def assignment(rig: str, group: str, generation: int, workload: str | None) -> StoredAssignment:
    return StoredAssignment(
        key=GroupKey(rig, group),
        assignment=Assignment(
            order_id=f"{rig}/{group}#{generation}/{workload}",
            group=group,
            generation=generation,
            workload=workload,
            committed=workload is None,
            reason="pays more",
        ),
        created_at=1.5,
        cause="plan",
    )


def outcome(rig: str, group: str, generation: int) -> StoredOutcome:
    ended = Outcome(
        order_id="o",
        group=group,
        generation=generation,
        result=Result.ROLLED_BACK,
        origin=None,
        workload="etc",
        phase_s=((Phase.PREPARING, 1.25), (Phase.PROBING, 60.0)),
        reason="no share was accepted",
    )
    return StoredOutcome(rig=rig, outcome=ended, received_at=9.0)


def hold(hold_id: str, group: str, workload: str | None = "etc") -> Hold:
    return Hold(
        hold_id=hold_id,
        rig="rig-01",
        group=group,
        workload=workload,
        owner="anna",
        reason="test",
        created_at=1.0,
        expires_at=2.0,
    )


def portrait(rig: str, watts: float = 900.0) -> Portrait:
    offer = GroupOffer("g0", ("GPU-0",), (WorkloadOffer("etc", Kind.MINING, watts),))
    figure = Figure(watts, 1.5, 212)
    seconds = ((Phase.STOPPING, Figure(3.0, 0.0, 4)),)
    entry = Measured(group="g0", workload=None, profile="", gpu_busy_w=figure, phase_s=seconds)
    return Portrait(rig=rig, groups=(offer,), measured=(entry,))


def event(subject: str) -> Event:
    return Event(at=1.0, actor="anna", verb="switch", subject=subject, detail="d")


def test_a_new_store_is_empty(store: Store) -> None:
    assert not store.rigs()
    assert not store.assignments()
    assert not store.holds()
    assert not store.outcomes(limit=10)
    assert not store.events(limit=10)


def test_rigs_are_replaced_and_come_by_name(store: Store) -> None:
    store.put_rig(rig("rig-02"))
    store.put_rig(rig("rig-01"))
    store.put_rig(rig("rig-02", revoked=True, labels={}))
    assert store.rigs() == [rig("rig-01"), rig("rig-02", revoked=True, labels={})]


def test_the_newest_portrait_of_each_rig_stands(store: Store) -> None:
    assert not store.portraits()
    store.put_portraits([portrait("b"), portrait("a")])
    store.put_portraits([portrait("b", 850.0)])
    store.put_portraits([])
    assert store.portraits() == [portrait("a"), portrait("b", 850.0)]


def test_the_newest_assignment_of_each_group_stands(store: Store) -> None:
    store.put_assignments([assignment("b", "g0", 1, "etc"), assignment("a", "g1", 4, None)])
    store.put_assignments([assignment("b", "g0", 2, "llama")])
    store.put_assignments([])
    assert store.assignments() == [
        assignment("a", "g1", 4, None),
        assignment("b", "g0", 2, "llama"),
    ]


def test_an_assignment_may_be_repeated(store: Store) -> None:
    for _ in range(2):
        store.put_assignments([assignment("a", "g0", 1, "etc")])
    assert store.assignments() == [assignment("a", "g0", 1, "etc")]


@pytest.mark.parametrize("generation", [1, 2])
def test_a_generation_never_falls_nor_changes_and_nothing_else_is_stored(
    store: Store, generation: int
) -> None:
    store.put_assignments([assignment("a", "g0", 2, "etc")])
    with pytest.raises(StoreError, match="another controller"):
        store.put_assignments(
            [assignment("b", "g0", 1, "etc"), assignment("a", "g0", generation, "llama")]
        )
    assert store.assignments() == [assignment("a", "g0", 2, "etc")]


def test_a_repeated_outcome_is_no_news(store: Store) -> None:
    first, second = outcome("a", "g0", 1), outcome("a", "g0", 2)
    assert store.put_outcomes([first, first]) == [first]
    late = replace(first, received_at=99.0)
    assert store.put_outcomes([late, second, outcome("b", "g0", 1)]) == [
        second,
        outcome("b", "g0", 1),
    ]
    assert store.outcomes(limit=2) == [outcome("b", "g0", 1), second]
    assert store.outcomes(limit=10)[-1] == first


def test_a_hold_is_put_replaced_and_removed(store: Store) -> None:
    store.put_hold(hold("h-2", "g0"))
    store.put_hold(hold("h-1", "g1", None))
    store.put_hold(hold("h-2", "g0", None))
    assert store.holds() == [hold("h-1", "g1", None), hold("h-2", "g0", None)]
    store.remove_hold("h-2")
    store.remove_hold("h-2")
    assert store.holds() == [hold("h-1", "g1", None)]


def test_an_order_replaces_the_holds_of_its_groups_and_is_in_the_audit(store: Store) -> None:
    store.put_holds([hold("old-1", "g0"), hold("old-2", "g1")], event("old"))
    store.put_holds([hold("new-1", "g1", None), hold("new-2", "g2")], event("new"))
    assert [held.hold_id for held in store.holds()] == ["new-1", "new-2", "old-1"]
    store.remove_holds(["new-1", "old-1", "never"], event("release"))
    store.remove_holds([], event("nothing"))
    assert store.holds() == [hold("new-2", "g2")]
    assert [line.subject for line in store.events(limit=9)] == ["nothing", "release", "new", "old"]


def test_events_are_numbered_and_come_newest_first(store: Store) -> None:
    for number in range(5):
        store.add_event(event(str(number)))
    assert [(line.event_id, line.subject) for line in store.events(limit=2)] == [
        (5, "4"),
        (4, "3"),
    ]


def test_many_events_are_one_write(store: Store) -> None:
    store.add_events([event("1"), event("2")])
    store.add_events([])
    store.add_event(event("3"))
    numbered = [(line.event_id, line.subject) for line in store.events(limit=9)]
    assert numbered == [(3, "3"), (2, "2"), (1, "1")]


def test_old_events_and_outcomes_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (memory_module, statements):
        monkeypatch.setattr(module, "EVENTS_KEPT", 3)
    for module in (memory_module, sql_module):
        monkeypatch.setattr(module, "OUTCOMES_KEPT", 3)
    with closing(SqlStore.open(tmp_path / "store.db")) as sql:
        for store in (MemoryStore(), sql):
            for number in range(1, 6):
                store.add_event(event(str(number)))
                store.put_outcomes([outcome("a", "g0", number)])
            assert [line.event_id for line in store.events(limit=9)] == [5, 4, 3]
            kept = [stored.outcome.generation for stored in store.outcomes(limit=9)]
            assert kept == [5, 4, 3]
    assert limits.EVENTS_KEPT > 1_000


def fill(store: Store) -> None:
    store.put_rig(rig("rig-01"))
    store.put_assignments([assignment("a", "g0", 7, "etc")])
    store.put_outcomes([outcome("a", "g0", 6)])
    store.put_holds([hold("h-1", "g0")], event("first"))


def test_a_file_is_read_again_as_it_was_written(tmp_path: Path) -> None:
    for _ in range(2):  # The second time everything is a repetition.
        with closing(SqlStore.open(tmp_path / "store.db")) as opened:
            fill(opened)
    with closing(SqlStore.open(tmp_path / "store.db")) as again:
        assert again.rigs() == [rig("rig-01")]
        assert again.assignments() == [assignment("a", "g0", 7, "etc")]
        assert again.outcomes(limit=9) == [outcome("a", "g0", 6)]
        assert again.holds() == [hold("h-1", "g0")]
        assert [line.event_id for line in again.events(limit=9)] == [2, 1]


def test_what_was_written_survives_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.contract.test_store import SqlStore, fill\n"
        "fill(SqlStore.open(Path(sys.argv[1])))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = run_python(script, str(path))
    assert done.returncode == -9, done.stderr
    with closing(SqlStore.open(path)) as opened:
        assert opened.holds() == [hold("h-1", "g0")]


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=root,
        env={"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_file_is_durable_and_strict(tmp_path: Path) -> None:
    with closing(SqlStore.open(tmp_path / "store.db")) as opened, opened._reading() as db:
        pragmas = {
            name: db.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 2000,
    }


def add_events_without_end(store: Store) -> None:
    while True:
        store.add_event(replace(event("x"), detail="y" * 4_000))


def test_a_full_store_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    with closing(SqlStore.open(tmp_path / "store.db", bytes_max=160 * 1024)) as opened:
        fill(opened)
        before = len(opened.events(limit=10_000))
        with pytest.raises(StoreError, match="no room left; free disk space"):
            add_events_without_end(opened)
        with pytest.raises(StoreError, match="no room left"):
            opened.put_holds(
                [replace(hold(f"big-{n}", f"g{n}"), reason="z" * 4_000) for n in range(1, 40)],
                event("big"),
            )
        assert opened.holds() == [hold("h-1", "g0")]
        assert len(opened.events(limit=10_000)) > before


def test_a_locked_file_says_who_may_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path, busy_timeout_s=0.01)) as opened:
        fill(opened)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="stop the other controller"):
                opened.add_event(event("late"))
            assert opened.holds() == [hold("h-1", "g0")]
            other.execute("ROLLBACK")
        opened.add_event(event("on time"))


def test_a_read_only_file_says_what_to_change() -> None:
    # Not tmp_path: pytest keeps others out of it, and the reader is to be another user, for root
    # may write anywhere.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        with closing(SqlStore.open(path)) as opened:
            fill(opened)
        path.chmod(0o444)
        Path(directory).chmod(0o555)
        script = (
            "import os, sys, tempfile\n"
            "from pathlib import Path\n"
            "from controller.ports import StoreError\n"
            "from controller.store.sql import SqlStore\n"
            # What is imported on the way must be there before this user may no longer read it.
            "with tempfile.TemporaryDirectory() as other:\n"
            "    SqlStore.open(Path(other) / 'store.db').close()\n"
            "if os.geteuid() == 0:\n"
            "    os.setuid(65534)\n"
            "try:\n"
            "    SqlStore.open(Path(sys.argv[1]))\n"
            "except StoreError as error:\n"
            "    print(error)\n"
        )
        done = run_python(script, str(path))
        Path(directory).chmod(0o755)
    assert "give the controller's user" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("first_byte", "words"), [(0, "not a database"), (4096, "damaged")])
def test_a_damaged_file_says_so(tmp_path: Path, first_byte: int, words: str) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        fill(opened)
    data = path.read_bytes()
    path.write_bytes(data[:first_byte] + b"\xff" * (len(data) - first_byte))
    with pytest.raises(StoreError, match=words):
        SqlStore.open(path)


def test_a_missing_directory_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="make its directory"):
        SqlStore.open(tmp_path / "nowhere" / "store.db")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqlStore.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE rigshift_schema SET version = ?", (tables.SCHEMA + 1,))
    with pytest.raises(StoreError, match=f"schema {tables.SCHEMA + 1}, and this rigshift knows"):
        SqlStore.open(path)


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE cats (name TEXT)")
    with pytest.raises(StoreError, match="none of rigshift"):
        SqlStore.open(path)


def test_assignments_and_their_audit_are_stored_together(store: Store) -> None:
    store.put_assignments([assignment("a", "g0", 2, "etc")], [event("one")])
    assert [line.subject for line in store.events(limit=9)] == [event("one").subject]
    with pytest.raises(StoreError):
        store.put_assignments([assignment("a", "g0", 1, "llama")], [event("two")])
    assert len(store.events(limit=9)) == 1


def test_outcomes_and_their_audit_are_stored_together_and_repetitions_leave_none(
    store: Store,
) -> None:
    first, second = outcome("a", "g0", 1), outcome("a", "g0", 2)
    store.put_outcomes([first], [event("1")])
    assert store.put_outcomes([first, second], [event("1"), event("2")]) == [second]
    assert [line.subject for line in store.events(limit=9)] == [
        event("2").subject,
        event("1").subject,
    ]


def test_a_store_of_the_first_version_is_made_one_of_this(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as store:
        store.put_assignments([assignment("a", "g0", 2, "etc")])
    with closing(sqlite3.connect(path)) as other, other:
        for table in ("assignments", "holds"):
            other.execute(f"ALTER TABLE {table} DROP COLUMN breaks_lock")
        other.execute("DROP TABLE portraits")
        other.execute("DROP TABLE hours")
        other.execute("UPDATE rigshift_schema SET version = 1")
    for _ in range(2):
        with closing(SqlStore.open(path)) as store:
            assert store.assignments() == [assignment("a", "g0", 2, "etc")]
            store.put_holds([replace(hold("h", "g0"), breaks_lock=True)], event("one"))
            assert [kept.breaks_lock for kept in store.holds()] == [True]


def test_a_store_of_the_second_version_gets_room_for_portraits(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        opened.put_assignments([assignment("a", "g0", 7, "etc")])
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE portraits")
        other.execute("DROP TABLE hours")
        other.execute("UPDATE rigshift_schema SET version = 2")
    for _ in range(2):
        with closing(SqlStore.open(path)) as opened:
            assert opened.assignments() == [assignment("a", "g0", 7, "etc")]
            opened.put_portraits([portrait("a")])
            assert opened.portraits() == [portrait("a")]


def test_a_portrait_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        opened.put_portraits([portrait("a"), portrait("b")])
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE portraits SET packed = ? WHERE rig = 'a'", (b"\xc1 nonsense",))
    with closing(SqlStore.open(path)) as opened:
        assert opened.portraits() == [portrait("b")]
