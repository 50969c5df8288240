"""The drivers that a rig has, by the short names that its file calls them."""

from __future__ import annotations

from pathlib import Path

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


def drivers(launcher: Launcher) -> dict[str, Driver]:
    """Every driver for real programs, run through `launcher`."""
    miners: dict[str, Driver] = {
        row.driver: MinerDriver(launcher, ApiSource(row)) for row in MINERS
    }
    servers: dict[str, Driver] = {row.driver: InferenceDriver(launcher, row) for row in SERVERS}
    return {**miners, HIVE_OS: HiveOsDriver(), HIVE: MinerDriver(launcher, HiveSource()), **servers}


def markets(state_dir: Path) -> dict[str, Driver]:
    """Every driver for marketplaces, which remember in `state_dir` what they have offered."""
    return {row.driver: MarketDriver(row, state_dir) for row in MARKETS}


UNLAUNCHED = frozenset({HIVE_OS, *(row.driver for row in MARKETS)})
"""Drivers that start no program of the rig's own file, and want neither `command` nor `unit`."""
