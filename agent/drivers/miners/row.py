"""What is known of one miner: how to ask it, where its figures stand, how to start it."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.core.options import Options
from agent.drivers.miners.flags import Flag

ALGORITHM = "<algorithm>"
"""In a path: the name of the (first) algorithm, for miners that use it as a key."""

Paths = tuple[str, ...]
"""Places to look at, see `agent.drivers.paths`; the first that holds anything counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """Columns of figures, one entry per GPU in the same order."""

    hashrate: str
    """In the same unit as the total."""
    pci_bus: str = ""
    """Bus number, or whole PCI address."""
    accepted: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """One miner's API and command line."""

    driver: str
    """Short name, as workloads have it."""
    title: str
    """What its makers call it."""
    path: str = ""
    """HTTP: what to get."""
    line: str = ""
    """TCP: what to send; then there is no `path`."""
    hashrate: Paths
    """Of several numbers the sum."""
    factor: float | str = 1.0
    """To hashes per second, or the path of that factor."""
    unit: str = ""
    """Path of the unit's name, for miners without a fixed one; an unknown name gives no figure."""
    accepted: Paths
    rejected: Paths
    stale: Paths = ()
    pool: Paths = ()
    uptime: Paths = ()
    """Seconds."""
    algorithm: Paths = ()
    paused: str = ""
    """Path of a truth value."""
    gpus: Gpus | None = None
    flags: tuple[Flag, ...] = ()
    options: Options = field(default_factory=Options)
    """Those that name a wallet or a pool."""
    caution: str = ""
    """What no option can prevent, for people."""

    @property
    def scheme(self) -> str:
        """Of the workload's `api_url`."""
        return "tcp" if self.line else "http"
