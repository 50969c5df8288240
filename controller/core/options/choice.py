"""What a group may do now, as whoever settles a whole site sees it: value, watts, seats."""

from __future__ import annotations

from dataclasses import dataclass

from controller.core.model import GroupKey


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a group may do now."""

    workload: str | None
    value_usd_per_h: float
    """Net less the hurdle of moving there; of a server: while nobody uses it."""
    power_w: float
    """Watts; of a server: while nobody uses it."""
    serves: bool = False
    busy_usd_per_h: float = 0.0
    """What a server adds when it is busy."""
    busy_w: float = 0.0
    """Watts that a server adds when it is busy."""
    counts: tuple[tuple[str, float], ...] = ()
    """What it adds to each `requirement.Requirement` that it counts towards, by name."""

    def value(self, busy: float, watt_price: float) -> float:
        """Value at a busy ratio, less the price of its watts, $/h."""
        value = self.value_usd_per_h + busy * self.busy_usd_per_h
        return value - watt_price * self.watts(busy)

    def watts(self, busy: float) -> float:
        """Watts at a busy ratio."""
        return self.power_w + busy * self.busy_w


FORCED_USD_PER_H = 1e6
"""Handicap of a move that only a power cap may ask for; far above any income, far from rounding."""

UNPRICED_USD_PER_H = 1e3
"""What a server without a price counts for when busy, so that it is busy first."""


def forced(choice: Choice) -> bool:
    """Whether only a power cap may ask for this choice."""
    return choice.value_usd_per_h < -FORCED_USD_PER_H / 2


def stated_usd_per_h(choice: Choice, busy: float) -> float:
    """Value without the handicaps that stand for `never` and `first`."""
    value = choice.value_usd_per_h + (FORCED_USD_PER_H if forced(choice) else 0.0)
    return value + busy * min(choice.busy_usd_per_h, UNPRICED_USD_PER_H)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group and what it may do; the first choice is to stay, and wins ties."""

    key: GroupKey
    choices: tuple[Choice, ...]
