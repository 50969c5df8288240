"""One suite over every store: what it remembers of hours that have gone by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from controller.ports import Store
from controller.records import SeenHour
from controller.store import memory as memory_module
from controller.store import sql as sql_module
from controller.store.sql import SqlStore


def seen_hour(site: str, begun_at: float, **changes: object) -> SeenHour:
    hour = SeenHour(
        site=site,
        begun_at=begun_at,
        power_usd_per_kwh=-0.02,
        demand_groups=3.25,
        switches=4,
        brake_ratio=0.03,
    )
    return replace(hour, **changes)  # type: ignore[arg-type]


def test_hours_of_a_site_are_replaced_and_come_in_their_order(store: Store) -> None:
    assert not store.hours()
    late, early = seen_hour("oslo", 7200.0), seen_hour("oslo", 3600.0, demand_groups=None)
    store.put_hours([late, seen_hour("bergen", 7200.0), early])
    store.put_hours([replace(late, demand_groups=9.0)])
    store.put_hours([])
    assert store.hours() == [seen_hour("bergen", 7200.0), early, replace(late, demand_groups=9.0)]


def test_of_each_site_the_newest_hours_are_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (memory_module, sql_module):
        monkeypatch.setattr(module, "HOURS_KEPT", 3)
    store.put_hours([seen_hour("bergen", 0.0)])
    for n in (5, 1, 4, 2, 3, 0):
        store.put_hours([seen_hour("oslo", 3600.0 * n)])
    kept = [seen_hour("oslo", 3600.0 * n) for n in (3, 4, 5)]
    assert store.hours() == [seen_hour("bergen", 0.0), *kept]


def test_a_store_of_the_third_version_gets_room_for_hours(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqlStore.open(path).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("DROP TABLE hours")
        other.execute("UPDATE rigshift_schema SET version = 3")
    for _ in range(2):
        with closing(SqlStore.open(path)) as opened:
            opened.put_hours([seen_hour("oslo", 0.0)])
            assert opened.hours() == [seen_hour("oslo", 0.0)]
