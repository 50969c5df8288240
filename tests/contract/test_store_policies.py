"""Policies in every store: one follows the other, with its line in the audit, over upgrades too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.ports import Store, StoreError
from controller.records import Event, StoredPolicy
from controller.store import limits, tables
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    with closing(SqlStore.open(tmp_path / "store.db")) as opened:
        yield opened


def event(subject: str) -> Event:
    return Event(at=5.0, actor="bo", verb="activate policy", subject=subject, detail="why")


def policy(number: int) -> StoredPolicy:
    return StoredPolicy(
        number=number,
        digest=f"{number:064x}",
        text="dwell_s: 60\n# ä\n",
        at=5.0,
        actor="bo",
        reason="why",
        changes="dwell: 0 s → 60 s",
    )


def test_policies_follow_each_other_newest_first_with_their_line_in_the_audit(
    store: Store,
) -> None:
    assert store.policies(limit=1) == []
    for number in (1, 2, 3):
        store.put_policy(policy(number), event(str(number)))
    assert store.policies(limit=2) == [policy(3), policy(2)]
    assert [line.subject for line in store.events(limit=1)] == ["3"]


def test_a_policy_that_does_not_follow_is_refused_whole(store: Store) -> None:
    store.put_policy(policy(1), event("1"))
    for number in (1, 3):
        with pytest.raises(StoreError, match=f"policy {number} does not follow 1"):
            store.put_policy(policy(number), event("no"))
    assert store.policies(limit=9) == [policy(1)]
    assert len(store.events(limit=9)) == 1


def test_old_versions_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(store, MemoryStore):
        assert store._policies.maxlen == limits.POLICIES_KEPT
    monkeypatch.setattr("controller.store.sql.POLICIES_KEPT", 2)
    for number in (1, 2, 3):
        store.put_policy(policy(number), event("x"))
    kept = 3 if isinstance(store, MemoryStore) else 2
    assert len(store.policies(limit=9)) == kept


def test_a_store_without_room_for_policies_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        opened.add_event(event("before"))
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE policies")
        other.execute("UPDATE rigshift_schema SET version = ?", (tables.SCHEMA - 1,))
    for number in (1, 2):
        with closing(SqlStore.open(path)) as opened:
            assert opened.events(limit=9)[-1].subject == "before"
            opened.put_policy(policy(number), event("after"))
            assert opened.policies(limit=1) == [policy(number)]
