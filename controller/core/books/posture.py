"""What a group does, put into amounts per hour at the prices of one plan.

What nobody knows earns nothing and is counted as such. Nothing is guessed from what was assigned:
only what the rig reports counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.core.books.entries import MICRO, DecisionRecord, Measure
from controller.core.model import Decision, GroupView, Option
from wire.model import GroupStatus, Phase

WATTS_PER_KW = 1000.0

Rates = tuple[tuple[int, float], ...]
"""Place of a measure, and its millionths per hour."""

Shares = Mapping[tuple[str, str | None], float]
"""By class and workload: what part of its income a plan reckons with; absent: all of it."""

_KNOWN = frozenset(
    {
        Measure.EARNING_H,
        Measure.STILL_H,
        Measure.SWITCHING_H,
        Measure.DOWN_H,
        Measure.FAILED_H,
    }
)
"""States in which it is known what was earned, if only that it was nothing."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices of one site that options do not name."""

    usd_per_kwh: float | None
    """All in; none: no trusted price."""


def state(status: GroupStatus | None, generation: int, *, online: bool, proven: bool) -> Measure:
    """What a group's time counts as. `proven`: what this generation ordered has run before."""
    if status is None or not online:
        return Measure.UNKNOWN_H
    if status.phase is Phase.FAILED:
        return Measure.FAILED_H
    if status.phase is Phase.IDLE:
        return Measure.STILL_H
    if status.phase is Phase.RUNNING or (status.phase is Phase.PREPARING and status.active):
        return Measure.EARNING_H
    again = proven and status.generation == generation
    return Measure.DOWN_H if again else Measure.SWITCHING_H


@dataclass(frozen=True, slots=True)
class Money:
    """What an option brings in and costs, per hour."""

    income_usd: float
    energy_kwh: float
    energy_usd: float

    @property
    def net_usd(self) -> float:
        """Income less energy."""
        return self.income_usd - self.energy_usd


def money(option: Option | None, tariff: Tariff, share: float) -> Money | None:
    """An option at its plan's prices, the part of its income that the plan left out put back.

    None where any of it has no price.
    """
    if option is None or option.net_usd_per_h is None or option.power_w is None:
        return None
    if tariff.usd_per_kwh is None:
        return None
    kwh = option.power_w / WATTS_PER_KW
    energy_usd = kwh * tariff.usd_per_kwh
    return Money((option.net_usd_per_h + energy_usd) / share, kwh, energy_usd)


def rates(
    doing: Measure,
    decision: Decision,
    view: GroupView,
    record: DecisionRecord,
    tariff: Tariff,
    shares: Shares,
    *,
    contracted: bool,
) -> Rates:
    """Amounts of an hour of this; what runs without a price counts as unpriced.

    `contracted`: what runs is paid by a contract; the plan has priced it so.
    """
    if doing is Measure.UNKNOWN_H:
        return ((doing, float(MICRO)),)
    options = {option.workload: option for option in decision.options}
    runs = view.status.active if view.status and doing is Measure.EARNING_H else None
    share = 1.0 if contracted else shares.get((view.rig_class, runs), 1.0)
    now = money(options.get(runs), tariff, share)
    if now is None and doing is Measure.EARNING_H:
        doing = Measure.UNPRICED_H
    stay = None
    if record.origin != record.workload:
        share = shares.get((view.rig_class, record.origin), 1.0)
        stay = money(options.get(record.origin), tariff, share)
    found = _amounts(doing, now, stay, record.promised_usd_per_h, contracted=contracted)
    return tuple((place, amount * MICRO) for place, amount in found)


def _amounts(
    doing: Measure,
    now: Money | None,
    stay: Money | None,
    promised_usd: float | None,
    *,
    contracted: bool,
) -> Iterator[tuple[Measure, float]]:
    yield doing, 1.0
    if now is None:
        return
    if doing is Measure.EARNING_H:
        yield (Measure.CONTRACT_USD if contracted else Measure.INCOME_USD), now.income_usd
    yield Measure.ENERGY_KWH, now.energy_kwh
    yield Measure.ENERGY_USD, now.energy_usd
    if doing not in _KNOWN:
        return
    if promised_usd is not None:
        yield Measure.EXPECTED_USD, promised_usd
    if stay is not None:
        yield Measure.GAIN_USD, now.net_usd - stay.net_usd
        if doing is Measure.SWITCHING_H:
            yield Measure.INTERRUPTED_USD, max(0.0, stay.net_usd - now.net_usd)
