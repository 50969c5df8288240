"""Treasury: what the farm must pay whatever it does, and what it may spend on switching.

It warns, and it limits what a plan may spend. It never makes a group move: money that is short is
no reason for a switch that does not pay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.core.fault import Fault
from controller.core.policy.contract import ContractSettings
from controller.core.requirement import Requirement

HOURS_PER_DAY = 24.0
COVERAGE = "contracted income"
"""Name of the requirement that fixed costs be covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreasurySettings:
    """The money side of the farm."""

    fixed_usd_per_day: float = 0.0
    """Rent, staff, loans: what a day costs when everything stands still, US dollars per day."""
    cash_usd: float | None = None
    """Money at hand, US dollars; none: the reserve is not watched."""
    runway_days_min: float = 0.0
    """Days of costs that the money at hand should last."""
    contracted_share_min_ratio: float = 0.0
    """Part of the fixed costs that contracts in force should pay."""
    switching_usd_per_day: float | None = None
    """What switches may cost in any 24 hours, US dollars per day; none: no limit."""


def requirements(
    treasury: TreasurySettings, contracts: Sequence[ContractSettings], now: float
) -> Iterator[Requirement]:
    """Of the contracted income that is wanted, as much as the contracts in force can give."""
    wanted = wanted_usd_per_h(treasury)
    agreed = contracted_usd_per_h(contracts, now)
    if wanted > 0.0 and agreed > 0.0:
        yield Requirement(
            name=COVERAGE, unit="$/h", least=min(wanted, agreed), weight_usd_per_h=1.0
        )


def wanted_usd_per_h(treasury: TreasurySettings) -> float:
    """Contracted income that the fixed costs ask for."""
    return treasury.contracted_share_min_ratio * treasury.fixed_usd_per_day / HOURS_PER_DAY


def contracted_usd_per_h(contracts: Sequence[ContractSettings], now: float) -> float:
    """What the contracts in force pay when they are served."""
    return math.fsum(c.income_usd_per_h for c in contracts if c.in_force(now))


def runway_days(treasury: TreasurySettings, net_usd_per_h: float) -> float | None:
    """Days that the money lasts at this income; infinite when none is lost; none: not watched."""
    if treasury.cash_usd is None:
        return None
    loss = treasury.fixed_usd_per_day - net_usd_per_h * HOURS_PER_DAY
    return math.inf if loss <= 0.0 else max(0.0, treasury.cash_usd) / loss


def exhausted(treasury: TreasurySettings, spent_usd: float) -> str:
    """Why no switch may begin for money; empty: the budget lasts."""
    budget = treasury.switching_usd_per_day
    if budget is None or spent_usd < budget:
        return ""
    return f"switches have cost ${spent_usd:.2f} in 24 hours, and the budget is ${budget:.2f}"


def warnings(
    treasury: TreasurySettings,
    contracts: Sequence[ContractSettings],
    now: float,
    net_usd_per_h: float,
) -> Iterator[str]:
    """What the owner should know; nothing of it moves a group."""
    wanted, agreed = wanted_usd_per_h(treasury), contracted_usd_per_h(contracts, now)
    if agreed < wanted:
        fixed = treasury.fixed_usd_per_day / HOURS_PER_DAY
        yield (
            f"contracts pay {agreed / fixed:.0%} of fixed costs, and the policy wants "
            f"{treasury.contracted_share_min_ratio:.0%}: ${wanted - agreed:.2f}/h more is needed"
        )
    days = runway_days(treasury, net_usd_per_h)
    if days is not None and days < treasury.runway_days_min:
        yield (
            f"cash of ${treasury.cash_usd:.0f} lasts {days:.0f} days at this income, and the "
            f"policy wants {treasury.runway_days_min:.0f}; no group moves for that"
        )


def problems(treasury: TreasurySettings) -> Iterator[Fault]:
    """What in these settings cannot be meant."""
    for key in ("fixed_usd_per_day", "runway_days_min", "contracted_share_min_ratio"):
        if not 0 <= getattr(treasury, key) < math.inf:
            yield Fault((key,), "must be 0 or more and finite")
    if treasury.cash_usd is not None and not math.isfinite(treasury.cash_usd):
        yield Fault(("cash_usd",), "must be finite; leave it out to watch no reserve")
    budget = treasury.switching_usd_per_day
    if budget is not None and not 0 <= budget < math.inf:
        yield Fault(("switching_usd_per_day",), "must be 0 or more; leave it out for no limit")
    if treasury.contracted_share_min_ratio > 0 and treasury.fixed_usd_per_day <= 0:
        yield Fault(("contracted_share_min_ratio",), "means nothing without `fixed_usd_per_day`")
