"""Many seeds, on one core or on all of them, and what they came to."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context

from tests.sim.scenario import Report, simulate
from tests.sim.thaw import thaw, thawed
from wire import logs

BATCH_SEEDS = 20
"""Seeds between two collections of garbage; collecting all the time costs a fifth of the time."""


@dataclass(slots=True)
class Tally:
    """What a number of seeds came to."""

    schedules: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """What broke, by seed."""
    results: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    mishaps: int = 0
    deaths: int = 0
    cpu_s: float = 0.0

    def add(self, report: Report) -> None:
        """Count one seed that kept every promise."""
        self.schedules += 1
        self.results.update(report.results)
        self.virtual_s += report.virtual_s
        self.mishaps += report.mishaps
        self.deaths += report.deaths

    def fail(self, seed: int, error: BaseException) -> None:
        """Count one seed that did not."""
        self.schedules += 1
        self.failures[seed] = repr(error)

    def merge(self, other: Tally) -> None:
        """Count what another process has counted."""
        self.schedules += other.schedules
        self.failures.update(other.failures)
        self.results.update(other.results)
        self.virtual_s += other.virtual_s
        self.mishaps += other.mishaps
        self.deaths += other.deaths
        self.cpu_s += other.cpu_s

    def __str__(self) -> str:
        rate = self.schedules / self.cpu_s if self.cpu_s else 0.0
        ended = ", ".join(f"{count} {name}" for name, count in sorted(self.results.items()))
        return (
            f"{self.schedules} schedules, {len(self.failures)} failed; {rate:.0f} schedules/s per "
            f"core; {self.virtual_s / 3600:.1f} virtual hours, {self.mishaps} mishaps, "
            f"{self.deaths} deaths, {sum(self.results.values())} assignments: {ended}"
        )


def replay(seed: int) -> str:
    """What to type to see a seed again."""
    return f"make sim SEED={seed} COUNT=1"


def batches(seeds: Sequence[int], jobs: int) -> Iterator[Tally]:
    """Run seeds in batches, on so many cores; each batch is told of as soon as it is done."""
    parts = [seeds[i : i + BATCH_SEEDS] for i in range(0, len(seeds), BATCH_SEEDS)]
    if jobs == 1:
        with thawed():
            yield from map(batch, parts)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin) as pool:
        for future in as_completed([pool.submit(batch, part) for part in parts]):
            yield future.result()


def batch(seeds: Sequence[int]) -> Tally:
    """Run some seeds one after the other, whatever comes of them."""
    tally, began_s = Tally(), time.process_time()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for seed in seeds:
            try:
                tally.add(simulate(seed))
            except Exception as error:  # noqa: BLE001 - one bad seed must not hide the others
                tally.fail(seed, error)
    finally:
        gc.enable()
    tally.cpu_s = time.process_time() - began_s
    return tally


def _begin() -> None:
    """What a process does that runs many seeds."""
    quiet()
    thaw()


def quiet(level: str = "critical") -> None:
    """What agents and controllers log is of interest for one seed at most."""
    logs.configure(json=False, level=level)
