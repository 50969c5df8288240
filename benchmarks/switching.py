"""What rigshift adds to a switch beyond the workloads' own stop and start.

The workloads are real processes under the real agent, ready and ended after a time that is their
own; what that comes to is measured without rigshift in the same run. Nothing is proven for longer
than one look, GPUs are empty when the process is, and no GPU profile is set.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import Figure, percentiles
from benchmarks.rig import GPUS, Recorder, Rig
from tests.parts.programs import free_port, swept
from tests.systemd.headquarters import Headquarters
from wire import messages

SOURCE = Path(__file__).with_name("workload.c")
NAMES = ("etc", "xmr")
START_MS, STOP_MS = 50, 50
ALONE = 20
"""Stops and starts without rigshift."""
LOOK_S = 0.001
GOAL_S = 0.100


@dataclass(frozen=True, slots=True)
class Program:
    """The compiled workload and the port that it answers on."""

    path: Path
    port: int

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [str(self.path), str(self.port), str(START_MS), str(STOP_MS)]


def measure(python: str, count: int) -> Iterator[Figure]:
    """Switch to and fro `count` times."""
    with tempfile.TemporaryDirectory() as name, swept(Path(name)):
        folder = Path(name)
        programs = {name: _compiled(folder / name) for name in NAMES}
        own_s = median(_alone_s(programs[NAMES[0]]) for _ in range(ALONE))
        taken, phases = asyncio.run(_switches(Rig(folder, python, _groups(programs)), count))
    p50, p95 = percentiles([seconds - own_s for seconds in taken])
    yield Figure("the workloads' own stop and start, p50", own_s * 1e3, "ms")
    yield Figure("added to a switch by rigshift, p50", p50 * 1e3, "ms", GOAL_S * 1e3)
    yield Figure("added to a switch by rigshift, p95", p95 * 1e3, "ms", GOAL_S * 1e3)
    for phase, seconds in phases.items():
        yield Figure(f"… of a switch in {phase}, p50", median(seconds) * 1e3, "ms")


def _compiled(path: Path) -> Program:
    compiler = shutil.which("cc")
    assert compiler is not None, "cc is missing: run `make system`"
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-o", path, SOURCE], check=True)
    return Program(path, free_port())


def _alone_s(program: Program) -> float:
    """From exec to the first answer, and from TERM to the end; as fast as one can look."""
    began_s = time.monotonic()
    process = subprocess.Popen(program.command)
    while not _answers(program.port):
        time.sleep(LOOK_S)
    process.send_signal(signal.SIGTERM)
    process.wait()
    return time.monotonic() - began_s


def _answers(port: int) -> bool:
    with socket.socket() as end:
        return end.connect_ex(("127.0.0.1", port)) == 0


def _groups(programs: dict[str, Program]) -> list[dict[str, Any]]:
    workloads = [
        {
            "name": name,
            "kind": "mining",
            "driver": "xmrig",
            "command": program.command,
            "api_url": f"http://127.0.0.1:{program.port}",
            "readiness": {"hold_s": 0.0},
        }
        for name, program in programs.items()
    ]
    return [{"name": "g0", "gpus": list(GPUS), "workloads": workloads}]


async def _switches(one: Rig, count: int) -> tuple[list[float], dict[str, list[float]]]:
    one.busy = False
    taken = []
    async with one.controller() as (here, recorder), one.agent():
        await _switch(here, NAMES[1])
        for number in range(count):
            began_s = time.monotonic()
            await _switch(here, NAMES[number % 2])
            taken.append(time.monotonic() - began_s)
        await here.assign("g0", None)
        await here.until(lambda: here.groups["g0"].active is None, "g0 to stand still")
    return taken, _phases(recorder)


async def _switch(here: Headquarters, name: str) -> None:
    await here.assign("g0", name)
    await here.running("g0", name)


def _phases(recorder: Recorder) -> dict[str, list[float]]:
    """Seconds in each phase, of every switch from one workload to another."""
    outcomes = {
        outcome.generation: outcome
        for _, body in recorder.bodies(messages.Outcomes)
        for outcome in body.outcomes
        if outcome.origin is not None and outcome.workload is not None
    }
    phases = defaultdict(list)
    for outcome in outcomes.values():
        for phase, seconds in outcome.phase_s:
            phases[str(phase)].append(seconds)
    return phases
