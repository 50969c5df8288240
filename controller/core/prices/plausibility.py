"""What may be believed about a series: the operator's rules, and the tests on single values.

Nothing here remembers anything; `quotes` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from controller.core.model import Observation

AHEAD_S_MAX = 60.0
"""How far a source's clock may run ahead; what claims to be later than that is refused."""

SOURCES_MAX = 32
"""Sources remembered for one series; more is a feed that invents names."""


class Cautious(StrEnum):
    """Which way a series errs safely. News in this direction counts at once."""

    LOW = "low"
    """What is earned: too low is safe."""
    HIGH = "high"
    """What is paid, such as electricity: too high is safe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRules:
    """When to believe what is said about one series."""

    unit: str
    """For people, e.g. `usd_per_kwh`; every source must already speak it."""
    stale_after_s: float
    """Seconds after which a word no longer counts; above the slowest good source's interval."""
    min: float
    """Plausibility band, inclusive: below this it is a fault. May be negative."""
    max: float
    """Plausibility band, inclusive: above this it is a fault, such as a wrong unit."""
    cautious: Cautious = Cautious.LOW
    """`low` for what is earned, `high` for what is paid."""
    rises_persist_s: float = 300.0
    """Seconds that a change for the better must be repeated before it counts; a first value too."""
    step_max_ratio: float | None = None
    """Largest plausible change, as a factor between values of one sign; none: no such limit."""
    step_max: float | None = None
    """Largest plausible change in the unit, for prices near zero; either limit suffices."""
    step_persist_s: float = 1800.0
    """Seconds that a single source must repeat a larger change before it is believed."""
    quorum: int = 1
    """Fresh sources needed. Two sources (or the quorum, if more) confirm each other's step."""


def problems(series: str, rule: QuoteRules) -> Iterator[str]:
    """What in these rules cannot be meant; each one sentence."""
    numbers = (rule.stale_after_s, rule.min, rule.max, rule.rises_persist_s, rule.step_persist_s)
    if not all(math.isfinite(number) for number in numbers):
        yield f"{series}: every limit must be a finite number"
    if rule.min >= rule.max:
        yield f"{series}: `min` {rule.min:g} must be below `max` {rule.max:g}"
    if rule.stale_after_s <= 0 or rule.rises_persist_s < 0 or rule.step_persist_s < 0:
        yield f"{series}: `stale_after_s` must be above 0, the other times not below 0"
    if not 1 <= rule.quorum <= SOURCES_MAX:
        yield f"{series}: `quorum` must be 1 to {SOURCES_MAX}"
    if rule.step_max_ratio is not None and not rule.step_max_ratio > 1:
        yield f"{series}: `step_max_ratio` must be above 1"
    if rule.step_max is not None and not rule.step_max > 0:
        yield f"{series}: `step_max` must be above 0"
    if rule.step_max_ratio is not None and rule.step_max is None and rule.min <= 0:
        yield f"{series}: a band that reaches zero needs `step_max`: ratios mean nothing there"


def fault(word: Observation, rule: QuoteRules, now: float) -> str:
    """Why this observation is no price at all, naming source, value and limit; empty: it is one."""
    who = f"{word.series}: source {word.source} says {word.value:g} {rule.unit}"
    if not rule.min <= word.value <= rule.max:
        return f"{who}, outside {rule.min:g} to {rule.max:g}"
    if not word.at <= now + AHEAD_S_MAX:
        return f"{who} for {word.at - now:.0f} s ahead of now"
    return ""


def one_step(old: float, new: float, rule: QuoteRules) -> bool:
    """Whether going from `old` to `new` is plausible in one step."""
    if rule.step_max_ratio is None and rule.step_max is None:
        return True
    if rule.step_max is not None and abs(new - old) <= rule.step_max:
        return True
    if rule.step_max_ratio is None or old * new <= 0:
        return old == new
    return max(new / old, old / new) <= rule.step_max_ratio
