"""`python -m tests.systemd`: the soak, as long as wanted. Says how to replay what it found."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.systemd import machine
from tests.systemd.rig import AGENT, RigMachine
from tests.systemd.soak import soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when two units ran at once."""
    parser = argparse.ArgumentParser(prog="python -m tests.systemd", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="number of switches")
    parser.add_argument("--seed", type=int, default=0, help="decides when the agent is killed")
    options = parser.parse_args(arguments)
    with machine.installed() as computer:
        rig = RigMachine(computer)
        rig.set_up()
        computer.run("systemctl", "start", AGENT)
        tally = asyncio.run(soak(rig, options.count, options.seed))
    print(tally)
    for overlap in tally.overlaps:
        print(f"  {overlap}")
    if tally.overlaps:
        print(f"  again: make soak SEED={options.seed} COUNT={options.count}")
    return 1 if tally.overlaps else 0


if __name__ == "__main__":
    sys.exit(main())
