"""Meters what every site draws, and keeps where its demand charges stand.

It decides nothing: a charge is a price of draw, and the plan weighs it. What was metered survives
a restart; of what nobody saw it says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller.core.charges import account as accounts
from controller.core.charges import billing, meter, steps
from controller.core.charges.account import Bill, PeakAccount
from controller.core.charges.meter import GAP_S_MAX, Meter
from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import Steps, Wish
from controller.core.farm import SiteSettings
from controller.core.model import Plan
from controller.ports import Store, StoreError
from wire import logs

LOOK_S = 10.0
"""Price time between two looks: many in the shortest interval of a meter."""

PAUSE_S_MIN = 0.1
"""A replay may let time pass faster than anybody can look; then intervals are seen in part."""


@dataclass(slots=True)
class _Charge:
    """One demand charge of one site, as it stands."""

    zone: str
    settings: DemandChargeSettings
    account: PeakAccount
    meter: Meter


class Peaks:
    """Where every demand charge of the farm stands."""

    def __init__(
        self,
        store: Store,
        sites: Sequence[SiteSettings],
        *,
        clock: Callable[[], float],
        plan: Callable[[], Plan | None],
        speed: float = 1.0,
    ) -> None:
        """`clock`: instant that prices count by; `plan`: the newest; `speed`: of that clock."""
        self._store = store
        self._clock = clock
        self._plan = plan
        self._pause_s = max(PAUSE_S_MIN, LOOK_S / speed)
        known = {(one.site, one.charge): one for one in store.peaks()}
        self._charges = [
            self._opened(site, charge, known.get((site.name, charge.name)))
            for site in sites
            for charge in site.demand_charges
        ]
        self._fault = ""
        self._log = logs.get("peaks")

    def bills(self) -> list[Bill]:
        """Where each charge stands now, in the order of the settings."""
        now = self._clock()
        return [
            accounts.bill(_turned(one, now), one.settings, one.zone, now) for one in self._charges
        ]

    def surcharges(self) -> dict[str, Steps]:
        """What draw costs beside its energy, by site whose charges count now."""
        by_site: dict[str, list[Steps]] = {}
        for bill in self.bills():
            by_site.setdefault(bill.site, []).append(bill.steps)
        return {site: steps.together(several) for site, several in by_site.items()}

    async def run(self) -> None:
        """Look again and again, until cancelled; without demand charges there is nothing to do."""
        while self._charges:
            self.look()
            await asyncio.sleep(self._pause_s)

    def look(self) -> None:
        """Take in what has been drawn since the last look."""
        now, plan = self._clock(), self._plan()
        wishes = plan.wishes if plan is not None and abs(now - plan.at) <= GAP_S_MAX else {}
        before = list(zip(self._charges, self.bills(), strict=True))
        news = [
            charge.account
            for charge, bill in before
            if _looked(charge, _credited(wishes.get(bill.site), bill), now)
        ]
        if news:
            self._write(news)

    def _opened(
        self, site: SiteSettings, charge: DemandChargeSettings, known: PeakAccount | None
    ) -> _Charge:
        now, zone = self._clock(), site.time_zone
        month_at = billing.month(charge, zone, now).begins_at
        fresh = PeakAccount(site=site.name, charge=charge.name, month_at=month_at)
        return _Charge(
            zone, charge, known or fresh, Meter(billing.interval(charge, zone, now), now)
        )

    def _write(self, news: Sequence[PeakAccount]) -> None:
        """Make accounts durable; what the store refuses is written with the next interval."""
        try:
            self._store.put_peaks(news)
        except StoreError as error:
            if str(error) != self._fault:
                self._log.error("store refused", error=str(error))
            self._fault = str(error)
        else:
            self._fault = ""


def _credited(wish: Wish | None, bill: Bill) -> Wish | None:
    return None if wish is None else accounts.credited(wish, bill.steps)


def _turned(charge: _Charge, now: float) -> PeakAccount:
    month = billing.month(charge.settings, charge.zone, now)
    return accounts.turned(charge.account, month.begins_at)


def _looked(charge: _Charge, wish: Wish | None, now: float) -> bool:
    """Whether an interval ended: time to make the account durable."""
    settings, before = charge.settings, charge.meter
    interval_at = billing.interval(settings, charge.zone, now)
    drawn_w = None if wish is None else wish.drawn_w + settings.base_w
    if drawn_w is None:
        charge.meter = Meter(interval_at, now)
    else:
        charge.meter, mean_w = meter.looked(before, drawn_w, now, interval_at, settings.interval_s)
        if mean_w is not None and billing.counts(settings, charge.zone, before.begun_at):
            charge.account = accounts.metered(charge.account, mean_w)
    charge.account = _turned(charge, now)
    if wish is not None and billing.counts(settings, charge.zone, now):
        passed_s = now - before.at
        if 0.0 < passed_s <= GAP_S_MAX:
            hours = passed_s / billing.SECONDS_PER_H
            charge.account = accounts.wished(charge.account, settings.base_w, wish, hours)
        least_w = charge.meter.watt_s / settings.interval_s
        charge.account = accounts.metered(charge.account, least_w)
    return interval_at != before.begun_at
