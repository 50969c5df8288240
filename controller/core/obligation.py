"""How far a plan meets what the fleet owes: contracts and requirements, in figures for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOLERANCE = 1e-6
"""Rounding of sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One contract under one plan, GPUs."""

    contract: str
    owed_gpus: int
    """What the customer is owed now or soon, without spares."""
    bound_gpus: int
    """What the plan gives it, spares and silent rigs included."""
    serving_gpus: int
    """What runs its workload now, proven."""
    lacking_gpus: int
    """What no group could be found for."""
    in_force: bool
    """Whether it is owed already; before its start groups are being made ready."""
    why: str = ""
    """What stands in the way of those that lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """One requirement under one plan."""

    name: str
    unit: str
    least: float
    most: float | None
    """None: no limit."""
    counted: float
    """What the chosen options come to."""

    @property
    def met(self) -> bool:
        """Whether it is within its bounds."""
        most = math.inf if self.most is None else self.most
        return self.least - TOLERANCE <= self.counted <= most + TOLERANCE

    def __str__(self) -> str:
        bound = f"at least {self.least:.4g}"
        if self.most is not None and self.counted > self.most:
            bound = f"at most {self.most:.4g}"
        return f"{self.name}: {self.counted:.4g} {self.unit}, and the policy wants {bound}"
