"""A month of the books: told apart and settled; as CSV that adds up, and as a page that is safe."""

from __future__ import annotations

import csv
import io
import re
from contextlib import nullcontext
from decimal import Decimal

import pytest

from controller.cli import statement_csv, statement_page
from controller.core.books.entries import (
    MICRO,
    NOTHING,
    Account,
    DecisionRecord,
    Entry,
    Measure,
    charge,
    gathered,
)
from controller.core.books.statement import KEPT, By, Statement, days, month_of, statement
from controller.orders import BadRequestError, NothingFoundError
from controller.records import Pages
from controller.statements import Statements
from controller.store.memory import MemoryStore
from tests.controller.bookshop import BEGIN
from tests.controller.test_replay_page import REFERENCE, parsed

DAY = 20_000
"""2024-10-04."""
MONTH = "2024-10"
EVIL = '<script>alert("1")</script>'


def entry(where: Account, **amounts: float) -> Entry:
    sums = list(NOTHING)
    for name, amount in amounts.items():
        sums[Measure[name.upper()]] = round(amount * MICRO)
    return Entry(where, tuple(sums))


def account(rig: str, generation: int, desk: str = "ai", day: int = DAY) -> Account:
    return Account(day, "oslo", rig, "g0", "llama", desk, generation, "")


def owing(short_gpu_h: float, day: int = DAY) -> Entry:
    where = Account(day, "", "", "", "llama", "ai", 0, "acme")
    return entry(where, owed_gpu_h=100, short_gpu_h=short_gpu_h, allowed_gpu_h=1, penalty_usd=7.5)


def record(rig: str, generation: int, origin: str | None = "etc") -> DecisionRecord:
    return DecisionRecord(
        rig=rig,
        group="g0",
        generation=generation,
        at=BEGIN,
        origin=origin,
        workload="llama",
        reason=f"=serve llama: {EVIL}",
        promised_usd_per_h=1.0,
        switch_usd=0.1,
    )


ENTRIES = [
    entry(account("rig-1", 2), earning_h=3, income_usd=1.5, energy_usd=0.5, gain_usd=0.75),
    entry(account("rig-1", 3), earning_h=1, income_usd=0.25, wear_usd=0.01, gain_usd=-0.5),
    entry(account("rig-2", 2, "mining", DAY + 1), still_h=5, energy_usd=0.125, gain_usd=0.1),
    entry(account("rig-2", 1), expected_usd=1 / 3, earning_h=1),
    charge(at=BEGIN, site="oslo", item="demand charge", usd=12.0),
]
RECORDS = [record("rig-1", 2), record("rig-1", 3), record("rig-2", 1, "llama"), record("rig-2", 2)]


def read(by: By, entries: list[Entry] = ENTRIES, extremes: int | None = None) -> Statement:
    kept = gathered(entries, {*KEPT[by], "item"})
    return statement(MONTH, by, kept, RECORDS, BEGIN + 60.0, extremes=extremes)


def test_a_month_has_its_days_by_utc() -> None:
    assert days("1970-01") == (0, 30)
    assert days("2024-02")[1] - days("2024-02")[0] == 28
    assert month_of(BEGIN) == MONTH
    first, last = days(MONTH)
    assert first <= DAY <= last


@pytest.mark.parametrize("by", By)
def test_lines_add_up_to_the_total_digit_by_digit(by: By) -> None:
    found = read(by)
    rows = list(csv.DictReader(io.StringIO(statement_csv.text(found), newline="")))
    assert len(rows) == len(found.lines)
    for name in statement_csv.FIGURES:
        parts = sum(Decimal(row[name]) for row in rows)
        assert parts == Decimal(f"{getattr(found.total, name):.6f}"), name
    assert found.total == read(By.DESK).total
    assert found.total.net_estimate_usd == pytest.approx(1.75 - 0.625 - 0.01 - 12.0)


