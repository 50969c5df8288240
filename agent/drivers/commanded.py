"""Driver over the commands of the rig's owner, for everything that has no driver of its own.

The agent does not hold what such a command starts; it believes `status`. A status that is neither
"runs" nor "does not" is no answer, and so nothing is started on it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile

from agent.core import pins
from agent.core.options import Options
from agent.core.pins import Evidence, Finding
from agent.core.workload import Workload
from agent.drivers import command, errand, evidence, logfile, proc, stats
from agent.drivers.stats import Stats, StatsError
from agent.ports import DriverError, Readiness
from wire.model import Kind, WorkloadReading

STATUS_TIMEOUT_S = 10.0
"""For `status` and `stats`."""

LOOK_S = 1.0
"""Between two questions for the status of what runs, or is to end."""

STOPPED_WAIT_S = 10.0
"""After `stop` has returned, for `status` to agree."""

OUTPUT_BYTES_MAX = 256 * 1024

_RUNS, _RUNS_NOT = 0, 3


class CommandedDriver:
    """Runs what four commands stand for."""

    def __init__(self, *, look_s: float = LOOK_S, stopped_wait_s: float = STOPPED_WAIT_S) -> None:
        self._look_s = look_s
        self._stopped_wait_s = stopped_wait_s

    async def prepare(self, workload: Workload) -> None:
        """Check that the programs are there, and the pins. Raises `DriverError`."""
        for words in _commands(workload):
            command.arguments(workload, words)
        found = await self.unapproved(workload)
        if found:
            raise DriverError(f"{workload.key}: {'; '.join(map(str, found))}")

    async def start(self, workload: Workload) -> None:
        """Run `start` unless it runs already. Raises `DriverError`."""
        if await self.alive(workload):
            return
        code, _ = await _run(workload, workload.commands.start, leaves=True)
        if code != 0:
            raise DriverError(f"{workload.key}: `start` ended with {code}")

    async def alive(self, workload: Workload) -> bool:
        """By `status`. Raises `DriverError` when that does not tell."""
        code, printed = await _asked(workload, workload.commands.status)
        if code not in (_RUNS, _RUNS_NOT):
            raise DriverError(
                f"{workload.key}: `status` ended with {code}, neither {_RUNS} (it runs) nor "
                f"{_RUNS_NOT} (it does not){_said(printed)}"
            )
        return code == _RUNS

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """Run `stop` and wait until `status` agrees. Raises `DriverError`."""
        if not await self.alive(workload):
            return
        said = "not done in time"
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                code, printed = await _run(workload, workload.commands.stop)
                said = f"it ended with {code}{_said(printed)}"
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stopped_wait_s):
                await self._ended(workload)
                return
        raise DriverError(f"{workload.key}: it still runs after `stop` ({said})")

    async def exited(self, workload: Workload) -> str:
        """Wait until `status` says that it does not run."""
        while True:
            with suppress(DriverError):
                await self._ended(workload)
                return "ended, by its `status`"
            await asyncio.sleep(self._look_s)

    async def probe(self, workload: Workload) -> Readiness:
        """Ready when it runs and its figures say so, as far as it tells any."""
        try:
            if not await self.alive(workload):
                return Readiness(ready=False, reason="by its `status` it does not run")
        except DriverError as error:
            return Readiness(ready=False, reason=str(error))
        if not workload.commands.stats:
            return Readiness(ready=True, reason="it runs; it has no `stats`")
        try:
            return _judge(await _stats(workload), workload)
        except (StatsError, DriverError) as error:
            return Readiness(ready=False, reason=f"`stats`: {error}")

    async def read(self, workload: Workload) -> WorkloadReading | None:
        """Its figures; ``None`` when it tells none."""
        if not workload.commands.stats:
            return None
        try:
            return stats.reading(await _stats(workload), workload)
        except (StatsError, DriverError):
            return None

    async def unapproved(self, workload: Workload) -> tuple[Finding, ...]:
        """What of it its pins do not name. Raises `DriverError`."""
        if not workload.pins:
            return ()
        known = Options() if workload.kind is Kind.MINING else None
        found = await asyncio.to_thread(_evidence, workload, known)
        told: tuple[Evidence, ...] = ()
        if workload.commands.stats:
            with suppress(StatsError, DriverError):
                told = (_told(await _stats(workload)),)
        return pins.violations((*found, *told), workload.pins, known)

    async def _ended(self, workload: Workload) -> None:
        while await self.alive(workload):  # noqa: ASYNC110 - commands announce nothing
            await asyncio.sleep(self._look_s)


def _commands(workload: Workload) -> tuple[tuple[str, ...], ...]:
    """Those that must be there, and `stats`. Raises `DriverError`."""
    found = workload.commands
    for name, words in (("start", found.start), ("stop", found.stop), ("status", found.status)):
        if not words:
            raise DriverError(f"{workload.key}: `commands.{name}` is missing")
    return (found.start, found.stop, found.status, *((found.stats,) if found.stats else ()))


def _evidence(workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
    """The commands, and every process that bears the workload's mark."""
    variables = tuple(workload.environment.items())
    found = [
        each
        for words in _commands(workload)
        for each in evidence.of_command(words, variables, known, where=f"`{words[0]}`")
    ]
    mark = f"{command.MARKER}={workload.key}".encode()
    for pid in proc.snapshot():
        if mark in (proc.environment(pid) or ()):
            found.extend(evidence.of_process(pid, known))
    return tuple(found)


