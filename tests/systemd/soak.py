"""Many switches between two real units, with kill -9 of the agent at random moments in between.

Who proves that the units never ran both: systemd's journal, a lock that the programs themselves
hold, and the simulated GPU's own log. None of them asks the agent.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles

from tests.systemd.rig import AGENT, UNITS, RigMachine
from tests.systemd.witness import Witness

KILLS_MAX = 2
"""In one switch; the next agent is up again about a second after each."""

SWITCH_S = 4.0
"""About what a switch with a kill in it takes here; kills fall anywhere within it."""


@dataclass(slots=True)
class Tally:
    """What a soak came to."""

    switches: int = 0
    starts: int = 0
    """Of either unit, as systemd counts them; a kill may cost one more."""
    killed_in: Counter[str] = field(default_factory=Counter)
    """Kills by the phase that the journal on the disk named then."""
    overlaps: list[str] = field(default_factory=list)
    """Whoever saw two at once, and what."""
    durations_s: list[float] = field(default_factory=list)
    """From the order until the rig reports that it is carried out."""

    def __str__(self) -> str:
        phases = ", ".join(f"{count} {phase}" for phase, count in sorted(self.killed_in.items()))
        cuts = quantiles(self.durations_s, n=20) if len(self.durations_s) > 1 else [0.0] * 19
        return (
            f"{self.switches} switches, {self.starts} starts of units, "
            f"{self.killed_in.total()} kills of the agent ({phases}); "
            f"{len(self.overlaps)} times two at once; "
            f"p50 {cuts[9]:.1f} s, p95 {cuts[18]:.1f} s a switch"
        )


async def soak(rig: RigMachine, count: int, seed: int) -> Tally:
    """Switch group g0 `count` times, killing by what `seed` says."""
    rng, tally = random.Random(seed), Tally()
    witness = Witness(rig.machine, tuple(UNITS.values()))
    collisions, doubles = rig.collisions(), rig.doubles()
    names = sorted(UNITS)
    async with rig.controlled() as here:
        for number in range(count):
            moments = sorted(rng.uniform(0.0, SWITCH_S) for _ in range(rng.randint(0, KILLS_MAX)))
            killer = asyncio.create_task(_kill(rig, moments, tally))
            began_s, workload = time.monotonic(), names[number % 2]
            await here.assign("g0", workload)
            await here.running("g0", workload)
            tally.durations_s.append(time.monotonic() - began_s)
            # A switch that was quicker than the last kill is followed by one at rest.
            await killer
            tally.switches += 1
            assert rig.active() == {UNITS[workload]}, f"switch {number} of seed {seed}: {tally}"
    testimony = witness.testimony()
    tally.starts = testimony.starts
    tally.overlaps += [f"systemd started {b} while {a} ran" for a, b in testimony.overlaps]
    tally.overlaps += ["a program found the lock taken"] * (rig.collisions() - collisions)
    tally.overlaps += ["a simulated GPU was claimed twice"] * (rig.doubles() - doubles)
    return tally


async def _kill(rig: RigMachine, moments: list[float], tally: Tally) -> None:
    """Kill whichever agent lives at each of these moments, in seconds from now."""
    began_s = time.monotonic()
    for moment_s in moments:
        await asyncio.sleep(max(0.0, began_s + moment_s - time.monotonic()))
        pid = await asyncio.to_thread(rig.machine.pid, AGENT)
        if pid:
            phase = rig.journaled().phase
            os.kill(pid, signal.SIGKILL)
            tally.killed_in[str(phase)] += 1
