"""Where a site's demand charges stand while a course is played, and what they ask of draw.

What live controllers remember of a charge, kept by the same rules. It sees no tick to come but
the calendar's.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.core.charges import account as accounts
from controller.core.charges.account import PeakAccount
from controller.core.charges.steps import Steps, Wish, together
from controller.core.timing.metering import Metering


class Peaks:
    """The charges of one site, tick by tick."""

    def __init__(self, meterings: Sequence[Metering], tick_h: float) -> None:
        """Nothing is known before the first tick."""
        self._tick_h = tick_h
        self._meters = [_Meter(each) for each in meterings]
        self._own: list[Steps] = []

    def steps(self, tick: int) -> Steps:
        """Price of what is drawn in a tick."""
        self._own = [meter.steps(tick) for meter in self._meters]
        return together(self._own)

    def lasts_h(self, tick: int) -> float:
        """For how long it may last."""
        lasting = zip(self._meters, self._own, strict=True)
        return max((meter.metering.lasts_h[tick] for meter, own in lasting if own), default=0.0)

    def passed(self, tick: int, drawn_w: float, wish: Wish) -> None:
        """Take in what was drawn, and what the price that was asked had forbidden."""
        for meter, own in zip(self._meters, self._own, strict=True):
            if meter.metering.counts[tick]:
                meter.passed(tick, drawn_w, accounts.credited(wish, own), self._tick_h)


class _Meter:
    """One charge."""

    def __init__(self, metering: Metering) -> None:
        self.metering = metering
        begun = metering.months[0].begins_at
        self._account = PeakAccount(site="", charge=metering.charge.name, month_at=begun)
        self._interval, self._mean_w = -1, 0.0

    def steps(self, tick: int) -> Steps:
        known = self.metering
        month = known.months[known.month[tick]]
        self._account = accounts.turned(self._account, month.begins_at)
        if not known.priced[tick]:
            return ()
        left_h = float(known.left_h[tick])
        return accounts.prices(self._account, known.charge, left_h, month.hours, month.begun_part)

    def passed(self, tick: int, drawn_w: float, wish: Wish, hours: float) -> None:
        known, base_w = self.metering, self.metering.charge.base_w
        if self._interval != known.interval[tick]:
            self._interval, self._mean_w = int(known.interval[tick]), 0.0
        self._mean_w += float(known.weight[tick]) * (drawn_w + base_w)
        self._account = accounts.wished(self._account, base_w, wish, hours)
        self._account = accounts.metered(self._account, self._mean_w)
