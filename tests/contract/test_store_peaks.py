"""One suite over every store: what it remembers of demand charges."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from controller.core.charges.account import PeakAccount
from controller.ports import Store
from controller.store.sql import SqlStore


def account(site: str, charge: str = "demand") -> PeakAccount:
    return PeakAccount(
        site=site,
        charge=charge,
        month_at=1_772_323_200.0,
        peak_w=41_250.5,
        past_w=(39_000.0, 0.0),
        seen_h=12.5,
        wanted_h=(12.5, 3.25),
        forgone_usd_per_kw=(0.0, 1.75),
    )


def test_accounts_are_replaced_and_come_by_site_and_charge(store: Store) -> None:
    assert not store.peaks()
    oslo, evening = account("oslo"), account("oslo", "evening")
    store.put_peaks([oslo, account("bergen"), evening])
    store.put_peaks([replace(oslo, peak_w=50_000.0)])
    store.put_peaks([])
    assert store.peaks() == [account("bergen"), replace(oslo, peak_w=50_000.0), evening]


def test_a_store_of_an_older_version_gets_room_for_accounts(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    SqlStore.open(path).close()
    for version in (6, 7):
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("DROP TABLE peaks")
            other.execute("UPDATE rigshift_schema SET version = ?", (version,))
        with closing(SqlStore.open(path)) as opened:
            opened.put_peaks([account("oslo")])
            assert opened.peaks() == [account("oslo")]


def test_an_account_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(SqlStore.open(path)) as opened:
        opened.put_peaks([account("oslo"), account("bergen")])
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE peaks SET packed = ? WHERE site = 'oslo'", (b"\xc1 nonsense",))
    with closing(SqlStore.open(path)) as opened:
        assert opened.peaks() == [account("bergen")]
