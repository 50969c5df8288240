"""The live end of the books: written once a minute, kept when refused, gone on with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from controller.bookkeeping import WRITE_S, Bookkeeper, Rhythm
from controller.core.books.entries import MICRO, NOTHING, Account, Entry, Measure
from controller.core.charges.account import Bill
from controller.core.model import Plan
from controller.core.options import economics
from controller.core.policy.contract import ContractSettings
from controller.core.policy.settings import PolicySettings
from controller.ports import StoreError
from controller.records import Pages
from controller.store.memory import MemoryStore
from tests.controller.bookshop import BEGIN, CHEAP
from tests.controller.fleet import FARM, POLICY, planned, quotes, view

DAY = 20_000


class Board:
    """A bookkeeper of a small farm, whose clock a test turns."""

    def __init__(
        self, store: MemoryStore, now: float = BEGIN, policy: PolicySettings = POLICY
    ) -> None:
        self.now = now
        self.store = store
        self.policy = policy
        self.bills: list[Bill] = []
        self.keeper = Bookkeeper(
            store,
            Rhythm(prices=self.clock, monotonic=self.clock, tick_s=10.0),
            issued={},
            market=lambda: economics.market(FARM, quotes(CHEAP)),
            policy=lambda: policy,
            classes=lambda: {f"rig-{n}": "a4000" for n in range(3)},
            bills=lambda: self.bills,
        )

    def clock(self) -> float:
        return self.now

    def tick(self, seconds: float) -> Plan:
        plan = planned([view()], CHEAP, policy=self.policy)
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


def test_what_a_contract_was_owed_and_got_is_known_again_after_a_restart() -> None:
    contract = ContractSettings(
        name="acme", customer="Acme", workload="llama", rig_classes=("a4000",), gpus=1,
        price_usd_per_gpu_h=0.3, penalty_usd_per_gpu_h=1.0, availability_ratio=0.99,
        start=datetime(1970, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    owing = replace(POLICY, contracts=(contract,))
    store = MemoryStore()
    first = Board(store, policy=owing)
    for _ in range(7):
        first.tick(10.0)
    first.keeper.write()
    counted = first.keeper.attendance.service("acme", BEGIN)
    assert counted.owed_gpu_h == counted.short_gpu_h == pytest.approx(60 / 3600, abs=1e-5)
    second = Board(store, now=first.now, policy=owing)
    assert second.keeper.attendance.service("acme", BEGIN) == counted


def test_a_demand_charge_is_booked_as_it_grows_and_once_over_restarts() -> None:
    bill = Bill(
        site="oslo", charge="grid", month_from=date(2024, 10, 1), usd_per_kw_month=10.0,
        peak_w=3000.0, billed_w=3000.0, hours_left=90.0, steps=(),
    )  # fmt: skip
    store = MemoryStore()

    def charged() -> dict[str, int]:
        entries = store.booked(DAY, DAY + 40, ("site", "item"))
        return {one.account.item: one.sums[Measure.CHARGE_USD] for one in entries if any(one.sums)}

    first = Board(store)
    first.bills = [bill]
    first.tick(10.0)
    first.keeper.write()
    assert charged()["grid at oslo, month from 2024-10-01"] == 30 * MICRO
    second = Board(store, now=first.now)
    second.bills = [replace(bill, peak_w=3500.0, billed_w=3500.0)]
    for _ in range(3):
        second.tick(10.0)
        second.keeper.write()
    assert charged()["grid at oslo, month from 2024-10-01"] == 35 * MICRO
    second.now += 35 * 86_400.0
    second.bills = [replace(bill, month_from=date(2024, 11, 1), billed_w=1000.0)]
    second.tick(10.0)
    second.keeper.write()
    assert charged()["grid at oslo, month from 2024-11-01"] == 10 * MICRO
    assert charged()["grid at oslo, month from 2024-10-01"] == 35 * MICRO
