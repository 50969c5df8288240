"""How much of what is promised workloads deliver, learnt from the books for the next plan.

What is learnt is the part of ordered time in which a workload that had run went on running, and
not money: prices, yield and watts reach a plan by quotes and measurements, and switches by what
they cost. It is held within bounds, moves in steps, and is forgotten; no rig moves it alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from controller.core.books.entries import (
    MICRO,
    SECONDS_PER_DAY,
    Entry,
    Measure,
)

HALF_LIFE_S = 3.0 * SECONDS_PER_DAY
"""After so long without news evidence counts half: what was mended is trusted again."""

REMEMBERED_DAYS = 10
"""Days of the books that a restarted controller learns from; older ones would hardly count."""

HOURS_MIN = 12.0
"""Hours of one rig with one workload before it has a say; so many are presumed to go well."""

RIGS_MIN = 3
"""Rigs of a class that must have a say; their median counts, so that none can move it alone."""

SHARE_MIN = 0.5
"""Less is never reckoned with: such a workload is a matter for people."""

STEP = 0.05
"""A share that counts changes only when it is wrong by so much, and then to a multiple of it."""


@dataclass(slots=True)
class _Evidence:
    """Group-hours of one rig with one workload."""

    at: float
    earning_h: float = 0.0
    down_h: float = 0.0

    def add(self, at: float, earning_h: float, down_h: float) -> None:
        fade = 0.5 ** (max(0.0, at - self.at) / HALF_LIFE_S)
        self.earning_h = self.earning_h * fade + earning_h
        self.down_h = self.down_h * fade + down_h
        self.at = max(at, self.at)

    def share(self, at: float) -> float | None:
        """None: not enough is known."""
        self.add(at, 0.0, 0.0)
        known_h = self.earning_h + self.down_h
        if known_h < HOURS_MIN:
            return None
        return (HOURS_MIN + self.earning_h) / (HOURS_MIN + known_h)


class Deliveries:
    """What is known of each workload on each class."""

    def __init__(self) -> None:
        self.shares: dict[tuple[str, str | None], float] = {}
        """By class and workload, to reckon with; absent: all is delivered."""
        self._evidence: dict[tuple[str, str], _Evidence] = {}

    def learn(self, entries: Iterable[Entry]) -> None:
        """Take in what was booked, oldest first."""
        for account, sums in entries:
            earning, down = sums[Measure.EARNING_H], sums[Measure.DOWN_H]
            if account.rig and account.workload and (earning or down):
                at = (account.day + 1) * SECONDS_PER_DAY
                known = self._evidence.setdefault((account.rig, account.workload), _Evidence(at))
                known.add(at, earning / MICRO, down / MICRO)

    def weigh(self, at: float, classes: Mapping[str, str]) -> None:
        """Bring what counts up to date; `classes`: of every rig."""
        said: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        for (rig, workload), evidence in self._evidence.items():
            share = evidence.share(at)
            if share is not None and rig in classes:
                said[classes[rig], workload].append(share)
        learnt = {key: median(of) for key, of in said.items() if len(of) >= RIGS_MIN}
        for key in self.shares.keys() | learnt.keys():
            self._follow(key, learnt.get(key, 1.0))

    def _follow(self, key: tuple[str, str | None], learnt: float) -> None:
        counts = self.shares.get(key, 1.0)
        if abs(learnt - counts) < STEP:
            return
        counts = max(SHARE_MIN, round(learnt / STEP) * STEP)
        self.shares = {k: share for k, share in self.shares.items() if k != key}
        if counts < 1.0:
            self.shares[key] = counts
