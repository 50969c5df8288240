"""The workloads of a rig that loses its agent: which of them run, and how each is stopped."""

from __future__ import annotations

import asyncio
from contextlib import closing

from agent.drivers.launchers import Launchers, launched
from agent.install.carry_out import StepError
from agent.ports import DriverError
from agent.settings import Settings


def alive(rig: Settings) -> tuple[str, ...]:
    """Those that run, `group.workload`; one of which that cannot be told counts."""
    return asyncio.run(_alive(rig))


def stop(rig: Settings, key: str) -> None:
    """End one, by force when its own time is over. Raises `StepError`."""
    asyncio.run(_stop(rig, key))


async def _alive(rig: Settings) -> tuple[str, ...]:
    found = []
    with closing(Launchers(rig.state_dir, rig.engine)) as launchers:
        for workload in (w for g in rig.groups for w in g.workloads if launched(w)):
            try:
                runs = await launchers.alive(workload)
            except DriverError:
                runs = True
            if runs:
                found.append(workload.key)
    return tuple(found)


async def _stop(rig: Settings, key: str) -> None:
    group, _, name = key.partition(".")
    workload = rig.workload(group, name)
    with closing(Launchers(rig.state_dir, rig.engine)) as launchers:
        try:
            await launchers.stop(workload, workload.deadlines.stop_s)
        except DriverError as error:
            raise StepError(str(error)) from error
