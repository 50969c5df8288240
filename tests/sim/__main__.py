"""`python -m tests.sim`: run seeds, or hunt for planted bugs. A failing seed says how to replay."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations

from tests.sim import runs
from tests.sim.mutants import hunt
from tests.sim.scenario import simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a promise was broken or a planted bug survived."""
    options = _parser().parse_args(arguments)
    if options.mutants:
        return _hunt(record=options.record)
    if options.pairs:
        return _hunt_pairs()
    if options.count == 1:
        return _watch(options.seed, verbose=options.verbose)
    return _run(range(options.seed, options.seed + options.count), options.jobs)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="number of seeds")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--verbose", action="store_true", help="of one seed, show every log line")
    parser.add_argument("--mutants", action="store_true", help="hunt for every planted bug")
    parser.add_argument("--pairs", action="store_true", help="hunt for every two of them together")
    parser.add_argument("--record", action="store_true", help="remember the seeds that found them")
    return parser


def _run(seeds: Sequence[int], jobs: int) -> int:
    runs.quiet()
    total = runs.Tally()
    for tally in runs.batches(seeds, jobs):
        for seed, problem in tally.failures.items():
            print(f"seed {seed}: {problem}\n  replay: {runs.replay(seed)}", flush=True)
        total.merge(tally)
    print(total)
    return 1 if total.failures else 0


def _watch(seed: int, *, verbose: bool) -> int:
    """One seed, with everything that can be seen of it."""
    runs.quiet("debug" if verbose else "critical")
    tally = runs.Tally()
    try:
        tally.add(simulate(seed))
    except BaseException:
        print(f"seed {seed} failed\n  replay: {runs.replay(seed)}", flush=True)
        raise
    print(tally)
    return 0


def _hunt(*, record: bool) -> int:
    """Every planted bug, from the first seed on, as if nobody knew where to look."""
    runs.quiet()
    found: dict[str, hunt.Find] = {}
    for mutant in hunt.MUTANTS:
        find = hunt.hunt([mutant])
        print(hunt.line(mutant, find), flush=True)
        if find is not None:
            found[mutant.name] = find
    survivors = len(hunt.MUTANTS) - len(found)
    print(f"{len(hunt.MUTANTS)} planted bugs, {survivors} survived")
    if record:
        hunt.record(found)
    return 1 if survivors else 0


def _hunt_pairs() -> int:
    """No two bugs may hide each other."""
    runs.quiet()
    pairs, survivors = list(combinations(hunt.MUTANTS, 2)), 0
    for pair in pairs:
        if hunt.hunt(pair, hunt.likely(*pair)) is None:
            survivors += 1
            print(f"{pair[0].name} + {pair[1].name} SURVIVED", flush=True)
    print(f"{len(pairs)} pairs of planted bugs, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