def _told(figures: Stats) -> Evidence:
    told = (("pool", figures.pool), ("wallet", figures.account))
    fields = tuple((name, value) for name, value in told if value)
    return Evidence(where="its `stats`", fields=fields, portless=True)


def _judge(figures: Stats, workload: Workload) -> Readiness:
    wanted, shares = workload.readiness, figures.shares_accepted
    if figures.ready is not None:
        return Readiness(ready=figures.ready, reason=figures.reason or "by its `stats`")
    if workload.kind is not Kind.MINING:
        return Readiness(ready=True, reason="it runs and tells its figures")
    if figures.hashrate_hps is None or figures.hashrate_hps < wanted.hashrate_min_hps:
        return Readiness(ready=False, reason=f"needs {wanted.hashrate_min_hps:g} H/s")
    enough = (shares or 0) >= wanted.shares_min
    return Readiness(ready=enough, reason=f"{shares or 0} of {wanted.shares_min} shares")


async def _stats(workload: Workload) -> Stats:
    code, printed = await _asked(workload, workload.commands.stats)
    if code != 0:
        raise DriverError(f"it ended with {code}{_said(printed)}")
    return stats.read(printed)


async def _asked(workload: Workload, words: Sequence[str]) -> tuple[int, bytes]:
    """Run a command that answers at once. Raises `DriverError`."""
    try:
        async with asyncio.timeout(STATUS_TIMEOUT_S):
            return await _run(workload, words)
    except TimeoutError as error:
        raise DriverError(
            f"{workload.key}: {words[0]} took more than {STATUS_TIMEOUT_S:g} s"
        ) from error


async def _run(
    workload: Workload, words: Sequence[str], *, leaves: bool = False
) -> tuple[int, bytes]:
    """Exit code and what it printed; one that is given up is killed. Raises `DriverError`.

    What it `leaves` behind would go on writing where it writes, so then nothing is kept.
    """
    arguments = command.arguments(workload, words)
    with TemporaryFile() as output:
        owners = errand.running(
            arguments,
            stdout=errand.NOWHERE if leaves else output,
            stderr=errand.MERGED,
            environment=command.environment(workload, workload.key, os.environ),
            leaves=True,
        )
        try:
            async with owners as process:
                code = await process.wait()
        except OSError as error:
            raise DriverError(f"{workload.key}: {arguments[0]} cannot be run: {error}") from error
        output.seek(0)
        return code, output.read(OUTPUT_BYTES_MAX)


def _said(printed: bytes) -> str:
    line = logfile.clean(printed.decode(errors="replace"))
    return f": {line}" if line else ""
