"""Ports that the agent and the workloads need, in strangers' hands."""

from __future__ import annotations

from collections.abc import Iterator

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
        elif holder.pid not in agents(settings, machine):
            yield Finding(
                "metrics-port-taken",
                about,
                f"{holder} listens there, and it is not this rig's agent",
                "stop it, or give the agent another `metrics.port`",
            )


def agents(settings: Settings, machine: Machine) -> frozenset[int]:
    """Processes that have claimed this rig's state directory: its agent, if it runs."""
    try:
        inode = (settings.state_dir / LOCK).stat().st_ino
        lines = (machine.proc / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return frozenset()
    return frozenset(pid for line in lines for pid in _holder(line.split(), inode))


def _holder(words: list[str], inode: int) -> Iterator[int]:
    """From a line such as `1: FLOCK ADVISORY WRITE 4711 08:01:1234 0 EOF`."""
    if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(inode):
        yield int(words[4])
