"""A price on draw that grows with it: what a watt above each bound is to bring in. Arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

WATTS_PER_KW = 1000.0

DRIFT_RATIO = 1.05
"""So far above the first bound what is drawn already is taken to be below it."""


@dataclass(frozen=True, slots=True)
class Step:
    """From so many watts on, each kW costs so much an hour."""

    above_w: float
    usd_per_kwh: float


Steps = tuple[Step, ...]
"""By growing bounds and prices; below the first one draw has no price of its own."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What such a price makes of a site's plan, this moment."""

    drawn_w: float
    """What the groups of the site draw before anybody moves."""
    free_w: float
    """What they would draw but for the price."""
    held_w: float
    """What they would draw with it, limits on switches aside."""
    forgone_usd_per_h: float
    """What the difference would bring in."""
    asked_usd_per_h: float
    """What it would have to bring in."""

    @property
    def holds(self) -> bool:
        """Whether the price keeps somebody from something."""
        return self.held_w < self.free_w


def eased(steps: Steps, drawn_w: float) -> Steps:
    """The same where what is drawn already, give or take, lies below the first bound.

    Figures of watts drift a little: nobody is to stop because the same work now counts for more.
    """
    if not steps or not steps[0].above_w < drawn_w <= steps[0].above_w * DRIFT_RATIO:
        return steps
    later = [step for step in steps if step.above_w > drawn_w]
    return Step(drawn_w, _at(steps, drawn_w)), *later


def together(several: Iterable[Sequence[Step]]) -> Steps:
    """What several such prices come to on the same watts."""
    lists = [steps for steps in several if steps]
    bounds = sorted({step.above_w for steps in lists for step in steps})
    summed = (Step(bound, sum(_at(steps, bound) for steps in lists)) for bound in bounds)
    return convex(summed)


def convex(steps: Iterable[Step]) -> Steps:
    """Without steps that raise no price: dearer watts never come before cheaper ones."""
    kept: list[Step] = []
    for step in steps:
        if not kept or step.usd_per_kwh > kept[-1].usd_per_kwh:
            kept.append(step)
    return tuple(kept)


def spans(steps: Sequence[Step]) -> list[tuple[float, float, float]]:
    """Beginning, end and price of each, watts and $/kWh; the last one has no end."""
    ends = [*(later.above_w for _, later in pairwise(steps)), math.inf]
    return [(step.above_w, end, step.usd_per_kwh) for step, end in zip(steps, ends, strict=False)]


def cost_usd_per_h(steps: Sequence[Step], power_w: float) -> float:
    """What drawing so much costs."""
    return math.fsum(
        max(0.0, min(power_w, end) - begin) / WATTS_PER_KW * price
        for begin, end, price in spans(steps)
    )


def _at(steps: Sequence[Step], bound_w: float) -> float:
    """The price just above a bound."""
    return max((s.usd_per_kwh for s in steps if s.above_w <= bound_w), default=0.0)
