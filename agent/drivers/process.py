"""Launcher over plain processes that outlive the agent and are found again by the next one.

Each workload gets a session of its own, a log file, and a marker in its environment; it never
dies with the agent (under systemd the agent's unit needs `KillMode=process`). When the process
that was started has ended, what it left behind is ended too, as systemd does with a unit; so a
command must stay in the foreground. Processes that another user's rights protect cannot be ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import command, ending, evidence, family, logfile, proc, record
from agent.drivers.proc import Process
from agent.drivers.record import Record
from agent.ports import DriverError

KILL_WAIT_S = 10.0
"""For the kernel to give a killed process up; past it, it is stuck in a device driver."""

ORPHAN_GRACE_S = 10.0
"""For the rest of a workload to follow its main process before it is ended."""

LOG_LOOK_S = 60.0
"""Time between two looks at the size of a running workload's log."""

# Python ignores these in itself, and an ignored signal stays ignored in what it starts.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class _Child:
    """A process that this launcher started, whose exit status is to be taken."""

    pid: int
    pidfd: int
    loop: asyncio.AbstractEventLoop
    """Waits for it."""


class ProcessLauncher:
    """Runs each workload in its own session; see the module for what that promises."""

    def __init__(
        self,
        state_dir: Path,
        *,
        kill_wait_s: float = KILL_WAIT_S,
        orphan_grace_s: float = ORPHAN_GRACE_S,
    ) -> None:
        self._kill_wait_s = kill_wait_s
        self._orphan_grace_s = orphan_grace_s
        self._dir = state_dir.absolute() / "processes"
        self._children: dict[str, _Child] = {}
        self._endings: dict[str, str] = {}
        self._known: dict[str, frozenset[tuple[int, int]]] = {}

    def close(self) -> None:
        """Let go of what was started; it goes on. Calling it twice is harmless."""
        for key in list(self._children):
            self._release(key)

    async def prepare(self, workload: Workload) -> None:
        """Check that its program is there. Raises `DriverError`."""
        command.arguments(workload)

    async def start(self, workload: Workload) -> None:
        """Start its command unless any of its processes runs. Raises `DriverError`."""
        # Nothing is awaited in here: a cancelled start has started either nothing or all.
        if self._members(workload):
            return
        arguments = command.arguments(workload)
        environment = command.environment(workload, str(self._record(workload)), os.environ)
        try:
            self._make_room(workload)
            pid = self._spawn(workload, arguments, environment)
            self._watch(workload.key, pid)
            self._save(workload, pid, arguments)
        except (OSError, ValueError) as error:
            raise DriverError(f"{workload.key}: cannot start {arguments[0]}: {error}") from error

    async def alive(self, workload: Workload) -> bool:
        """Whether any of its processes runs."""
        return bool(self._members(workload))

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """TERM to all its processes, after `grace_s` KILL; returns when none is left.

        Raises:
            DriverError: Some outlived KILL; the text names their pids.
        """
        for number, timeout_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, self._kill_wait_s)):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._end(workload, number)
                    return
        left = self._members(workload)
        if left:
            pids = ", ".join(str(process.pid) for process in left)
            raise DriverError(f"{workload.key}: still running after KILL: pid {pids}")

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Pids of its processes."""
        return frozenset(process.pid for process in self._members(workload))

    async def exited(self, workload: Workload) -> str:
        """Wait until none of its processes is left, and say how the main one ended."""
        while (main := self._main(workload)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOG_LOOK_S):
                    await self._gone([main])
            self._trim_log(workload)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._orphan_grace_s):
                await self._gone(self._members(workload))
        with suppress(DriverError):
            await self.stop(workload, self._orphan_grace_s)
        while left := self._members(workload):
            await self._gone(left)
        return self._ending(workload)

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """Its command, and all of its processes. Raises `DriverError`."""
        pids = [process.pid for process in self._members(workload)]
        return await asyncio.to_thread(evidence.of_launched, workload, pids, known)

    async def _end(self, workload: Workload, number: signal.Signals) -> None:
        """Signal every process once, those that appear meanwhile too, until none is left."""
        signalled = set[tuple[int, int]]()
        while left := self._members(workload):
            with proc.held(left) as handles:
                for handle in handles:
                    if handle.process.identity not in signalled:
                        handle.send(number)
                        handle.send(signal.SIGCONT)
                        signalled.add(handle.process.identity)
                for handle in handles:
                    await handle.ended()

    async def _gone(self, processes: list[Process]) -> None:
        with proc.held(processes) as handles:
            for handle in handles:
                await handle.ended()

    # What belongs to a workload

    def _members(self, workload: Workload) -> list[Process]:
        """Its processes, oldest first; those found once stay known as long as they live."""
        found = family.members(
            proc.snapshot(),
            marker=f"{command.MARKER}={self._record(workload)}".encode(),
            saved=self._saved(workload),
            known=self._known.get(workload.key, frozenset()),
        )
        self._known[workload.key] = frozenset(process.identity for process in found)
        return found

    def _main(self, workload: Workload) -> Process | None:
        """The process that was started, if it runs; without a record, the oldest of all."""
        found = self._members(workload)
        saved = self._saved(workload)
        if saved is None:
            return found[0] if found else None
        return family.leader({process.pid: process for process in found}, saved)

    def _saved(self, workload: Workload) -> Record | None:
        """Its record, if it is of this boot."""
        saved = record.load(self._record(workload))
        return saved if saved is not None and saved.boot_id == proc.boot_id() else None

    # Starting

    def _make_room(self, workload: Workload) -> None:
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        logfile.rotate(self.log(workload))
        # An older record must not name the main process of what is started now.
        self._record(workload).unlink(missing_ok=True)
        self._reap(workload.key)

    def _spawn(self, workload: Workload, arguments: list[str], environment: dict[str, str]) -> int:
        log = str(self.log(workload))
        return os.posix_spawn(
            arguments[0],
            arguments,
            environment,
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULT_SIGNALS,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, logfile.OPEN_FLAGS, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )

    def _save(self, workload: Workload, pid: int, arguments: list[str]) -> None:
        process = proc.look(pid)
        assert process is not None, "a child exists until its exit status is taken"
        saved = Record(
            key=workload.key,
            pid=pid,
            start_ticks=process.start_ticks,
            boot_id=proc.boot_id(),
            command=tuple(arguments),
        )
        record.save(self._record(workload), saved)

    # Endings

    def _watch(self, key: str, pid: int) -> None:
        """Take the child's exit status as soon as it ends: no zombies, whoever looks."""
        loop = asyncio.get_running_loop()
        pidfd = os.pidfd_open(pid)
        self._children[key] = _Child(pid, pidfd, loop)
        loop.add_reader(pidfd, self._reap, key)

    def _reap(self, key: str) -> None:
        child = self._children.get(key)
        if child is None:
            return
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            self._release(key)
            return
        if pid:
            self._endings[key] = ending.of_process(os.waitstatus_to_exitcode(status))
            self._release(key)

    def _release(self, key: str) -> None:
        child = self._children.pop(key)
        if not child.loop.is_closed():
            child.loop.remove_reader(child.pidfd)
        os.close(child.pidfd)

    def _ending(self, workload: Workload) -> str:
        self._reap(workload.key)
        how = self._endings.get(workload.key, "ended; its exit status went to another process")
        line = logfile.last_line(self.log(workload))
        return f"{how}; last log line: {line}" if line else how

    def _trim_log(self, workload: Workload) -> None:
        # A full disk must not end the watch over a workload that runs.
        with suppress(OSError):
            logfile.trim(self.log(workload))

    def _record(self, workload: Workload) -> Path:
        return self._dir / f"{workload.key}.json"

    def log(self, workload: Workload) -> Path:
        """Where its output goes."""
        return self._dir / f"{workload.key}.log"
