"""What the fleet as a whole owes or may not exceed: contracts, mandates, coverage of costs.

A requirement is one linear bound over all groups of the fleet. What a choice adds to it stands in
`site_market.Choice.counts`, so that who decides need not know what is being counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """At least and at most so much of something that choices count towards."""

    name: str
    """Unique in a plan, as `Choice.counts` and people call it, e.g. `contract acme`."""
    unit: str
    """What is counted, e.g. `GPUs` or `$/h`."""
    least: float = 0.0
    """What all chosen options together must count."""
    most: float = math.inf
    """What they may count."""
    weight_usd_per_h: float
    """What one unit too few or too many costs, $/h: what decides when not all can be met."""
