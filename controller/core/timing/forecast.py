"""What a site has seen and what it expects: power, demand, and the price on switches.

It knows the past it was shown and nothing else, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from controller.core.timing import terms as t
from controller.core.timing.brake import SwitchBrake
from controller.core.timing.demand import DemandForecast, Learning
from controller.core.timing.power import PowerForecast
from controller.core.timing.terms import FloatArray, Moment

HORIZON_H = 24
"""How far it looks; longer changes nothing that could be measured."""

TURN_USD_PER_KWH = 0.01
"""Less is no change of price that would be worth a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """The present hour and those to come, as they are expected when a tick has passed."""

    tick_s: float
    """Length of a tick, seconds."""
    left_ticks: int
    """Ticks of the present hour that are still to come."""
    power_usd_per_kwh: FloatArray
    """Of the present hour and each of the `HORIZON_H` after it."""
    demand_groups: float
    """Groups that inference keeps busy now; infinite: all."""
    points: FloatArray
    """The same, at each point of the lattice on which it may go on."""
    coming: FloatArray
    """Probabilities of the next hour's point."""
    rows: FloatArray
    """By hour from the next one on: probabilities of the point after by the point before."""
    brake_ratio: float
    """Price of a switch, as a share of what a busy group takes in a tick."""
    announced_h: int = 0
    """Hours after the present one whose price of power is announced."""

    @property
    def turn(self) -> tuple[float, float] | None:
        """The greatest change of power's price that is announced: hours until then, and price.

        None: nothing is announced that people would call a change.
        """
        now, ahead = self.power_usd_per_kwh[0], self.power_usd_per_kwh[1 : 1 + self.announced_h]
        changes = np.abs(ahead - now)
        if not changes.size or changes.max() < TURN_USD_PER_KWH:
            return None
        hour = int(changes.argmax())
        return hour + self.left_ticks * self.tick_s / t.SECONDS_PER_H, float(ahead[hour])

    @property
    def ahead_h(self) -> float:
        """How far it looks, hours: what is left of the present one, and those after it."""
        return HORIZON_H + self.left_ticks * self.tick_s / t.SECONDS_PER_H


class SiteForecast:
    """Learns what a site's hours are like, tick by tick."""

    def __init__(
        self,
        groups: int,
        tick_s: float,
        *,
        brake: SwitchBrake | None = None,
        announcements: bool = False,
    ) -> None:
        """Choose whether day-ahead prices count, where there are any."""
        self.brake = brake or SwitchBrake(groups)
        self._tick_s = tick_s
        self._demand = DemandForecast(groups, Learning())
        self._power = PowerForecast(announcements=announcements)
        self._seen: Moment | None = None

    def recall(self, past: Iterable[Moment]) -> None:
        """Learn hours that have gone by, one moment for each, all at once."""
        past = tuple(past)
        for seen in past:
            self._power.observe(seen)
        self._demand.recall(seen for seen in past if np.isfinite(seen.prices.demand_groups))

    def observe(self, seen: Moment) -> None:
        """Learn from a tick that has passed."""
        if np.isfinite(seen.prices.demand_groups):
            self._demand.observe(seen)
        self._power.observe(seen)
        if self._seen is not None and self._seen.hour != seen.hour:
            self.brake.pass_hour()
        self._seen = seen

    def foretold(self) -> Foretold:
        """What is expected after the newest tick; there must have been one."""
        seen = self._seen
        assert seen is not None
        points, coming, rows = self._chances(seen.prices.demand_groups)
        ticks_per_h = round(t.SECONDS_PER_H / self._tick_s)
        passed = int(seen.local_s % t.SECONDS_PER_H // self._tick_s) + 1
        return Foretold(
            tick_s=self._tick_s,
            left_ticks=ticks_per_h - passed,
            power_usd_per_kwh=self._power.coming(HORIZON_H),
            demand_groups=seen.prices.demand_groups,
            points=points,
            coming=coming,
            rows=rows,
            brake_ratio=self.brake.ratio,
            announced_h=self._power.announced_h(HORIZON_H),
        )

    def _chances(self, demand: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        if np.isfinite(demand):
            return self._demand.demand_groups, *self._demand.coming(HORIZON_H)
        return np.array([demand]), np.ones(1), np.ones((HORIZON_H - 1, 1, 1))
