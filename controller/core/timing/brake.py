"""A price on switches that keeps them within a budget. It never forbids one.

Every switch wears a rig and may fail, so there is a budget of switches for each group and day.
The price is what a switch must gain beyond its cost: it rises while there are more switches than
budgeted and falls otherwise, so that the least useful ones are left out, whatever groups earn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from controller.core.timing.hours import HOURS_PER_DAY

BUDGET_PER_GROUP_DAY = 4.6
"""Switches of one group in a day; less than the 5 that farms accept, for the price follows late."""
GAIN_PER_H = 0.05
"""How fast the price follows: the part of its logarithm by which double the budget raises it."""
EXCESS_MAX = 2.0
"""Of switches over the budget, as a share of it: more raise the price no faster."""
LEAST_RATIO, FIRST_RATIO, MOST_RATIO = 0.01, 0.03, 10.0
"""Bounds and beginning of the price, as shares of what a busy group takes in a tick."""


class SwitchBrake:
    """Counts the switches of a pool and sets their price."""

    def __init__(
        self, groups: int, ratio: float = FIRST_RATIO, begun: Iterable[int] = (0,)
    ) -> None:
        """Begin with a low price, or go on with one and the switches of the last hours."""
        self.ratio = ratio
        self._groups = groups
        self._begun: deque[int] = deque(begun, maxlen=HOURS_PER_DAY)

    @property
    def begun(self) -> tuple[int, ...]:
        """Switches of the last hours, the present one last."""
        return tuple(self._begun)

    def count(self, begun: int) -> None:
        """Take in switches that have just been ordered."""
        self._begun[-1] += begun

    def pass_hour(self) -> None:
        """Set the price by the last day."""
        excess = sum(self._begun) / self._groups / BUDGET_PER_GROUP_DAY - 1
        price = self.ratio * np.exp(GAIN_PER_H * min(excess, EXCESS_MAX))
        self.ratio = float(np.clip(price, LEAST_RATIO, MOST_RATIO))
        self._begun.append(0)
