"""How many of the simulation's misfortunes one core lives through in a second."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from tests.sim import runs

GOAL_PER_S = 100.0


def measure(count: int) -> Iterator[Figure]:
    """Run the first so many seeds."""
    runs.quiet()
    tally = runs.batch(range(count))
    assert not tally.failures, tally.failures
    rate = tally.schedules / tally.cpu_s
    yield Figure("simulated schedules per core", rate, "per s", GOAL_PER_S, more_is_better=True)
