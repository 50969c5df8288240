"""What a group gains by going elsewhere, over the coming day; solved once for those alike.

A value: the same pool always has the same answer, and an answer is kept for the next who asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from controller.core.timing import induction
from controller.core.timing import terms as t
from controller.core.timing.forecast import Foretold
from controller.core.timing.induction import Road
from controller.core.timing.pool import Pool, outlook
from controller.core.timing.terms import FloatArray

SOLVED_MAX = 20
"""Positions that are solved; what lies between two is laid on the line between them."""
EVERYBODY = 10**9
"""More groups than any site has: the last block has no end."""
BLOCKS_MAX = 50
"""Positions that are told apart: groups of one block plan alike, which keeps large plans fast."""


@dataclass(frozen=True, slots=True)
class Gains:
    """What going to each option now is expected to bring, switch and bands included."""

    wait_usd: tuple[float, ...]
    """By target: beyond staying for a tick and doing what is best then; this decides."""
    stay_usd: tuple[float, ...]
    """By target: beyond staying all day long, and doing there what is best; for people."""
    settle_usd: tuple[float, ...]
    """By target: beyond staying all day long, and staying there; for people."""


@dataclass(frozen=True, slots=True)
class SiteForesight:
    """A site's coming day, as it is seen at one tick."""

    told: Foretold
    groups: int
    """Groups of the site; positions count from 0 to one less."""
    _known: dict[tuple[Pool, int], tuple[Gains, ...]] = field(default_factory=dict)
    _asked: dict[tuple[Pool, int], None] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[tuple[Pool, int], ...]:
        """Pools and present options that somebody wanted to know."""
        return tuple(self._asked)

    def block(self, position: int) -> int:
        """Which block of positions one lies in."""
        blocks = min(self.groups, BLOCKS_MAX)
        return min(position, self.groups - 1) * blocks // self.groups

    def end(self, block: int) -> int:
        """The first position after a block; the last one has none."""
        blocks = min(self.groups, BLOCKS_MAX)
        return EVERYBODY if block == blocks - 1 else -(-(block + 1) * self.groups // blocks)

    def gains(self, pool: Pool, origin: int, block: int) -> Gains:
        """What the groups of a block gain by leaving their present option."""
        self._asked[pool, origin] = None
        self.solve(pool, origin)
        return self._known[pool, origin][block]

    def solve(self, pool: Pool, origin: int) -> None:
        """Look ahead for a pool before anybody asks."""
        if (pool, origin) not in self._known:
            self._known[pool, origin] = tuple(self._solved(pool, origin))

    def _solved(self, pool: Pool, origin: int) -> Iterator[Gains]:
        """By block."""
        solved = np.linspace(0, self.groups - 1, min(self.groups, SOLVED_MAX)).round()
        road = Road(np.array(pool.ticks), round(t.SECONDS_PER_H / self.told.tick_s))
        ahead = outlook(pool, self.told, solved, origin)
        solution = induction.solve(road, ahead, self.told.left_ticks)
        kept = induction.kept_usd(road, ahead, self.told.left_ticks)[:, origin]
        wait = self._laid(solved, solution.gains_usd[:, origin])
        stay = self._laid(solved, solution.ways_usd[:, origin] - kept[:, None])
        settled = induction.settled_usd(road, ahead, self.told.left_ticks)[:, origin]
        settle = self._laid(solved, settled - kept[:, None])
        for each in zip(wait, stay, settle, strict=True):
            yield Gains(*map(tuple, each))

    def _laid(self, solved: FloatArray, usd: FloatArray) -> list[list[float]]:
        """By block and target what is known by solved position and target."""
        blocks = min(self.groups, BLOCKS_MAX)
        middles = (np.arange(blocks) + 0.5) * self.groups / blocks - 0.5
        laid = [np.interp(middles, solved, column) for column in usd.T]
        rows: list[list[float]] = np.column_stack(laid).tolist()
        return rows
