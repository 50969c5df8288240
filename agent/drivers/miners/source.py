"""Where a miner's figures come from: a port of the miner driver, and its adapter for APIs."""

from __future__ import annotations

from typing import Protocol

import msgspec

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import tcp
from agent.drivers.http import Endpoint, HttpError
from agent.drivers.launched import endpoint
from agent.drivers.miners import flags, report
from agent.drivers.miners.report import Report
from agent.drivers.miners.row import Miner
from agent.drivers.tcp import TcpError
from agent.ports import DriverError

API_TIMEOUT_S = 3.0
"""A miner's API answers from memory."""


class NoReportError(Exception):
    """The miner gave nothing usable; one clause says what."""


class Source(Protocol):
    """Knows one kind of miner."""

    def check(self, workload: Workload) -> None:
        """Whether it can be read and left to the agent. Raises `DriverError`."""

    def endpoint(self, workload: Workload) -> Endpoint | None:
        """Where its API listens, if that is known. Raises `DriverError`."""

    @property
    def options(self) -> Options:
        """Which of its options name a wallet or a pool."""

    async def report(self, workload: Workload) -> Report:
        """What it says now. Raises `NoReportError`."""

    async def told(self, workload: Workload, /) -> tuple[Evidence, ...]:
        """What it says of wallets and pools now; nothing when it is silent."""


class ApiSource:
    """A miner with a row in the table."""

    def __init__(self, miner: Miner, *, timeout_s: float = API_TIMEOUT_S) -> None:
        self._miner = miner
        self._timeout_s = timeout_s

    @property
    def options(self) -> Options:
        """By its row."""
        return self._miner.options

    def endpoint(self, workload: Workload) -> Endpoint:
        """Where its API listens. Raises `DriverError`."""
        return endpoint(workload, self._miner.scheme)

    def check(self, workload: Workload) -> None:
        """Look through the command line. Raises `DriverError` with everything that is wrong.

        The command line of a systemd unit is the unit's own; a container with a network of its own
        is reached through published ports only, which are bound to loopback.
        """
        container = workload.container
        if workload.unit or (container is not None and container.network != "host"):
            return
        port = self.endpoint(workload).port
        command = workload.command
        if container is not None:
            command = (*container.entrypoint, *container.arguments)
        problems = list(flags.problems(command, self._miner.flags, port))
        if problems:
            raise DriverError(f"{workload.key}: {'; '.join(problems)}")

    async def report(self, workload: Workload) -> Report:
        """Ask once. Raises `NoReportError`."""
        return report.read(await self._document(workload), self._miner)

    async def told(self, workload: Workload) -> tuple[Evidence, ...]:
        """Ask once, for the pool and the account that shares go to at this moment."""
        try:
            document = await self._document(workload)
        except (NoReportError, DriverError):
            return ()
        return (report.told(document, self._miner),)

    async def _document(self, workload: Workload) -> dict[str, object]:
        answer = await (self._send(workload) if self._miner.line else self._get(workload))
        try:
            document = msgspec.json.decode(answer)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise NoReportError(f"the miner's answer cannot be understood: {error}") from error
        if not isinstance(document, dict):
            raise NoReportError("the miner's answer cannot be understood: it is no JSON object")
        return document

    async def _get(self, workload: Workload) -> bytes:
        path = self._miner.path
        try:
            answer = await self.endpoint(workload).get(path, timeout_s=self._timeout_s)
        except HttpError as error:
            raise NoReportError(f"the miner's API does not answer: {error}") from error
        if answer.status in (401, 403):
            raise NoReportError("the miner's API refuses `api_token`")
        if not answer.ok:
            raise NoReportError(f"the miner's API answers {path} with status {answer.status}")
        return answer.body

    async def _send(self, workload: Workload) -> bytes:
        api = self.endpoint(workload)
        try:
            return await tcp.ask(api.host, api.port, self._miner.line, timeout_s=self._timeout_s)
        except TcpError as error:
            raise NoReportError(f"the miner's API does not answer: {error}") from error
