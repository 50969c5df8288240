"""Ports that the agent and the workloads need, in strangers' hands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent import host
from agent.doctor.finding import Finding, Machine, Result, Unseen
from agent.settings import Settings
from wire.statedir import LOCK


def metrics(settings: Settings, machine: Machine) -> Iterator[Result]:
    """The agent's own port; the agent that works with this state directory may hold it."""
    port, about = settings.metrics.port, f"port {settings.metrics.port}"
    for holder in host.listeners(port) if port else ():
        if holder.pid is None:
            yield Unseen(about, "only root sees which process listens there")
        elif not _holds(machine, holder.pid, settings.state_dir / LOCK):
            yield Finding(
                "metrics-port-taken",
                about,
                f"{holder} listens there, and it is not this rig's agent",
                "stop it, or give the agent another `metrics.port`",
            )


def _holds(machine: Machine, pid: int, file: Path) -> bool:
    """Whether a process has a file open."""
    folder = machine.proc / str(pid) / "fd"
    try:
        return any(link.resolve() == file.resolve() for link in folder.iterdir())
    except OSError:
        return False
