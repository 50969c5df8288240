"""A month's peak so far, what it kept the site from, and the price of drawing more. Pure.

A kW above the peak costs the whole charge whether it is used for an hour or for weeks. So its
price per hour is the charge, less what doing without it has cost this month already, spread over
the hours that it is expected to be used: of the hours left, the share in which so much was wanted
lately. What was forgone never grows beyond the charge, whatever is expected: so no month is worse
than hindsight by more than the charge, kW by kW.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from controller.core.charges import billing
from controller.core.charges.settings import DemandChargeSettings
from controller.core.charges.steps import WATTS_PER_KW, Step, Steps, Wish, convex, cost_usd_per_h

LEVEL_MIN_W = 100.0
"""Where levels of draw begin."""
LEVEL_RATIO = 1.1
"""Each is so much higher than the one before: the grid on which draw is remembered."""
LEVELS_MAX = 192
"""Up to some 8 GW."""

MEMORY_H = 28 * 24.0
"""What was wanted fades with this time constant, in hours that count."""
TRUST_H = 24.0
"""Before anything is known, every level counts as wanted throughout for so long."""

RATCHET_MONTHS = 11
MONTH_S = 365.25 / 12 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakAccount:
    """What is remembered of one demand charge of one site."""

    site: str
    charge: str
    month_at: float
    """When the billing month began, seconds since 1970."""
    peak_w: float = 0.0
    """Highest mean draw over an interval of this month, the rest of the building included."""
    past_w: tuple[float, ...] = ()
    """The same of the months before, the newest last; 0 for months that nobody saw."""
    seen_h: float = 0.0
    """Hours that `wanted_h` is counted over, faded."""
    wanted_h: tuple[float, ...] = ()
    """By level: in how many of them the site would have drawn so much but for the charge."""
    forgone_usd_per_kw: tuple[float, ...] = ()
    """By level: what a kW would have brought in this month where the charge forbade it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Where a demand charge stands, and what it asks of the plan."""

    site: str
    charge: str
    month_from: date
    """First day of the billing month, by the local calendar."""
    usd_per_kw_month: float
    peak_w: float
    """Highest mean draw of this month, the rest of the building included."""
    billed_w: float
    """The same, or what earlier months make the least that is billed."""
    hours_left: float
    """Hours of this month that still count."""
    steps: Steps
    """Price of what the site's groups draw; empty: it does not count now."""

    @property
    def usd(self) -> float:
        """What the month costs so far, US dollars."""
        return self.billed_w / WATTS_PER_KW * self.usd_per_kw_month


def turned(account: PeakAccount, month_at: float) -> PeakAccount:
    """The account in this billing month: its peak begins anew, what was wanted lasts."""
    if month_at <= account.month_at:
        return account
    unseen = round((month_at - account.month_at) / MONTH_S) - 1
    past = (*account.past_w, account.peak_w, *(0.0 for _ in range(unseen)))[-RATCHET_MONTHS:]
    return replace(account, month_at=month_at, peak_w=0.0, past_w=past, forgone_usd_per_kw=())


def metered(account: PeakAccount, mean_w: float) -> PeakAccount:
    """After an interval with this mean draw, the rest of the building included."""
    return replace(account, peak_w=max(account.peak_w, mean_w))


def wished(account: PeakAccount, base_w: float, wish: Wish, hours: float) -> PeakAccount:
    """After so many hours, in which the charge counted, of a wish."""
    free_w, held_w = wish.free_w + base_w, wish.held_w + base_w
    left = math.exp(-hours / MEMORY_H)
    count = min(LEVELS_MAX, max(level(free_w) + 1, len(account.wanted_h)))
    wanted = [
        before * left + hours * (floor_w(n) < free_w)
        for n, before in enumerate(_padded(account.wanted_h, count))
    ]
    forgone = list(_padded(account.forgone_usd_per_kw, count))
    if free_w > held_w:
        each = wish.forgone_usd_per_h / (free_w - held_w) * WATTS_PER_KW * hours
        for n in range(count):
            if floor_w(n) < free_w and held_w < floor_w(n + 1):
                forgone[n] += each
    return replace(
        account,
        seen_h=account.seen_h * left + hours,
        wanted_h=tuple(wanted),
        forgone_usd_per_kw=tuple(forgone),
    )


