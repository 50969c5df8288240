"""Keeps the books: tells the ledger every plan, and writes down what it comes to once a minute.

What the store refuses waits and is tried again. The books follow what was decided; of what they
hold only how much workloads deliver comes back into a plan.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from controller.core.books.delivery import REMEMBERED_DAYS, Deliveries
from controller.core.books.entries import (
    MICRO,
    SECONDS_PER_DAY,
    Entry,
    Measure,
    charge,
    day_of,
    gathered,
)
from controller.core.books.ledger import Issued, Ledger, Sighting
from controller.core.books.results import Results, counted
from controller.core.charges.account import Bill
from controller.core.contracts.availability import Attendance, Service
from controller.core.model import GroupKey, GroupView, Plan
from controller.core.options.economics import Market
from controller.core.policy.settings import PolicySettings
from controller.ports import Books, StoreError
from controller.records import Pages
from wire import logs

WRITE_S = 60.0
"""How often the books are written, seconds of price time; a crash leaves so much unaccounted."""

WRITE_S_MIN = 10.0
"""A replay lets price time pass faster than anybody should write, seconds."""

MONTH_DAYS_MAX = 63
"""What was charged for this billing month, and owed in this month, was booked since then."""

GAP_TICKS = 6.0
"""So many ticks without a plan are a gap: what groups did meanwhile was not looked at."""

GAP_S_MIN = 60.0
"""Shorter ones are none: a plan may take a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Clocks of the books."""

    prices: Callable[[], float]
    """Epoch seconds that prices count by."""
    monotonic: Callable[[], float]
    tick_s: float
    """At least this often the fleet is planned, seconds."""
    speed: float = 1.0
    """Seconds of price time per second; above 1 only in a replay."""

    @property
    def gap_s(self) -> float:
        """What is a gap, seconds of price time."""
        return max(GAP_TICKS * self.tick_s, GAP_S_MIN) * self.speed

    @property
    def write_s(self) -> float:
        """Time between two writings, seconds."""
        return max(WRITE_S / self.speed, WRITE_S_MIN)


class Bookkeeper:
    """The live end of the books."""

    def __init__(
        self,
        books: Books,
        rhythm: Rhythm,
        *,
        issued: Mapping[GroupKey, Issued],
        market: Callable[[], Market],
        policy: Callable[[], PolicySettings],
        classes: Callable[[], Mapping[str, str]],
        bills: Callable[[], Sequence[Bill]] = list,
    ) -> None:
        """Go on where the books end. Raises `StoreError`.

        `issued`: newest assignment of each group; `market`: at the prices that are trusted now;
        `classes`: of every rig; `bills`: where each demand charge stands.
        """
        self.results: Results = {}
        """By desk, since the start, as of the newest writing."""
        self.deliveries = Deliveries()
        self.attendance = Attendance()
        """What contracts were owed and got, as of the newest writing."""
        self._books = books
        self._rhythm = rhythm
        self._issued = issued
        self._market = market
        self._policy = policy
        self._log = logs.get("books")
        self._fault = ""
        self._unwritten = Pages(entries=(), records=(), through=0.0)
        # The first plan opens the books: however soon this ends, the next sees since when.
        self._written_s = -math.inf
        self._classes = classes
        self._bills = bills
        self._charged: dict[tuple[str, str], float] = defaultdict(float)
        now = rhythm.prices()
        self.ledger = Ledger(
            through=self._through(now), records=books.standing_decisions(), gap_s=rhythm.gap_s
        )
        today = day_of(now)
        past = books.booked(today - REMEMBERED_DAYS, today, ("day", "rig", "workload"))
        self.deliveries.learn(past)
        self._resume(books.booked(today - MONTH_DAYS_MAX, today, ("day", "site", "item")))
        # At once: a plan without it could move groups that the next one moves back.
        self.deliveries.weigh(now, classes())

    def planned(self, plan: Plan, views: Sequence[GroupView]) -> None:
        """Take in a plan, and write if it is time."""
        market = self._market()
        self.ledger.turn(
            Sighting(
                now=self._rhythm.prices(),
                plan=plan,
                views=views,
                issued=self._issued,
                tariffs={site: market.tariff_usd_per_kwh(site) for site in market.sites},
                policy=self._policy(),
                shares=market.delivered,
            )
        )
        if self._rhythm.monotonic() - self._written_s >= self._rhythm.write_s:
            self.write()

    def write(self) -> None:
        """Write down all that has come together."""
        self._written_s = self._rhythm.monotonic()
        through = self.ledger.through
        if through is None:
            return
        self.ledger.enter(list(self._due(through)))
        entries, records = self.ledger.drain()
        self._attended(entries)
        self.results = counted(self.results, entries)
        self.deliveries.learn(entries)
        self.deliveries.weigh(through, self._classes())
        left = self._unwritten
        pages = Pages(
            entries=gathered([*left.entries, *entries]) if left.entries else entries,
            records=[*left.records, *records],
            through=through,
        )
        try:
            self._books.put_pages(pages)
        except StoreError as error:
            if str(error) != self._fault:
                self._log.error("store refused", error=str(error))
            self._fault, self._unwritten = str(error), pages
        else:
            self._fault, self._unwritten = "", Pages(entries=(), records=(), through=through)

    def _resume(self, past: Sequence[Entry]) -> None:
        """Take in what was booked for contracts and charges before this start."""
        self._attended(past)
        for account, sums in past:
            if sums[Measure.CHARGE_USD]:
                self._charged[account.site, account.item] += sums[Measure.CHARGE_USD] / MICRO

    def _attended(self, entries: Sequence[Entry]) -> None:
        for account, sums in entries:
            if owed := sums[Measure.OWED_GPU_H]:
                service = Service(owed / MICRO, sums[Measure.SHORT_GPU_H] / MICRO)
                self.attendance.learn(account.item, account.day * SECONDS_PER_DAY, service)

    def _due(self, at: float) -> Iterator[Entry]:
        """By how much the bills of the month differ from what is booked."""
        for bill in self._bills():
            item = f"{bill.charge} at {bill.site}, month from {bill.month_from}"
            usd = bill.usd - self._charged[bill.site, item]
            if round(usd * MICRO):
                self._charged[bill.site, item] += usd
                yield charge(at=at, site=bill.site, item=item, usd=usd)

    def _through(self, now: float) -> float | None:
        through = self._books.booked_through()
        if through is not None and through > now + self._rhythm.gap_s:
            self._log.warning("books are ahead of the clock", through=through, now=now)
            return None
        return through
