"""Whatever happens in whatever steps: books add up, count each hour once, and outlive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.books.entries import MICRO, Account, Entry, Measure, gathered, total
from controller.core.books.ledger import Ledger
from controller.core.books.statement import KEPT, By, statement
from controller.core.model import GroupView
from controller.ports import Store
from controller.records import Pages
from controller.store.memory import MemoryStore
from controller.store.sql import SqlStore
from tests.controller.bookshop import BEGIN, CHEAP, GAP_S, RISEN, H, Shop
from tests.controller.fleet import status, view
from wire.model import Phase

GROUPS = 3

HOURS = (
    Measure.EARNING_H,
    Measure.STILL_H,
    Measure.SWITCHING_H,
    Measure.DOWN_H,
    Measure.FAILED_H,
    Measure.UNPRICED_H,
    Measure.UNKNOWN_H,
    Measure.UNACCOUNTED_H,
)
RESTS = (Phase.RUNNING, Phase.IDLE, Phase.STARTING, Phase.FAILED, None)


@dataclass(frozen=True)
class Step:
    """A stretch of time in which nothing changes."""

    seconds: float
    phases: tuple[Phase | None, ...]
    risen: bool
    orders: int
    """Of this group the decision changes when it begins; `GROUPS` and more: of none."""


STEPS = st.lists(
    st.builds(
        Step,
        seconds=st.floats(1.0, GAP_S),
        phases=st.tuples(*[st.sampled_from(RESTS)] * GROUPS),
        risen=st.booleans(),
        orders=st.integers(0, 2 * GROUPS),
    ),
    min_size=1,
    max_size=12,
)


class Story:
    """A fleet that goes through steps; late in a day, so that midnight is in most of them."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.at = BEGIN + 23.5 * H
        self.generations = [1] * GROUPS
        self.workloads = ["etc"] * GROUPS

    def live(self, steps: Sequence[Step], cuts: int = 1) -> None:
        """Each step is told in `cuts` equal parts."""
        for step in steps:
            self.begin(step)
            for cut in range(cuts):
                self.tell(step, step.seconds * cut / cuts)
            self.at += step.seconds
        self.tell(steps[-1])

    def begin(self, step: Step) -> None:
        if step.orders < GROUPS:
            number = step.orders
            self.generations[number] += 1
            self.workloads[number] = "xmr" if self.workloads[number] == "etc" else "etc"
            key = view(number).key
            self.shop.order(key, self.workloads[number], self.generations[number], self.at)

    def tell(self, step: Step, after_s: float = 0.0) -> None:
        prices = RISEN if step.risen else CHEAP
        self.shop.turn(self.at + after_s, [*map(self.seen, range(GROUPS), step.phases)], prices)

    def seen(self, number: int, phase: Phase | None) -> GroupView:
        workload, generation = self.workloads[number], self.generations[number]
        active = workload if phase is Phase.RUNNING else None
        report = None if phase is None else status(active, phase, generation=generation)
        return replace(view(number, assigned=workload), generation=generation, status=report)


def lived(steps: Sequence[Step], cuts: int = 1) -> list[Entry]:
    story = Story()
    story.live(steps, cuts)
    return sorted(story.shop.drained())


def assert_alike(some: Sequence[Entry], others: Sequence[Entry], slack: int = 1) -> None:
    """But for millionths that have not come together yet."""
    left, right = dict(some), dict(others)
    for account in left.keys() | right.keys():
        nothing = (0,) * len(Measure)
        pairs = zip(left.get(account, nothing), right.get(account, nothing), strict=True)
        assert all(abs(a - b) <= slack for a, b in pairs), account


def span_h(steps: Sequence[Step]) -> float:
    return sum(step.seconds for step in steps) / H


@given(STEPS, st.integers(2, 4))
@settings(deadline=None, max_examples=40)
def test_time_may_be_told_in_any_parts(steps: list[Step], cuts: int) -> None:
    assert_alike(lived(steps), lived(steps, cuts))


