"""What drivers of launched programs with an API have in common.

The launcher runs the program; a driver adds what it knows of that kind of program. Whatever the
API does wrong makes a workload look not ready or silent, never more than that.
"""

from __future__ import annotations

import asyncio
from pathlib import Path, PurePath

import psutil

from agent.core import pins
from agent.core.options import Options
from agent.core.pins import Evidence, Finding
from agent.core.workload import Workload
from agent.drivers import command
from agent.drivers.http import Endpoint
from agent.ports import DriverError, Launcher

TCP_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
"""Every TCP socket of this network; without IPv6 the second is missing."""


class LaunchedDriver:
    """Prepares, starts, finds and stops; probing and reading are left to the kinds."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    async def prepare(self, workload: Workload) -> None:
        """Check program, unit or image, the API's port, and the pins. Raises `DriverError`."""
        await self._launcher.prepare(workload)
        api = self._endpoint(workload)
        # Whose port it is cannot be told of another user's processes: a unit's, a container's.
        if api is not None and not workload.unit and workload.container is None:
            await self._require_free(api.port, "api_url", workload)
        found = await self.unapproved(workload)
        if found:
            raise DriverError(f"{workload.key}: {'; '.join(map(str, found))}")

    async def start(self, workload: Workload) -> None:
        """Start it, once. Raises `DriverError`."""
        await self._launcher.start(workload)

    async def alive(self, workload: Workload) -> bool:
        """Whether any process of it runs."""
        return await self._launcher.alive(workload)

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """End it, after `grace_s` seconds by force. Raises `DriverError`."""
        await self._launcher.stop(workload, grace_s)

    async def exited(self, workload: Workload) -> str:
        """Wait until no process of it is left, and say how it ended."""
        return await self._launcher.exited(workload)

    async def unapproved(self, workload: Workload) -> tuple[Finding, ...]:
        """What of it its pins do not name, as it is or would be started. Raises `DriverError`."""
        if not workload.pins:
            return ()
        known = self._options
        collected = await self._launcher.evidence(workload, known)
        told = await self._told(workload)
        return pins.violations((*collected, *told), workload.pins, known)

    @property
    def _options(self) -> Options | None:
        """Those of a miner; ``None`` for programs that do not mine."""
        return None

    async def _told(self, _workload: Workload) -> tuple[Evidence, ...]:
        """What its own API says of wallets and pools; nothing when it is silent."""
        return ()

    def _endpoint(self, workload: Workload) -> Endpoint | None:
        """Where its API listens, if it must have one. Raises `DriverError`."""
        return endpoint(workload)

    async def _require_free(self, port: int, setting: str, workload: Workload) -> None:
        holder = await asyncio.to_thread(_foreign_listener, port, workload)
        if holder is not None:
            raise DriverError(
                f"{workload.key}: port {port} of `{setting}` is taken by {holder}; "
                "stop that or choose another port"
            )


def endpoint(workload: Workload, scheme: str = "http") -> Endpoint:
    """Where its API listens. Raises `DriverError` when `api_url` cannot be used."""
    try:
        return Endpoint.parse(workload.api_url, workload.api_token, scheme=scheme)
    except ValueError as error:
        raise DriverError(f"{workload.key}: `api_url`: {error}") from error


def _foreign_listener(port: int, workload: Workload) -> str | None:
    """Who listens on `port` but the workloads of the same group, which end before this starts."""
    # Whose port it is takes a look at every descriptor of every process.
    if not _is_listened_on(port):
        return None
    try:
        listeners = [
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == port
        ]
    except (psutil.Error, OSError):
        # Then a port in use shows as a failed start.
        return None
    foreign = (pid for pid in listeners if not _is_of_group(pid, workload.group))
    return next((f"pid {pid}" if pid else "another user's process" for pid in foreign), None)


def _is_listened_on(port: int) -> bool:
    """Whether anybody does; true as well when that cannot be told."""
    address, listening = f":{port:04X}", "0A"
    tables = [path.read_text(encoding="ascii") for path in map(Path, TCP_TABLES) if path.exists()]
    if not tables:
        return True
    sockets = (line.split() for table in tables for line in table.splitlines()[1:])
    return any(fields[1].endswith(address) and fields[3] == listening for fields in sockets)


def _is_of_group(pid: int | None, group: str) -> bool:
    if pid is None:
        return False
    try:
        marker = psutil.Process(pid).environ().get(command.MARKER, "")
    except psutil.Error:
        return False
    return PurePath(marker).name.startswith(f"{group}.")
