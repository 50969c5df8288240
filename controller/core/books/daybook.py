"""Adds up what groups come to over time, until somebody writes it down.

What is told of a group counts from that turn until something else is; a stretch without turns is
unaccounted for. Time that was booked is never booked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from controller.core.books.entries import (
    MICRO,
    SECONDS_PER_DAY,
    SECONDS_PER_H,
    Account,
    Entry,
    Measure,
    day_of,
)
from controller.core.books.posture import Rates
from controller.core.model import GroupKey

_MISSED: Rates = ((Measure.UNACCOUNTED_H, float(MICRO)),)

_Cell = list[float]
"""Millionths by measure, less than one of each left from the last time."""


class Place(NamedTuple):
    """An account without its day."""

    site: str
    rig: str
    group: str
    workload: str
    desk: str
    generation: int
    item: str


class Course:
    """What goes on for one group, or one contract. Changed by the daybook only."""

    __slots__ = ("cell", "day_ends", "place", "rates", "since", "turn")

    def __init__(self, place: Place, rates: Rates, since: float) -> None:
        self.place = place
        self.rates = rates
        self.since = since
        self.turn = 0
        self.cell: _Cell = []
        self.day_ends = -math.inf
        """Until when its cell is the one of the day."""


class Daybook:
    """Turns: `begin`, something of everybody, `end`."""

    def __init__(self, through: float | None, gap_s: float) -> None:
        """`through`: until when another has written; none: nobody has.

        `gap_s`: longest time between two turns that is still believed to have been as told.
        """
        self.through = through
        """Until when it has been told, epoch seconds."""
        self._gap_s = gap_s
        self._turn = 0
        self._told = 0
        self._lost_since: float | None = None
        self._in_sight: frozenset[GroupKey] | None = None
        """Who was there before the gap; none: whoever is there after it."""
        self._open: dict[GroupKey, Course] = {}
        self._pending: dict[Account, _Cell] = {}

    def begin(self, now: float) -> None:
        """A new turn; before the end of the last one nothing is booked."""
        before = self.through
        self.through = now if before is None else max(now, before)
        self._turn += 1
        self._told = 0
        self._lost_since = None
        if before is None or (self._turn > 1 and self.through - before <= self._gap_s):
            return
        self._lost_since = before
        self._in_sight = frozenset(self._open) if self._turn > 1 else None
        for course in self._open.values():
            self._close(course, before)
            course.since = self.through

    def tell(self, key: GroupKey, place: Place, rates: Rates) -> Course:
        """From now on this goes on."""
        assert self.through is not None, "a turn has begun"
        course = self._open.get(key)
        if course is not None and course.place == place:
            self.go_on(course, rates)
            return course
        if course is not None:
            self._close(course, self.through)
        course = self._open[key] = Course(place, (), self.through)
        self.go_on(course, rates)
        return course

    def go_on(self, course: Course, rates: Rates) -> None:
        """The same, at these rates from now on."""
        course.turn = self._turn
        self._told += 1
        if rates is not course.rates and rates != course.rates:
            assert self.through is not None, "a turn has begun"
            self._close(course, self.through)
            course.rates = rates

    def end(self) -> None:
        """Whoever was not told of has left."""
        assert self.through is not None, "a turn has begun"
        if self._told < len(self._open):
            for key in [key for key, one in self._open.items() if one.turn != self._turn]:
                self._close(self._open.pop(key), self.through)
        if self._lost_since is None:
            return
        for key, course in self._open.items():
            if course.place.rig and (self._in_sight is None or key in self._in_sight):
                site, rig, group, *_ = course.place
                place = Place(site, rig, group, "", "", 0, "")
                self._close(Course(place, _MISSED, self._lost_since), self.through)

    def add(self, entries: Iterable[Entry]) -> None:
        """Amounts that come at once."""
        for account, sums in entries:
            cell = self._cell(account)
            for place, amount in enumerate(sums):
                cell[place] += amount

    def drain(self) -> list[Entry]:
        """What has come together since the last time; less than a millionth of each is left."""
        if self.through is None:
            return []
        for course in self._open.values():
            self._close(course, self.through)
        entries = [entry for entry in map(_taken, self._pending.items()) if entry is not None]
        today = day_of(self.through)
        for account in [account for account in self._pending if account.day < today]:
            del self._pending[account]
        return entries

    def _close(self, course: Course, until: float) -> None:
        """Book what has come together; it goes on from there."""
        since = course.since
        while since < until:
            if since >= course.day_ends:
                day = day_of(since)
                course.cell = self._cell(Account(day, *course.place))
                course.day_ends = (day + 1) * SECONDS_PER_DAY
            end = min(course.day_ends, until)
            hours = (end - since) / SECONDS_PER_H
            cell = course.cell
            for place, rate in course.rates:
                cell[place] += rate * hours
            since = end
        course.since = until

    def _cell(self, account: Account) -> _Cell:
        cell = self._pending.get(account)
        if cell is None:
            cell = self._pending[account] = [0.0] * len(Measure)
        return cell


def _taken(item: tuple[Account, _Cell]) -> Entry | None:
    """Whole millionths, taken out of a cell."""
    account, cell = item
    sums = [0] * len(cell)
    for place, amount in enumerate(cell):
        if amount:
            sums[place] = whole = round(amount)
            cell[place] = amount - whole
    return Entry(account, tuple(sums)) if any(sums) else None
