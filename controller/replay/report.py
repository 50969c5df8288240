"""What a replay found, as programs and people read it. The JSON fields are a public contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from controller.core.timing.hindsight import Best
from controller.core.timing.ledger import Played
from controller.core.timing.terms import FloatArray
from controller.replay.library import shown
from controller.replay.stage import SECONDS_PER_DAY, Span, Stage

DAYS_PER_WEEK = 7
CENTS_PER_USD = 100.0
EXACT, BOUND = "exact", "bound"
"""Whether nobody could have earned more than the clairvoyant, or it could not have itself."""
ROUNDING_USD = 1e-6
"""How far sums of the same dollars in another order may lie apart."""


class ImpossibleError(Exception):
    """A policy earned more than the clairvoyant: one of the two is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """One policy's figures."""

    name: str
    default: bool
    """Whether this is the one that is recommended."""
    profit_usd: float
    share_of_clairvoyant: float | None
    """1 is everything; none: there was nothing to earn."""
    regret_cents_per_gpu_day: float
    """What it missed of the clairvoyant's profit."""
    switches_per_group_day: float
    worst_week_share: float | None
    """Share of the clairvoyant's profit in the worst seven days; none: the window is shorter, or
    a month's peak costs, which no week has paid for itself."""
    demand_charge_usd: float
    """What the highest draw of each month cost; the profit has paid it."""
    violations: int
    """Orders that named no option, and ticks in which a contract or a power cap was broken."""


class Report(msgspec.Struct, frozen=True, kw_only=True, rename={"begins": "from", "ends": "to"}):
    """One scenario, replayed under one choice of switching costs."""

    scenario: str
    begins: str
    """First tick, UTC."""
    ends: str
    """End of the last tick, UTC."""
    tick_s: float
    cost: str
    groups: int
    gpus: int
    clairvoyant: str
    """`exact`, or `bound`: more than anybody could have earned."""
    clairvoyant_usd: float
    clairvoyant_switches_per_group_day: float
    policies: tuple[PolicyResult, ...]


@dataclass(frozen=True, slots=True)
class Sums:
    """What all pools came to together."""

    profit_usd: FloatArray
    """By tick."""
    switches: int
    violations: int = 0
    charged_usd: float = 0.0
    """Demand charges, which the profit has paid."""

    @classmethod
    def of(cls, pools: Sequence[Played] | Sequence[Best]) -> Sums:
        """Add pools up."""
        return cls(
            sum((pool.profit_usd for pool in pools[1:]), pools[0].profit_usd),
            sum(pool.switches for pool in pools),
            sum(pool.violations for pool in pools if isinstance(pool, Played)),
            sum(pool.charged_usd for pool in pools if isinstance(pool, Played)),
        )


def of(stage: Stage, best: Sums, results: tuple[PolicyResult, ...], *, exact: bool) -> Report:
    """The report of one replay."""
    span = stage.span
    begins_s = stage.moments[0].at_s
    return Report(
        scenario=stage.name,
        begins=shown(begins_s),
        ends=shown(begins_s + span.ticks * span.tick_s),
        tick_s=span.tick_s,
        cost=stage.cost,
        groups=span.groups,
        gpus=span.gpus,
        clairvoyant=EXACT if exact else BOUND,
        clairvoyant_usd=round(float(best.profit_usd.sum()), 6),
        clairvoyant_switches_per_group_day=round(best.switches / span.group_days, 4),
        policies=results,
    )


def judge(name: str, played: Sums, best: Sums, span: Span, *, default: bool) -> PolicyResult:
    """The figures of one policy. Raises `ImpossibleError` if it beat perfect foresight."""
    profit, most = float(played.profit_usd.sum()), float(best.profit_usd.sum())
    if profit > most + ROUNDING_USD * max(1.0, abs(most)):
        raise ImpossibleError(
            f"{name} earned ${profit:.6f}, more than perfect foresight, ${most:.6f}"
        )
    return PolicyResult(
        name=name,
        default=default,
        profit_usd=round(profit, 6),
        share_of_clairvoyant=_share(profit, most),
        regret_cents_per_gpu_day=round((most - profit) * CENTS_PER_USD / span.gpu_days, 4),
        switches_per_group_day=round(played.switches / span.group_days, 4),
        worst_week_share=_worst_week(played, best, span),
        demand_charge_usd=round(played.charged_usd, 6),
        violations=played.violations,
    )


def _share(profit_usd: float, most_usd: float) -> float | None:
    return round(profit_usd / most_usd, 6) if most_usd > 0 else None


def _worst_week(played: Sums, best: Sums, span: Span) -> float | None:
    """Least share in any seven days on end in which there was something to earn."""
    ticks = round(DAYS_PER_WEEK * SECONDS_PER_DAY / span.tick_s)
    # A month's peak is paid by the month: what is left of one week tells nothing.
    if ticks > span.ticks or played.charged_usd:
        return None
    weeks = zip(_rolling(played.profit_usd, ticks), _rolling(best.profit_usd, ticks), strict=True)
    shares = [_share(got, could) for got, could in weeks]
    return min((share for share in shares if share is not None), default=None)


def _rolling(usd: FloatArray, ticks: int) -> Sequence[float]:
    total = usd.cumsum()
    sums: list[float] = (total[ticks - 1 :] - [0.0, *total[:-ticks]]).tolist()
    return sums
