"""A small farm that has looked ahead: plans and decisions after a week of hours like these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from controller.core.farm import FarmSettings
from controller.core.model import Decision, GroupView, Plan
from controller.core.planning.planner import Situation, plan
from controller.core.policy.settings import PolicySettings
from controller.core.timing.advantage import SiteForesight
from controller.core.timing.forecast import SiteForecast
from controller.core.timing.terms import SECONDS_PER_H, WORTHLESS, Moment
from tests.controller.fleet import FARM, NOW, POLICY, PRICES, quotes, view

TICK_S = 900.0
PATIENT = replace(POLICY, timing_tick_s=TICK_S)
WEEK_H = 7 * 24


def steady(power: float, demand: float) -> Callable[[int], tuple[float, float]]:
    """Every hour the same."""
    return lambda hour: (power, demand)


def ahead(
    hours: Callable[[int], tuple[float, float]],
    *,
    groups: int = 1,
    hour: int = 12,
    now: tuple[float, float] | None = None,
) -> SiteForesight:
    """What is foreseen at an hour of the day, after a week of hours with power and demand."""

    def moment(at_h: float, power: float, demand: float) -> Moment:
        prices = replace(WORTHLESS, power_usd_per_kwh=power, demand_groups=demand)
        at_s = at_h * SECONDS_PER_H
        return Moment(at_s=at_s, local_s=at_s % (24 * SECONDS_PER_H), prices=prices)

    forecast = SiteForecast(groups, TICK_S)
    forecast.recall(moment(h, *hours(h % 24)) for h in range(WEEK_H + hour))
    forecast.observe(moment(WEEK_H + hour, *(now or hours(hour))))
    return SiteForesight(forecast.foretold(), groups)


def planned(
    views: Sequence[GroupView],
    foresight: SiteForesight,
    prices: Mapping[str, float | None] = PRICES,
    *,
    policy: PolicySettings = PATIENT,
    farm: FarmSettings = FARM,
) -> Plan:
    """The plan for these groups at these prices."""
    return plan(
        Situation(
            views=views,
            quotes=quotes(prices),
            holds=(),
            policy=policy,
            farm=farm,
            now=NOW,
            foresight={"oslo": foresight},
        )
    )


def decided(
    assigned: str | None,
    foresight: SiteForesight,
    prices: Mapping[str, float | None] = PRICES,
    *,
    policy: PolicySettings = PATIENT,
) -> Decision:
    """The decision for a group that is alone in the world."""
    (decision,) = planned([view(assigned=assigned)], foresight, prices, policy=policy).decisions
    return decision