def bill(account: PeakAccount, charge: DemandChargeSettings, zone: str, at: float) -> Bill:
    """Where it stands at an instant of the account's month."""
    hours = billing.hours_left(charge, zone, at)
    priced: Steps = ()
    if billing.prepares(charge, zone, at):
        priced = prices(account, charge, hours, billing.hours_of_month(charge, zone, at))
    return Bill(
        site=account.site,
        charge=account.charge,
        month_from=billing.day(zone, account.month_at),
        usd_per_kw_month=charge.usd_per_kw_month,
        peak_w=account.peak_w,
        billed_w=_billed_w(account, charge),
        hours_left=hours,
        steps=priced,
    )


def prices(
    account: PeakAccount,
    charge: DemandChargeSettings,
    hours_left: float,
    month_h: float,
    part: float = 1.0,
) -> Steps:
    """What draw costs while the charge counts.

    Args:
        account: Of the month that passes.
        charge: As it is written down.
        hours_left: Hours of the month that still count.
        month_h: Hours of a whole month that count.
        part: Share of the month's charge that is billed for this month.
    """
    if not charge.usd_per_kw_month > 0:
        return ()
    months = RATCHET_MONTHS * charge.ratchet_ratio
    usd = charge.usd_per_kw_month * (part + months)
    hours = hours_left + months * month_h
    known_w = max(_billed_w(account, charge), charge.base_w)
    return convex(_steps(account, charge, known_w, usd, hours))


def credited(wish: Wish, own: Steps) -> Wish:
    """The wish with that part of what is forgone which one charge asked for, by its own prices."""
    if wish.asked_usd_per_h <= 0.0:
        return wish
    asked = cost_usd_per_h(own, wish.free_w) - cost_usd_per_h(own, wish.held_w)
    part = min(1.0, asked / wish.asked_usd_per_h)
    return replace(wish, forgone_usd_per_h=part * wish.forgone_usd_per_h)


def _billed_w(account: PeakAccount, charge: DemandChargeSettings) -> float:
    """The peak so far, or what earlier months make the least that is billed."""
    return max(account.peak_w, charge.ratchet_ratio * max(account.past_w, default=0.0))


def _steps(
    account: PeakAccount, charge: DemandChargeSettings, known_w: float, usd: float, hours: float
) -> Iterator[Step]:
    """A price for each level above what is billed anyway."""
    first = level(known_w)
    for n in range(first, max(first, len(account.wanted_h)) + 1):
        wanted = account.wanted_h[n] if n < len(account.wanted_h) else 0.0
        share = (wanted + TRUST_H) / (account.seen_h + TRUST_H)
        forgone = account.forgone_usd_per_kw[n] if n < len(account.forgone_usd_per_kw) else 0.0
        used_h = max(share * hours, charge.interval_s / billing.SECONDS_PER_H)
        above_w = max(known_w, floor_w(n)) - charge.base_w
        yield Step(above_w, max(0.0, usd - forgone) / used_h)


def level(power_w: float) -> int:
    """The level that so many watts lie in."""
    if power_w < LEVEL_MIN_W * LEVEL_RATIO:
        return 0
    return min(LEVELS_MAX - 1, int(math.log(power_w / LEVEL_MIN_W, LEVEL_RATIO) + 1e-9))


def floor_w(number: int) -> float:
    """Where a level begins; the lowest one with nothing."""
    return LEVEL_MIN_W * LEVEL_RATIO**number if number else 0.0


def _padded(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    return values + (0.0,) * (count - len(values))
