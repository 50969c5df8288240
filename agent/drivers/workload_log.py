"""The command of the operating system that shows what a workload wrote."""

from __future__ import annotations

from agent.core.workload import Workload
from agent.drivers.containers.order import name
from agent.drivers.process import ProcessLauncher
from agent.settings import Settings


def shown_by(workload: Workload, settings: Settings) -> list[str]:
    """Program and arguments."""
    if workload.unit:
        return ["journalctl", f"--unit={workload.unit}"]
    if workload.container is not None:
        socket = f"unix://{settings.engine.socket}"
        engine = ["podman", "--url"] if "podman" in socket else ["docker", "--host"]
        return [*engine, socket, "logs", name(workload)]
    return ["tail", str(ProcessLauncher(settings.state_dir).log(workload))]
