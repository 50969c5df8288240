"""The drivers that a rig has, by the short names that its file calls them."""

from __future__ import annotations

from pathlib import Path

from agent.core.workload import Workload
from agent.drivers.commanded import CommandedDriver
from agent.drivers.hive_os import HiveOsDriver
from agent.drivers.inference import InferenceDriver
from agent.drivers.market import MarketDriver
from agent.drivers.markets.table import MARKETS
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.hive import HiveSource
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from agent.drivers.servers.table import SERVERS
from agent.ports import Driver, Launcher

HIVE_OS = "hiveos"
"""Short name of the driver for Hive OS's own miner."""

HIVE = "hive"
"""Short name of the driver for miners packed for Hive OS."""

COMMAND = "command"
"""Short name of the driver over the owner's own commands."""


def drivers(launcher: Launcher) -> dict[str, Driver]:
    """Every driver for real programs, run through `launcher`."""
    miners: dict[str, Driver] = {
        row.driver: MinerDriver(launcher, ApiSource(row)) for row in MINERS
    }
    servers: dict[str, Driver] = {row.driver: InferenceDriver(launcher, row) for row in SERVERS}
    return {
        **miners,
        HIVE_OS: HiveOsDriver(),
        HIVE: MinerDriver(launcher, HiveSource()),
        **servers,
        COMMAND: CommandedDriver(),
    }


def markets(state_dir: Path) -> dict[str, Driver]:
    """Every driver for marketplaces, which remember in `state_dir` what they have offered."""
    return {row.driver: MarketDriver(row, state_dir) for row in MARKETS}


UNLAUNCHED = frozenset({HIVE_OS, *(row.driver for row in MARKETS)})
"""Drivers that start no program of the rig's own file, and want neither `command` nor `unit`."""


def startable(workload: Workload) -> bool:
    """Whether its file says at all what shall run."""
    if workload.driver == COMMAND:
        return bool(workload.commands.start)
    launched = workload.command or workload.unit or workload.container
    return bool(launched) or workload.driver in UNLAUNCHED


def sleepless(workload: Workload) -> str:
    """Why a workload could not be parked, as far as its file shows; empty: it could."""
    naps = {row.driver: row.nap for row in SERVERS if row.nap is not None}
    nap = naps.get(workload.driver)
    if nap is None:
        return f"driver {workload.driver!r} cannot sleep, only {', '.join(sorted(naps))} can"
    if workload.command and nap.option not in workload.command:
        return f"`command` lacks `{nap.option}`"
    if workload.command and workload.environment.get(nap.variable) != "1":
        return f'`environment` lacks `{nap.variable}: "1"`'
    return ""
