"""From kin to cohorts and back: what is decided for counts becomes what each group shall do.

Of those that could do the same, moves and seats go to the earlier key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import TypeVar

from controller.core.optimiser.cohorts import Cohort, Lot, Settlement
from controller.core.options.case import Case, Stake
from controller.core.options.choice import Choice
from controller.core.options.economics import busy_shares

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Batch:
    """Groups of one site with one case, and their places in the roster, ascending."""

    case: Case
    members: Sequence[int]


@dataclass(frozen=True, slots=True)
class Staked:
    """A batch that knows what it may do."""

    stake: Stake
    members: Sequence[int]


@dataclass(frozen=True, slots=True)
class Company:
    """A cohort with those who make it up."""

    choices: tuple[Choice, ...]
    parts: tuple[Staked, ...]

    @property
    def cohort(self) -> Cohort:
        """Counted."""
        return Cohort(self.choices, sum(len(part.members) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Fate:
    """What some groups of one batch shall do."""

    stake: Stake
    choice: Choice
    share: float
    """How busy they are if they serve."""
    waiting: bool
    """They would move but for a limit on switches."""
    members: Sequence[int]


def by_share(
    batches: Sequence[Batch], gains: Sequence[float], demand: float
) -> Iterator[tuple[int, Batch, float]]:
    """Batches of groups that are equally busy now: seats go to who gains most, of equals by key.

    `gains` is what being busy adds to each, $/h; only batches that serve are split. With each part
    comes the number of the batch that it was a part of.
    """
    seated = [i for i, batch in enumerate(batches) if batch.case.seated]
    rows = merge(*([(-gains[i], member) for member in batches[i].members] for i in seated))
    line = [member for _, member in rows]
    shares = dict(zip(line, busy_shares([0.0] * len(line), demand), strict=True))
    for i, batch in enumerate(batches):
        if batch.case.seated:
            yield from ((i, part, share) for part, share in told_apart(batch, shares))
        else:
            yield i, batch, 0.0


def told_apart(batch: Batch, told: Mapping[int, T]) -> Iterator[tuple[Batch, T]]:
    """A batch split by what is told of each of its members."""
    found: dict[T, list[int]] = defaultdict(list)
    for member in batch.members:
        found[told[member]].append(member)
    for one, members in found.items():
        yield Batch(batch.case, members), one


def companies(staked: Sequence[Staked]) -> tuple[Company, ...]:
    """Who has the same menu, in the order of their first keys.

    What cannot move is kept apart by what ties it, so that it can be told what would free it.
    """
    found: dict[tuple[int, str], list[Staked]] = defaultdict(list)
    for one in staked:
        menu, standing = one.stake.candidate.choices, one.stake.case.standing
        found[id(menu), standing.block].append(one)
    ordered = sorted(found.values(), key=lambda parts: min(p.members[0] for p in parts))
    return tuple(Company(parts[0].stake.candidate.choices, tuple(parts)) for parts in ordered)


def fates(crews: Sequence[Company], settled: Settlement, waiting: Sequence[int]) -> Iterator[Fate]:
    """What each group of a site shall do."""
    for crew, lots, wait in zip(crews, settled.lots, waiting, strict=True):
        yield from _dealt(crew, list(_with_waiting(lots, wait)))


def _with_waiting(lots: Sequence[Lot], wait: int) -> Iterator[tuple[Lot, bool]]:
    """Who waits to move is the next in line of those that stay."""
    for lot in lots:
        here = min(wait, lot.count) if lot.pick == 0 else 0
        wait -= here
        if here:
            yield Lot(lot.pick, lot.share, here), True
        if lot.count > here:
            yield Lot(lot.pick, lot.share, lot.count - here), False


def _dealt(crew: Company, lots: Sequence[tuple[Lot, bool]]) -> Iterator[Fate]:
    if len(lots) == 1:
        lot, waits = lots[0]
        for part in crew.parts:
            yield Fate(part.stake, crew.choices[lot.pick], lot.share, waits, part.members)
        return
    line = merge(*([(m, p) for m in part.members] for p, part in enumerate(crew.parts)))
    for lot, waits in lots:
        by_part: Mapping[int, list[int]] = defaultdict(list)
        for _ in range(lot.count):
            member, p = next(line)
            by_part[p].append(member)
        for p, members in by_part.items():
            yield Fate(crew.parts[p].stake, crew.choices[lot.pick], lot.share, waits, members)
