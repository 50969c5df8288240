"""The drivers that a rig has, by the short names that its file calls them."""

from __future__ import annotations

from agent.drivers.inference import InferenceDriver
from agent.drivers.miner import MinerDriver
from agent.ports import Driver, Launcher


def drivers(launcher: Launcher) -> dict[str, Driver]:
    """Every driver for real programs, run through `launcher`."""
    return {"xmrig": MinerDriver(launcher), "openai": InferenceDriver(launcher)}
