"""`rigshift statement` against a real server: tables, CSV, a page, and what is wrong told."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.api import auth
from controller.api.app import create_app
from controller.api.server import Server, serve
from controller.cli.statement import _cells
from controller.core.books import statement
from controller.core.books.statement import By
from controller.operations import Operations
from controller.records import Pages
from controller.statements import Statements
from controller.store.sql import SqlStore
from tests.controller.bookshop import BEGIN
from tests.controller.desk import view
from tests.controller.test_cli import Farm, LivelyDesk, Shell
from tests.controller.test_statement import DAY, ENTRIES, EVIL, RECORDS, account, entry


class Office(Farm):
    """A controller whose books hold a month."""

    async def _start(self, store: SqlStore) -> Server:
        self.desk = LivelyDesk(store, view("rig-01", "g0", active="etc"))
        store.put_pages(Pages(entries=ENTRIES, records=RECORDS, through=BEGIN + 60.0))
        before = replace(RECORDS[0], rig="rig-01", generation=0)
        entries = [
            entry(account("rig-01", 0, day=DAY + 60), income_usd=1.5, energy_usd=0.5, gain_usd=0.75)
        ]
        store.put_pages(Pages(entries=entries, records=[before], through=BEGIN + 60.0))
        app = create_app(
            Operations(self.desk, store, now=lambda: BEGIN, new_id=lambda: "id"),
            tokens=auth.load(self.token_file),
            metrics=lambda _: (b"", "text/plain"),
            statements=Statements(lambda: closing(store.reader()), lambda: BEGIN),
        )
        return await serve(app, "127.0.0.1", 0)


@pytest.fixture
def shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    with closing(Office(tmp_path)) as office:
        yield Shell(office, capfd)


def test_the_present_month_by_desk_is_what_one_gets(shell: Shell) -> None:
    assert shell("statement") == 0
    assert "2024-10 by desk" in shell.out
    assert "total" in shell.out
    assert "Income is an estimate" in shell.out


def test_json_and_csv_say_the_same(shell: Shell) -> None:
    assert shell("statement", "2024-10", "--by", "decision", "--json") == 0
    told = json.loads(shell.out)
    assert shell("statement", "2024-10", "--by", "decision", "--csv", "-") == 0
    rows = list(csv.DictReader(io.StringIO(shell.out, newline="")))
    gains = [line["figures"]["gain_estimate_usd"] for line in told["lines"]]
    assert [float(row["gain_estimate_usd"]) for row in rows] == gains
    assert [row["generation"] for row in rows] == ["", "2", "3", "1", "2"]


def test_explain_says_what_the_decision_before_came_to(shell: Shell) -> None:
    assert shell("explain", "rig-01") == 0
    words = " ".join(shell.out.split())
    assert "before, llama since" in words
    assert "realised 1.00 $ (estimate), +0.75 $ against staying on etc" in words


def test_decisions_are_shown_with_their_reasons(shell: Shell) -> None:
    assert shell("statement", "--by", "decision") == 0
    for told in ("rig-1/g0", "etc", "llama", "0.75", "more", "--csv"):
        assert told in shell.out, told


def test_a_table_tells_instants_by_the_clock_of_its_days(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = datetime.fromtimestamp(BEGIN + 60.0, UTC).strftime("%m-%d %H:%M UTC")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Pacific/Kiritimati")
        time.tzset()
        assert shell("statement") == 0
        assert f"booked through {through}" in shell.out
    time.tzset()


def test_less_than_half_a_cent_is_nothing_and_not_less() -> None:
    nothing = statement.statement("2024-10", By.DAY, [], [], BEGIN).total
    loss = replace(nothing, net_estimate_usd=-0.004, gain_estimate_usd=-1234.5)
    cells = _cells(loss)
    assert cells[0] == "0.00"
    assert cells[5] == "-1,234.50"


def test_a_page_and_a_file_are_written(shell: Shell, tmp_path: Path) -> None:
    page, table = tmp_path / "page.html", tmp_path / "table.csv"
    assert shell("statement", "--page", str(page), "--csv", str(table)) == 0
    assert "Statement of 2024-10" in page.read_text(encoding="utf-8")
    assert EVIL not in page.read_text(encoding="utf-8")
    assert table.read_bytes().count(b"\r\n") == 4
    assert shell.out == ""


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("2024-13",), 2, "write year and month, such as 2026-11"),
        (("2023-10",), 2, "they hold 2024-10 only"),
        (("--by", "colour"), 2, "choose one of desk, site, rig"),
        (("--csv", "/nowhere/at/all.csv"), 2, "name a file in a directory that exists"),
    ],
)
def test_what_cannot_be_answered_is_told(
    shell: Shell, argv: tuple[str, ...], code: int, words: str
) -> None:
    assert shell("statement", *argv) == code
    assert words in shell.err
