"""How far a plan meets what the fleet owes: contracts and requirements, in figures for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

TOLERANCE = 1e-6
"""Rounding of sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """How a contract stands in the calendar month, UTC, by what groups really did."""

    promised_ratio: float
    owed_gpu_h: float
    """So far, as far as anybody looked."""
    short_gpu_h: float
    """What of that nobody served."""
    allowed_gpu_h: float
    """What may be missing in the whole month before its penalty is due."""
    left_s: float
    """How long the whole contract may still be down, seconds; below 0: too much is missing."""
    guarded: bool
    """Little of that is left: it is spared every interruption that can be helped."""

    @property
    def ratio(self) -> float | None:
        """Served part of what was owed so far; none: nothing was."""
        return 1.0 - self.short_gpu_h / self.owed_gpu_h if self.owed_gpu_h else None

    @property
    def breached(self) -> bool:
        """Whether more is missing than may be in the whole month."""
        return self.left_s < -TOLERANCE


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
    availability: Availability | None = None
    """How it stands this month; none before its start."""


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
