"""`python -m benchmarks`: measures, and prints what was measured beside what is aimed at."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence

from benchmarks import (
    agent_cost,
    agent_start,
    figures,
    planning,
    replaying,
    simulation,
    switching,
)
from benchmarks.figures import Figure

Measure = Callable[[argparse.Namespace], Iterator[Figure]]

PARTS: dict[str, Measure] = {
    "agent": lambda options: agent_cost.measure(options.python, options.seconds),
    "start": lambda options: agent_start.measure(options.python, options.count),
    "switch": lambda options: switching.measure(options.python, 10 * options.count),
    "sim": lambda options: simulation.measure(10 * options.count),
    "plan": lambda options: planning.measure(options.count),
    "replay": lambda _: replaying.measure(),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 whatever is measured: a figure that falls short is a figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--count", type=int, default=10, help="starts and plans; switches: tenfold")
    parser.add_argument("--seconds", type=float, default=30.0, help="to watch the agent for")
    parser.add_argument("--python", default=sys.executable, help="the rig's own interpreter")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.part if part not in PARTS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if options.count < 2:
        parser.error("--count: 2 or more, else there are no percentiles")
    found: list[Figure] = []
    for part in options.part or PARTS:
        print(f"measuring: {part} …", file=sys.stderr, flush=True)
        found += PARTS[part](options)
    command = shlex.join(["python", "-m", "benchmarks", *(arguments or sys.argv[1:])])
    shown = figures.as_json if options.json else figures.as_table
    print(shown(command, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
