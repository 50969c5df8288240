"""What a group gains by going elsewhere, over the coming day, dollars; solved once for alike ones.

A value: the same pool always has the same answer, and an answer is kept for the next who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
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
BLOCKS_MAX = 50
"""Positions that are told apart: groups of one block plan alike, which keeps large plans fast."""


@dataclass(frozen=True, slots=True)
class SiteForesight:
    """A site's coming day, as it is seen at one tick."""

    told: Foretold
    groups: int
    """Groups of the site; positions count from 0 to one less."""
    _known: dict[tuple[Pool, int], list[list[float]]] = field(default_factory=dict)
    _asked: dict[tuple[Pool, int], None] = field(default_factory=dict)

    @property
    def asked(self) -> tuple[tuple[Pool, int], ...]:
        """Pools and present options that somebody wanted to know."""
        return tuple(self._asked)

    def block(self, position: int) -> int:
        """Which block of positions one lies in."""
        blocks = min(self.groups, BLOCKS_MAX)
        return min(position, self.groups - 1) * blocks // self.groups

    def gains_usd(self, pool: Pool, origin: int, block: int) -> Sequence[float]:
        """What each option promises over staying at the present one, switch and bands included."""
        self._asked[pool, origin] = None
        self.solve(pool, origin)
        return self._known[pool, origin][block]

    def solve(self, pool: Pool, origin: int) -> None:
        """Look ahead for a pool before anybody asks."""
        if (pool, origin) not in self._known:
            self._known[pool, origin] = self._solved(pool, origin).tolist()

    def _solved(self, pool: Pool, origin: int) -> FloatArray:
        """By block and target."""
        solved = np.linspace(0, self.groups - 1, min(self.groups, SOLVED_MAX)).round()
        road = Road(np.array(pool.ticks), round(t.SECONDS_PER_H / self.told.tick_s))
        ahead = outlook(pool, self.told, solved, origin)
        gains = induction.solve(road, ahead, self.told.left_ticks).gains_usd[:, origin]
        blocks = min(self.groups, BLOCKS_MAX)
        middles = (np.arange(blocks) + 0.5) * self.groups / blocks - 0.5
        return np.column_stack([np.interp(middles, solved, column) for column in gains.T])
