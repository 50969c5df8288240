"""Plays every policy over the same sites, on as many cores as there are where that pays.

Policies know nothing of each other, so where each is played changes no figure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from controller.core.timing import site
from controller.core.timing.ledger import Played
from controller.core.timing.policies import HEEDING, POLICIES
from controller.core.timing.site import Site

ALONE_TICKS_MAX = 20_000
"""Ticks of all policies and pools together that are played sooner than processes have started."""


def play(sites: tuple[Site, ...], policies: Sequence[str]) -> dict[str, tuple[Played, ...]]:
    """Accounts by policy, then by pool."""
    pools = [pool for place in sites for pool in place.pools]
    ticks = len(policies) * sum(len(pool.moments) for pool in pools)
    cores = min(len(os.sched_getaffinity(0)), len(policies))
    if cores < 2 or ticks <= ALONE_TICKS_MAX:
        return {name: _played(sites, name) for name in policies}
    # A fork would copy the solver's and NumPy's threads half-way through something.
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as processes:
        waiting = {name: processes.submit(_played, sites, name) for name in policies}
        return {name: done.result() for name, done in waiting.items()}


def _played(sites: tuple[Site, ...], name: str) -> tuple[Played, ...]:
    heeds = name in HEEDING
    return tuple(done for each in sites for done in site.play(each, POLICIES[name], heeds=heeds))
