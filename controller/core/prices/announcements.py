"""What may be believed of prices that are announced for hours to come. Pure.

The tests are those of quotes, but nothing can be repeated or proven here: from the first value on
that is in doubt, nothing counts as announced. It counts when it comes, as every price does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from controller.core.prices.plausibility import QuoteRules, one_step

Coming = Sequence[tuple[float, float]]
"""Instants to come, growing, and the values that hold from them."""

HOUR_S = 3600.0

HOURS_MAX = 36
"""Nobody looks further ahead."""


def believed(
    curves: Sequence[Coming], rule: QuoteRules, now: float | None
) -> list[tuple[float, float]]:
    """The part of what was announced that is plausible, as the first source says it.

    Args:
        curves: By source; the first one's instants count.
        rule: The rules of the series: its band, its steps and its quorum.
        now: The trusted value now; none: any first value within the band will do.
    """
    found: list[tuple[float, float]] = []
    if len(curves) < rule.quorum:
        return found
    for at, value in curves[0]:
        agreeing = sum(_agrees(curve, at, value, rule) for curve in curves)
        steady = now is None or one_step(now, value, rule)
        if not (rule.min <= value <= rule.max and steady and agreeing >= rule.quorum):
            break
        found.append((at, value))
        now = value
    return found


def _agrees(curve: Coming, at: float, value: float, rule: QuoteRules) -> bool:
    """Whether a source announces much the same for an instant."""
    held = next((said for begins, said in reversed(curve) if begins <= at), None)
    return held is not None and one_step(held, value, rule)


def hourly(coming: Coming, *, first_at: float) -> tuple[tuple[float, float], ...]:
    """Means of whole hours, as far as all of an hour is announced.

    Before the first of these instants holds what was announced earlier, not what is said now: a
    trusted price follows a change with delay.

    Args:
        coming: What is announced; the last value holds as long as the shortest one.
        first_at: Beginning of an hour, now or before; the others follow it.
    """
    if not coming:
        return ()
    begins = [at for at, _ in coming]
    lasts_s = min((later - at for at, later in pairwise(begins)), default=HOUR_S)
    ends = [*begins[1:], begins[-1] + lasts_s]
    spans = [(at, end, value) for (at, value), end in zip(coming, ends, strict=True)]
    hours = (first_at + HOUR_S * n for n in range(1, HOURS_MAX + 1))
    known = (at for at in hours if begins[0] <= at and at + HOUR_S <= ends[-1])
    return tuple((at, _mean(spans, at)) for at in known)


def _mean(spans: Sequence[tuple[float, float, float]], at: float) -> float:
    """Mean over the hour from an instant on."""
    return math.fsum(
        max(0.0, min(end, at + HOUR_S) - max(begin, at)) / HOUR_S * value
        for begin, end, value in spans
    )
