"""Speaks to one marketplace for its hosts: politely, and with a token that it never shows."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from agent.core.workload import Market, Workload
from agent.drivers import errand
from agent.drivers.http import Answer, Endpoint, HttpError
from agent.drivers.markets import sight
from agent.drivers.markets.row import Call, Row
from agent.drivers.markets.sight import Sight, UnclearError
from agent.ports import DriverError

API_TIMEOUT_S = 15.0
COMMAND_TIMEOUT_S = 30.0
BACKOFF_MAX_S = 120.0
"""Longest pause after it has refused or not answered several times."""

TOKEN_BYTES_MAX = 4096


class Desk:
    """One marketplace, asked by one question at a time."""

    def __init__(self, row: Row, *, gap_s: float | None = None) -> None:
        self._row = row
        self._gap_s = row.gap_s if gap_s is None else gap_s
        self._turn = asyncio.Lock()
        self._next_s = 0.0
        """Time of the event loop before which it is left alone."""
        self._pause_s = self._gap_s

    def check(self, workload: Workload) -> Market:
        """What the rig's own file says of the machine. Raises `DriverError`."""
        row, market = self._row, workload.market
        if market is None or not market.machine:
            raise DriverError(f"{workload.key}: `market.machine` is missing; see docs/workloads.md")
        if not row.url and not market.url:
            raise DriverError(f"{workload.key}: `market.url` is missing; {row.title} has no other")
        if row.enlist is None and not (market.list_command and market.unlist_command):
            raise DriverError(
                f"{workload.key}: `market.list_command` or `market.unlist_command` is missing"
            )
        self._endpoint(workload, market)
        return market

    async def look(self, workload: Workload) -> Sight:
        """How the machine stands there now. Raises `DriverError`."""
        answer = await self._ask(self._row.look, workload)
        try:
            return sight.read(self._row, workload, answer.body)
        except UnclearError as error:
            raise DriverError(f"{workload.key}: {error}") from error

    async def enlist(self, workload: Workload) -> None:
        """Offer it; harmless when it is. Raises `DriverError`."""
        market = self.check(workload)
        await self._change(workload, self._row.enlist, market.list_command)

    async def delist(self, workload: Workload) -> None:
        """Let no new tenant in; those that are there stay. Raises `DriverError`."""
        market = self.check(workload)
        await self._change(workload, self._row.delist, market.unlist_command)

    async def _change(
        self, workload: Workload, call: Call | None, command: tuple[str, ...]
    ) -> None:
        if call is None:
            await _run(workload, command)
            return
        answer = await self._ask(call, workload)
        done = self._row.done
        try:
            agreed = done is None or sight.meant(sight.decoded(answer.body), done)
        except UnclearError as error:
            raise DriverError(f"{workload.key}: {error}") from error
        if not agreed:
            what = sight.excerpt(answer.body)
            raise DriverError(f"{workload.key}: {self._row.title} refuses: {what}")

    async def _ask(self, call: Call, workload: Workload) -> Answer:
        market = self.check(workload)
        api = self._endpoint(workload, market)
        body = None if call.body is None else call.body(market)
        path = call.path.replace("{machine}", market.machine)
        async with self._turn:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._next_s - loop.time()))
            answer: Answer | None = None
            try:
                answer = await api.ask(call.method, path, body, timeout_s=API_TIMEOUT_S)
            except HttpError as error:
                raise DriverError(
                    f"{workload.key}: {self._row.title} does not answer: {error}"
                ) from error
            finally:
                self._next_s = loop.time() + self._pause_after(answer)
        if not answer.ok:
            raise DriverError(
                f"{workload.key}: {self._row.title} answers with status {answer.status}: "
                f"{sight.excerpt(answer.body)}"
            )
        return answer

    def _pause_after(self, answer: Answer | None) -> float:
        """The usual gap after an answer, more and more of it after none or a refusal."""
        if answer is not None and answer.ok:
            self._pause_s = self._gap_s
        else:
            asked_s = answer.retry_after_s if answer is not None else None
            self._pause_s = min(BACKOFF_MAX_S, max(2.0 * self._pause_s, asked_s or 0.0))
        return self._pause_s

    def _endpoint(self, workload: Workload, market: Market) -> Endpoint:
        row = self._row
        token = _token(workload, market) if row.wants_token else ""
        url = market.url or row.url
        try:
            return Endpoint.remote(
                url, token, token_header=row.token_header, ca_file=market.ca_file
            )
        except ValueError as error:
            raise DriverError(f"{workload.key}: `market.url`: {error}") from error


def _token(workload: Workload, market: Market) -> str:
    """Read anew each time, so that it can be replaced while the agent runs."""
    path = Path(market.token_file)
    where = f"{workload.key}: `market.token_file`"
    if not path.is_absolute():
        raise DriverError(f"{where} must be the absolute path of a file with the API key")
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise DriverError(f"{where}: others can read {path}; run `chmod 600 {path}`")
            token = file.read(TOKEN_BYTES_MAX).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no plain text"
        raise DriverError(f"{where}: {path} cannot be read: {why}") from error
    if not token.isprintable() or not token:
        raise DriverError(f"{where}: {path} holds no key, or more than one line")
    return token


async def _run(workload: Workload, command: tuple[str, ...]) -> None:
    """A program of the rig's own file; no shell. Raises `DriverError`."""
    name = command[0]
    try:
        async with errand.running(command) as process, asyncio.timeout(COMMAND_TIMEOUT_S):
            code = await process.wait()
    except TimeoutError as error:
        raise DriverError(f"{workload.key}: {name} took over {COMMAND_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise DriverError(f"{workload.key}: {name} cannot be run: {error.strerror}") from error
    if code:
        raise DriverError(f"{workload.key}: {name} ended with exit code {code}")
