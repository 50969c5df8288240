"""Groups that are alike, as looking ahead reckons with them: what each option earns and costs.

From prospects and the policy to a pool of the timing code. It knows the present and foretells
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.options import appraisal
from controller.core.options.case import Case
from controller.core.options.economics import WATTS_PER_KW, Prospect
from controller.core.policy.settings import (
    SECONDS_PER_H,
    PolicySettings,
    band_usd_per_h,
    switch_cost,
)
from controller.core.timing.pool import Earner, Pool

DARK_RATIO = 0.5
"""What a group in a switch draws, as a share of what its hungriest option does."""
DARK_TICKS_MAX = 11
"""Whole ticks without income that a switch may take here; what is longer is paid in dollars."""
ROUNDING_DIGITS = 9
"""Decimals of dollars: the same price reckoned in two ways is one price."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Groups with the same prospects."""

    pool: Pool
    workloads: tuple[str | None, ...]
    """By option of the pool."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A switch from one prospect to another."""

    seconds: float
    """Without income."""
    usd: float
    """Wear."""
    band_usd_per_h: float


def alike(case: Case, tariff_usd_per_kwh: float, policy: PolicySettings) -> Alike | None:
    """What groups of a case's kin may do; none when even standing still has no price."""
    prospects = [p for p in case.prospects.values() if p.busy_usd_per_h is not None]
    if prospects[:1] != [case.prospects[None]]:
        return None
    options = tuple(_earner(prospect, tariff_usd_per_kwh) for prospect in prospects)
    dark_w = DARK_RATIO * max(option.busy_w for option in options)
    dark = Earner(options[0].idle_usd_per_h, options[0].idle_usd_per_h, dark_w, dark_w, False)
    ways = [[_way(case, a, b, policy) for b in prospects] for a in prospects]
    tick_s = policy.timing_tick_s
    return Alike(
        Pool(
            options=options,
            dark=dark,
            ticks=tuple(tuple(_ticks(way, tick_s) for way in row) for row in ways),
            moves_usd=tuple(
                tuple(_usd(way, tick_s, _lead(option, dark, tariff_usd_per_kwh))
                      for way, option in zip(row, options, strict=True))
                for row in ways
            ),
            bands_usd_per_h=tuple(tuple(way.band_usd_per_h for way in row) for row in ways),
        ),
        tuple(prospect.workload for prospect in prospects),
    )  # fmt: skip


def _earner(prospect: Prospect, tariff_usd_per_kwh: float) -> Earner:
    """A prospect before energy; all its figures are known, or it would have no price."""
    busy_w, idle_w = prospect.busy_w or 0.0, prospect.idle_w or 0.0
    busy = (prospect.busy_usd_per_h or 0.0) + busy_w / WATTS_PER_KW * tariff_usd_per_kwh
    idle = (prospect.idle_usd_per_h or 0.0) + idle_w / WATTS_PER_KW * tariff_usd_per_kwh
    busy, idle = round(busy, ROUNDING_DIGITS), round(idle, ROUNDING_DIGITS)
    return Earner(idle, busy, idle_w, busy_w, prospect.serves)


def _way(case: Case, origin: Prospect, target: Prospect, policy: PolicySettings) -> _Way:
    if origin is target:
        return _Way(0.0, 0.0, 0.0)
    cost = switch_cost(policy, origin.kind, target.kind)
    route, view = (origin.workload, target.workload), case.view
    measured_s = appraisal.wake_s(view, *route)
    if measured_s is None and view.figures:
        measured_s = appraisal.switch_s(view.figures, *route)
    seconds = view.route_s.get(route, cost.duration_s) if measured_s is None else measured_s
    return _Way(seconds, cost.cost_usd, band_usd_per_h(policy, origin.kind, target.kind))


def _ticks(way: _Way, tick_s: float) -> int:
    return min(int(way.seconds // tick_s), DARK_TICKS_MAX)


def _usd(way: _Way, tick_s: float, lead_usd_per_h: float) -> float:
    """Wear, and what the target would have brought in what is left of the last tick."""
    rest_s = way.seconds - _ticks(way, tick_s) * tick_s
    return round(way.usd + rest_s / SECONDS_PER_H * lead_usd_per_h, ROUNDING_DIGITS)


def _lead(option: Earner, dark: Earner, tariff_usd_per_kwh: float) -> float:
    """What an option nets more than a switch, busy, $/h; nothing where it nets less."""
    drawn_kw = (option.busy_w - dark.busy_w) / WATTS_PER_KW
    return max(0.0, option.busy_usd_per_h - dark.busy_usd_per_h - drawn_kw * tariff_usd_per_kwh)