@pytest.mark.parametrize(("short", "penalty"), [(0.5, 0.0), (1.0, 0.0), (1.5, 7.5)])
def test_a_penalty_is_due_when_more_is_missing_than_may_be(short: float, penalty: float) -> None:
    for by in By:
        total = read(by, [*ENTRIES, owing(short)]).total
        assert (total.penalty_usd, total.short_gpu_h) == (penalty, short)


def test_a_bad_day_in_a_good_month_is_no_penalty() -> None:
    good = [owing(0.0, DAY + 1 + n) for n in range(10)]
    assert read(By.DAY, [owing(5.0), *good]).total.penalty_usd == 0.0


def test_of_decisions_the_extremes_are_those_that_moved_a_group() -> None:
    found = read(By.DECISION, extremes=1)
    assert [line.figures.gain_estimate_usd for line in found.lines] == [-0.5, 0.75]
    assert found.left_out == 3
    assert found.total == read(By.DECISION).total


def test_a_spreadsheet_runs_nothing_of_what_others_named() -> None:
    text = statement_csv.text(read(By.DECISION))
    assert "\r\n" in text
    reasons = [row["reason"] for row in csv.DictReader(io.StringIO(text, newline=""))]
    assert reasons[1] == f"'=serve llama: {EVIL}"


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    entries = [*ENTRIES, owing(3.0), entry(account(EVIL, 9), unaccounted_h=2.5)]
    text = statement_page.rendered({by: read(by, entries) for by in statement_page.BY})
    structure = parsed(text)
    assert not REFERENCE.findall(text)
    assert "script" not in structure.tags
    words = " ".join(structure.words)
    for told in ("Statement of 2024-10", "demand charge", "acme", "2.50 group-hours", EVIL, "est."):
        assert told in words, told


def test_the_page_calls_less_than_half_a_cent_neither_gain_nor_loss() -> None:
    entries = [
        entry(account("rig-1", 2), earning_h=3, gain_usd=-0.004),
        entry(account("rig-1", 3), earning_h=3, gain_usd=0.004),
    ]
    text = statement_page.rendered({by: read(by, entries, 9) for by in statement_page.BY})
    assert "No decision has gained anything yet." in text
    assert "No decision has lost anything." in text


def test_the_plot_says_its_amounts() -> None:
    entries = [
        entry(account("rig-1", 2), expected_usd=1234.4, income_usd=0.5),
        entry(account("rig-1", 2, day=DAY + 1), energy_usd=50.0),
    ]
    text = statement_page.rendered({by: read(by, entries) for by in statement_page.BY})
    amounts = re.findall(r'class="amount">([^<]*)<', text)
    assert amounts == ["$1,234", "$0"], "what is too near to nothing stands nowhere"
    flat = statement_page.rendered({by: read(by, []) for by in statement_page.BY})
    assert re.findall(r'class="amount">([^<]*)<', flat) == ["$0.00"]


def office() -> Statements:
    store = MemoryStore()
    store.put_pages(Pages(entries=ENTRIES, records=RECORDS, through=BEGIN + 60.0))
    return Statements(lambda: nullcontext(store), lambda: BEGIN)


def test_questions_that_make_no_sense_say_what_would() -> None:
    with pytest.raises(BadRequestError, match="'2024-13' is no month") as bad:
        office().ask("2024-13", By.DESK)
    assert bad.value.hint == "write year and month, such as 2026-11"
    with pytest.raises(NothingFoundError, match="nothing of 2023-10") as none:
        office().ask("2023-10", By.DESK)
    assert none.value.hint == "they hold 2024-10 only"
    with pytest.raises(NothingFoundError, match="nothing of 2024-10") as early:
        Statements(lambda: nullcontext(MemoryStore()), lambda: BEGIN).ask(None, By.DESK)
    assert "once a minute" in early.value.hint


def test_a_penalty_of_days_gone_by_is_told_to_be_passing() -> None:
    (note,) = [note for note in read(By.DAY, [owing(5.0)]).notes if "penalty" in note]
    assert "until the month is over, it may go again" in note
