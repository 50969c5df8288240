"""What computed feeds lean on: quotes that are trusted already, never what a source merely said."""

from __future__ import annotations

from collections.abc import Callable

from controller.core.model import Quote
from controller.feeds.units import NoRateError, Rates

Look = Callable[[str], Quote]
"""The quote of a series now; one without a value says why."""

Ahead = Callable[[str], list[tuple[float, float]]]
"""Instants to come and the values announced for them, by series; empty: nothing announced."""


def rates(look: Look) -> Rates:
    """Rates of exchange by series; without a quote, or not above 0, there is none."""

    def rate(series: str) -> float:
        quote = look(series)
        if quote.value is None:
            raise NoRateError(f"no rate: {quote.reason}")
        if quote.value <= 0:
            raise NoRateError(f"no rate: {series} is {quote.value:g}")
        return quote.value

    return rate
