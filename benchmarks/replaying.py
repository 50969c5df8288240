"""How long a year of hourly prices takes to replay for a large farm."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.figures import Figure
from controller.core.timing import hindsight, ledger
from controller.core.timing.policies import DEFAULT, POLICIES
from controller.core.timing.terms import Prices
from tests.controller.pool import days, rough, terms

RIGS = 1_000
DAYS = 365
GOAL_S = 60.0
SEED = 7
HOURS_KNOWN = 4_000
"""The made prices repeat after so many hours."""
FULL = 150.0
"""Times the demand that a pool of the tests has: now and then more than all rigs."""


def measure() -> Iterator[Figure]:
    """Play the default policy, and all others, against perfect foresight."""
    pool, price = terms(groups=RIGS, tick_s=3600.0), rough(SEED)

    def large(hour: int) -> Prices:
        paid = price(hour % HOURS_KNOWN)
        return replace(paid, demand_groups=FULL * paid.demand_groups)

    course = days(DAYS, large, tick_s=3600.0)
    began_s = time.process_time()
    best = hindsight.best(course, pool).profit_usd.sum()
    found_s = time.process_time() - began_s
    taken_s = {}
    for name, make in POLICIES.items():
        began_s = time.process_time()
        played = ledger.play(course, pool, make(pool))
        taken_s[name] = time.process_time() - began_s
        assert played.profit_usd.sum() <= best
    what = f"a year of hours for {RIGS:,} rigs"
    default_s = taken_s.pop(DEFAULT)
    yield Figure(f"{what}: {DEFAULT} and perfect foresight", default_s + found_s, "s", GOAL_S)
    yield Figure(f"{what}: {len(taken_s)} policies to compare with", sum(taken_s.values()), "s")
