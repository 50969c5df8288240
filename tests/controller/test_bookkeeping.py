"""The live end of the books: written once a minute, kept when refused, gone on with."""

from __future__ import annotations

import pytest

from controller.bookkeeping import WRITE_S, Bookkeeper, Rhythm
from controller.core.books.entries import MICRO, NOTHING, Account, Entry, Measure
from controller.core.model import Plan
from controller.core.options import economics
from controller.ports import Pages, StoreError
from controller.store.memory import MemoryStore
from tests.controller.bookshop import BEGIN, CHEAP
from tests.controller.fleet import FARM, POLICY, planned, quotes, view

DAY = 20_000


class Board:
    """A bookkeeper of a small farm, whose clock a test turns."""

    def __init__(self, store: MemoryStore, now: float = BEGIN) -> None:
        self.now = now
        self.store = store
        self.keeper = Bookkeeper(
            store,
            Rhythm(prices=self.clock, monotonic=self.clock, tick_s=10.0),
            issued={},
            market=lambda: economics.market(FARM, quotes(CHEAP)),
            policy=lambda: POLICY,
            classes=lambda: {f"rig-{n}": "a4000" for n in range(3)},
        )

    def clock(self) -> float:
        return self.now

    def tick(self, seconds: float) -> Plan:
        plan = planned([view()], CHEAP)
        self.keeper.planned(plan, [view()])
        self.now += seconds
        return plan


class Refusing(MemoryStore):
    """A store whose disk is full for a while."""

    full = False

    def put_pages(self, pages: Pages) -> None:
        if self.full:
            raise StoreError("no room left")
        super().put_pages(pages)


def test_books_are_written_once_a_minute_and_what_is_refused_is_kept() -> None:
    store = Refusing()
    board = Board(store)
    store.full = True
    for _ in range(int(2 * WRITE_S / 10.0) + 1):
        board.tick(10.0)
    assert store.booked_through() is None
    store.full = False
    board.keeper.write()
    (written,) = store.booked(DAY, DAY, ())
    assert written.sums[Measure.EARNING_H] == pytest.approx(2 * WRITE_S / 3600 * MICRO, abs=4)
    assert [one.workload for one in store.decisions(DAY, DAY)] == ["etc"]
    assert board.keeper.results["none"].realized_usd > 0.0


def test_the_next_bookkeeper_goes_on_where_the_books_end() -> None:
    store = MemoryStore()
    first = Board(store)
    for _ in range(7):
        first.tick(10.0)
    first.keeper.write()
    second = Board(store)
    second.now = first.now + 290.0
    second.tick(10.0)
    second.tick(10.0)
    second.keeper.write()
    (told,) = store.booked(DAY, DAY, ())
    assert told.sums[Measure.UNACCOUNTED_H] == pytest.approx(300 / 3600 * MICRO, abs=2)


def test_books_from_the_future_do_not_stop_the_clock() -> None:
    store = MemoryStore()
    store.put_pages(Pages(entries=(), records=(), through=BEGIN + 1e6))
    board = Board(store)
    board.tick(10.0)
    board.tick(10.0)
    board.keeper.write()
    (told,) = store.booked(DAY, DAY, ())
    assert told.sums[Measure.EARNING_H] > 0


def test_what_was_learnt_of_delivery_counts_from_the_first_plan_after_a_restart() -> None:
    store = MemoryStore()
    sums = list(NOTHING)
    sums[Measure.EARNING_H], sums[Measure.DOWN_H] = 800 * MICRO, 200 * MICRO
    entries = [
        Entry(Account(DAY, "oslo", f"rig-{n}", "all", "etc", "", 1, ""), tuple(sums))
        for n in range(3)
    ]
    store.put_pages(Pages(entries=entries, records=(), through=BEGIN))
    assert Board(store).keeper.deliveries.shares == pytest.approx({("a4000", "etc"): 0.8})


def test_who_dies_within_a_minute_leaves_a_gap_that_shows() -> None:
    store = MemoryStore()
    for life in range(4):
        board = Board(store, BEGIN + 100.0 * life)
        for _ in range(3):
            board.tick(10.0)
    (told,) = store.booked(DAY, DAY, ())
    assert told.sums[Measure.UNACCOUNTED_H] == pytest.approx(300 / 3600 * MICRO, abs=4)
    assert told.sums[Measure.EARNING_H] == 0
