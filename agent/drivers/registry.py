"""The drivers that a rig has, by the short names that its file calls them."""

from __future__ import annotations

from agent.drivers.commanded import CommandedDriver
from agent.drivers.inference import InferenceDriver
from agent.drivers.miner import MinerDriver
from agent.drivers.miners.hive import HiveSource
from agent.drivers.miners.source import ApiSource
from agent.drivers.miners.table import MINERS
from agent.drivers.servers.table import SERVERS
from agent.ports import Driver, Launcher

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
        HIVE: MinerDriver(launcher, HiveSource()),
        **servers,
        COMMAND: CommandedDriver(),
    }
