"""`python -m tests.sim --seed N --count M`: run seeds; a failing one prints how to replay it."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim.scenario import simulate
from wire import logs


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=100, help="number of seeds")
    parser.add_argument(
        "--verbose", action="store_true", help="show what agents and controller log"
    )
    options = parser.parse_args()
    logs.configure(json=False, level="debug" if options.verbose else "critical")
    results: Counter[str] = Counter()
    virtual_s, deaths, failed, began = 0.0, 0, 0, time.process_time()
    for seed in range(options.seed, options.seed + options.count):
        try:
            report = simulate(seed)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            print(f"seed {seed}: {error!r}\n  replay: make sim SEED={seed} COUNT=1", flush=True)
            if options.count == 1:
                raise
            continue
        results.update(report.results)
        virtual_s += report.virtual_s
        deaths += report.deaths
    took_s = time.process_time() - began
    print(
        f"{options.count} schedules, {failed} failed; {options.count / took_s:.0f} schedules/s "
        f"of one core; {virtual_s / 3600:.0f} virtual hours, {deaths} deaths, "
        f"{sum(results.values())} assignments: "
        + ", ".join(f"{count} {name}" for name, count in sorted(results.items()))
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
