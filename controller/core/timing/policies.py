"""The timing policies by name. What each does stands in its own module."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from controller.core.timing.ledger import Policy
from controller.core.timing.lookahead import LookAhead
from controller.core.timing.regret import WorkFunction
from controller.core.timing.rules import (
    PEERS_INTERVAL_S,
    PEERS_THRESHOLD_RATIO,
    Always,
    Threshold,
)
from controller.core.timing.terms import INFER, MINE, Terms

DEFAULT = "look-ahead"
"""Chosen by the figures in docs/decision.md."""


def _threshold(terms: Terms) -> Policy:
    return Threshold(terms, ratio=PEERS_THRESHOLD_RATIO, interval_s=PEERS_INTERVAL_S)


def _day_ahead(terms: Terms) -> Policy:
    return LookAhead(terms, announcements=True)


POLICIES: MappingProxyType[str, Callable[[Terms], Policy]] = MappingProxyType(
    {
        DEFAULT: LookAhead,
        "look-ahead-announced": _day_ahead,
        "work-function": WorkFunction,
        "threshold": _threshold,
        "greedy": lambda terms: Threshold(terms, ratio=0.0, interval_s=0.0),
        "always-infer": lambda _: Always(INFER),
        "always-mine": lambda _: Always(MINE),
    }
)
"""Makers of a fresh policy, the default first."""

HEEDING = frozenset({DEFAULT, "look-ahead-announced"})
"""Those whose orders weigh demand charges, as the controller's do; the others only pay them."""