@given(STEPS)
@settings(deadline=None, max_examples=40)
def test_every_hour_of_every_group_counts_as_one_thing(steps: list[Step]) -> None:
    by_rig = gathered(lived(steps), ("rig",))
    assert [entry.account.rig for entry in by_rig] == ["rig000", "rig001", "rig002"]
    for entry in by_rig:
        hours = sum(entry.sums[measure] for measure in HOURS) / MICRO
        assert hours == pytest.approx(span_h(steps), abs=1e-4)


@given(STEPS)
@settings(deadline=None, max_examples=40)
def test_income_comes_from_earning_hours_only(steps: list[Step]) -> None:
    for account, sums in lived(steps):
        assert bool(sums[Measure.EARNING_H]) == bool(sums[Measure.INCOME_USD]), account
        if sums[Measure.UNKNOWN_H] and not any(sums[place] for place in HOURS[:6]):
            assert not sums[Measure.ENERGY_USD]


@given(STEPS, st.data())
@settings(deadline=None, max_examples=40)
def test_every_grouping_adds_up_to_the_same(steps: list[Step], data: st.DataObject) -> None:
    entries = lived(steps)
    whole = total(entries)
    for by in By:
        told = statement("2024-10", by, gathered(entries, {*KEPT[by], "item"}), (), BEGIN)
        for name in ("net_estimate_usd", "expected_usd", "penalty_usd", "earning_h"):
            parts = sum(round(getattr(line.figures, name) * MICRO) for line in told.lines)
            assert parts == round(getattr(told.total, name) * MICRO)
    names = data.draw(st.sets(st.sampled_from(Account._fields)))
    assert total(gathered(entries, names)) == whole


@given(STEPS, st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_the_order_of_writing_is_no_matter(steps: list[Step], seed: int) -> None:
    entries, shuffled = lived(steps), lived(steps)
    Random(seed).shuffle(shuffled)
    stores = MemoryStore(), MemoryStore()
    for store, pages in zip(stores, (entries, shuffled), strict=True):
        for entry in pages:
            store.put_pages(Pages(entries=[entry], records=(), through=BEGIN))
    assert books_of(stores[0]) == books_of(stores[1]) == gathered(entries)


def books_of(store: Store) -> list[Entry]:
    return store.booked(0, 30_000, Account._fields)


@given(STEPS, STEPS, st.floats(GAP_S + 1.0, 4 * H), st.booleans())
@settings(deadline=None, max_examples=30)
def test_a_restart_changes_nothing_but_the_gap(
    before: list[Step], after: list[Step], away_s: float, durable: bool
) -> None:
    with TemporaryDirectory() as folder, closing(SqlStore.open(Path(folder) / "db")) as sql:
        store: Store = sql if durable else MemoryStore()
        restarted = broken_off(store, before, after, away_s)
    stalled = Story()
    stalled.live(before)
    stalled.at += away_s
    stalled.live(after)
    assert_alike(merged(restarted), merged(sorted(stalled.shop.drained())), slack=2)
    unaccounted = total(restarted)[Measure.UNACCOUNTED_H] / MICRO
    assert unaccounted == pytest.approx(GROUPS * away_s / H, abs=1e-4)


def broken_off(
    store: Store, before: Sequence[Step], after: Sequence[Step], away_s: float
) -> list[Entry]:
    """A ledger that ends, and another one that goes on with what stands in the store."""
    story = Story()
    story.live(before)
    write(store, story.shop.ledger)
    newest = {one.rig: one for one in store.decisions(0, 30_000)}
    story.shop.ledger = Ledger(
        through=store.booked_through(), records=list(newest.values()), gap_s=GAP_S
    )
    story.at += away_s
    story.live(after)
    write(store, story.shop.ledger)
    return books_of(store)


def merged(entries: Sequence[Entry]) -> list[Entry]:
    """Who has just started cannot tell a restart from a switch, if it finds one under way."""
    found = []
    for account, sums in entries:
        amounts = list(sums)
        amounts[Measure.SWITCHING_H] += amounts[Measure.DOWN_H]
        amounts[Measure.DOWN_H] = amounts[Measure.INTERRUPTED_USD] = 0
        found.append(Entry(account, tuple(amounts)))
    return found


def write(store: Store, ledger: Ledger) -> None:
    entries, records = ledger.drain()
    assert ledger.through is not None
    store.put_pages(Pages(entries=entries, records=records, through=ledger.through))
