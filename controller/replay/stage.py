"""What a replay plays: sites and pools with all that they live through. Values only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from controller.core.charges.settings import DemandChargeSettings
from controller.core.timing.site import Pool, Site
from controller.core.timing.terms import Moment

SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """A pool, as its owner calls it."""

    site: str
    name: str
    """Its site and class."""
    gpus: int
    """GPUs of all groups."""
    pool: Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The pools behind one meter, and what their owner and utility ask of them."""

    lots: tuple[Lot, ...]
    cap_w: float = math.inf
    """Infinite: none."""
    zone: str = "UTC"
    charges: tuple[DemandChargeSettings, ...] = ()

    @property
    def played(self) -> Site:
        """As it is played."""
        pools = tuple(lot.pool for lot in self.lots)
        return Site(pools=pools, cap_w=self.cap_w, zone=self.zone, charges=self.charges)


@dataclass(frozen=True, slots=True)
class Span:
    """How much is replayed."""

    groups: int
    gpus: int
    ticks: int
    tick_s: float

    @property
    def group_days(self) -> float:
        """Days of all groups together."""
        return self.groups * self.ticks * self.tick_s / SECONDS_PER_DAY

    @property
    def gpu_days(self) -> float:
        """Days of all GPUs together."""
        return self.gpus * self.ticks * self.tick_s / SECONDS_PER_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that a replay needs."""

    name: str
    tick_s: float
    cost: str
    """Which switching costs were chosen."""
    places: tuple[Place, ...]

    @property
    def lots(self) -> tuple[Lot, ...]:
        """All pools."""
        return tuple(lot for place in self.places for lot in place.lots)

    @property
    def moments(self) -> Sequence[Moment]:
        """What the first pool lives through; the instants are everybody's."""
        return self.lots[0].pool.moments

    @property
    def span(self) -> Span:
        """How much there is of it."""
        groups = sum(lot.pool.terms.groups for lot in self.lots)
        return Span(groups, sum(lot.gpus for lot in self.lots), len(self.moments), self.tick_s)

    @property
    def charged(self) -> bool:
        """Whether a month's peak costs anything anywhere."""
        return any(place.played.charged for place in self.places)
