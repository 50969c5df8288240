"""From the start of an agent's process until it is connected, reconciled and has sent a sample.

Reconciled: every group has resumed its journal and said so. The sample is a look at eight GPUs.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import processes, rig
from benchmarks.figures import Figure, percentiles
from benchmarks.rig import Rig
from wire import messages

GOAL_S = 1.0


def measure(python: str, count: int) -> Iterator[Figure]:
    """Start it so many times, one after the other, each on a machine that it has not seen."""
    starts = [asyncio.run(_start(python)) for _ in range(count)]
    reports, samples, spent = (percentiles(column) for column in zip(*starts, strict=True))
    yield Figure("agent start to first report, p50", reports[0], "s")
    yield Figure("agent start to first sample, p50", samples[0], "s", GOAL_S)
    yield Figure("agent start to first sample, p95", samples[1], "s", GOAL_S)
    yield Figure("processor time of a start, p50", spent[0], "s")


async def _start(python: str) -> tuple[float, float, float]:
    """Seconds to the first report and the first sample, and of processor time."""
    groups = rig.idle_groups()
    with tempfile.TemporaryDirectory() as folder:
        one = Rig(Path(folder), python, groups)
        async with one.controller() as (here, recorder):
            # Orders wait until the rig is heard; they are what makes it known to be heard.
            orders = asyncio.create_task(rig.settled(here, groups))
            async with one.agent() as process:
                await rig.sampled(here, recorder)
                spent_s = processes.use(process.pid).processor_s
                await orders
            report_s = next(
                heard.at_s
                for heard, body in recorder.bodies(messages.StateReport)
                if len(body.groups) == len(groups)
            )
            sample_s = next(heard.at_s for heard, _ in recorder.bodies(messages.Telemetry))
    return report_s - one.began_s, sample_s - one.began_s, spent_s
