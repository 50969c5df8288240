"""What the process launcher finds again: after a crash, without a record, among reused pids."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from agent.drivers import proc
from agent.drivers import record as records
from agent.drivers.process import ProcessLauncher
from agent.drivers.record import Record
from agent.ports import DriverError
from tests.parts import programs
from tests.parts.programs import GRACE_S, SLEEPER, record_path, shell, until

AGENT = """
import asyncio, sys
from pathlib import Path
from agent.drivers.process import ProcessLauncher
from tests.parts.programs import GRACE_S, SLEEPER, pid_of, record_path, shell, until

async def main():
    await ProcessLauncher(Path(sys.argv[1])).start(shell(sys.argv[2]))
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

WIPES_ITS_ENVIRONMENT = """
import ctypes, sys, time
from pathlib import Path
fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
start, end = int(fields[47]), int(fields[48])
ctypes.memset(start, 0, end - start)
Path(sys.argv[1]).write_text("wiped")
time.sleep(1000)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ProcessLauncher]:
    with programs.launching(tmp_path) as launcher:
        yield launcher


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A foreign process that leads a session of its own, as a workload does."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_survives_the_agents_death_and_is_adopted(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, str(tmp_path), SLEEPER], stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == "started\n"
    agent.kill()
    agent.wait()
    agent.stdout.close()

    async def scenario() -> None:
        workload = shell(SLEEPER)
        assert await launcher.alive(workload)
        watch = asyncio.create_task(launcher.exited(workload))
        await launcher.start(workload)
        await launcher.stop(workload, GRACE_S)
        assert await watch == "ended; its exit status went to another process"
        assert not await launcher.alive(workload)

    asyncio.run(scenario())


@pytest.mark.parametrize("left", [None, b"", b"{torn", b"[1]", b'{"pid": "x"}'])
def test_finds_it_without_a_usable_record(
    tmp_path: Path, launcher: ProcessLauncher, left: bytes | None
) -> None:
    workload = shell(SLEEPER)

    async def scenario() -> None:
        await launcher.start(workload)
        path = record_path(tmp_path, workload)
        pid = records.load(path)
        assert pid is not None
        path.unlink()
        if left is not None:
            path.write_bytes(left)
        adopter = ProcessLauncher(tmp_path)
        await adopter.start(workload)
        watch = asyncio.create_task(adopter.exited(workload))
        await asyncio.sleep(0)
        assert not watch.done()
        await adopter.stop(workload, GRACE_S)
        await watch
        assert not programs.running(pid.pid)

    asyncio.run(scenario())


@pytest.mark.parametrize("lie", ["other start", "other boot"])
def test_a_reused_pid_is_not_taken_for_the_workload(
    tmp_path: Path, launcher: ProcessLauncher, bystander: subprocess.Popen[bytes], lie: str
) -> None:
    workload = shell(SLEEPER)
    foreign = proc.look(bystander.pid)
    assert foreign is not None
    saved = Record(
        key=workload.key,
        pid=foreign.pid,
        start_ticks=foreign.start_ticks - (lie == "other start"),
        boot_id="another" if lie == "other boot" else proc.boot_id(),
        command=(),
    )
    path = record_path(tmp_path, workload)
    path.parent.mkdir()
    path.write_text(json.dumps(asdict(saved)))

    async def scenario() -> None:
        assert not await launcher.alive(workload)
        await launcher.stop(workload, 0)
        await launcher.exited(workload)
        await launcher.start(workload)
        assert await launcher.alive(workload)
        await launcher.stop(workload, GRACE_S)

    asyncio.run(scenario())
    assert bystander.poll() is None


def test_finds_a_server_that_wiped_its_environment(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    wiped = tmp_path / "wiped"
    workload = replace(shell(""), command=programs.python(WIPES_ITS_ENVIRONMENT, str(wiped)))

    async def scenario() -> None:
        await launcher.start(workload)
        await until(lambda: wiped.exists() and wiped.read_text() == "wiped")
        saved = records.load(record_path(tmp_path, workload))
        assert saved is not None
        assert proc.environment(saved.pid) == ()
        adopter = ProcessLauncher(tmp_path)
        assert await adopter.alive(workload)
        await adopter.stop(workload, GRACE_S)
        assert not programs.running(saved.pid)

    asyncio.run(scenario())


def test_finds_a_wiped_worker_whose_main_process_has_gone(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    wiped = tmp_path / "wiped"
    code = (
        f"{sys.executable} -c '{WIPES_ITS_ENVIRONMENT}' {wiped} & echo $! > {tmp_path}/child; wait"
    )
    workload = shell(code)

    async def scenario() -> None:
        await launcher.start(workload)
        await until(lambda: wiped.exists() and wiped.read_text() == "wiped")
        saved = records.load(record_path(tmp_path, workload))
        assert saved is not None
        worker = int((tmp_path / "child").read_text())
        os.kill(saved.pid, signal.SIGKILL)
        await until(lambda: proc.look(saved.pid) is None)
        adopter = ProcessLauncher(tmp_path)
        assert await adopter.alive(workload)
        await adopter.stop(workload, GRACE_S)
        assert not programs.running(worker)

    asyncio.run(scenario())


def test_an_earlier_look_keeps_a_worker_known(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell("env -i A=b sleep 1000 & echo $! > {dir}/child; wait", directory=tmp_path)
    child = tmp_path / "child"

    async def scenario() -> None:
        await launcher.start(workload)
        await until(lambda: child.exists() and child.read_text().endswith("\n"))
        worker = int(child.read_text())
        assert await launcher.alive(workload)
        saved = records.load(record_path(tmp_path, workload))
        assert saved is not None
        os.kill(saved.pid, signal.SIGKILL)
        await until(lambda: proc.look(saved.pid) is None)
        assert "SIGKILL" in await launcher.exited(workload)
        assert not programs.running(worker)

    asyncio.run(scenario())


def test_adopts_what_was_started_but_not_recorded(
    tmp_path: Path, launcher: ProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = shell(SLEEPER)

    def disk_full(path: Path, saved: Record) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async def scenario() -> None:
        # The record of an earlier run must not pass for the one that is missing.
        await launcher.start(workload)
        await launcher.stop(workload, GRACE_S)
        with monkeypatch.context() as full:
            full.setattr(records, "save", disk_full)
            with pytest.raises(DriverError, match="No space left"):
                await launcher.start(workload)
        adopter = ProcessLauncher(tmp_path, orphan_grace_s=0)
        watch = asyncio.create_task(adopter.exited(workload))
        await asyncio.wait([watch], timeout=0.1)
        assert not watch.done()
        assert await adopter.alive(workload)
        await adopter.stop(workload, GRACE_S)
        await watch

    asyncio.run(scenario())


def test_holds_only_the_very_process_that_was_seen(bystander: subprocess.Popen[bytes]) -> None:
    seen = proc.look(bystander.pid)
    assert seen is not None
    with proc.held([seen]) as handles:
        assert [handle.process for handle in handles] == [seen]
    with proc.held([replace(seen, start_ticks=seen.start_ticks - 1)]) as handles:
        assert handles == []
