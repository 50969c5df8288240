"""The process launcher against real processes: what it starts and what it keeps of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.drivers import logfile, proc
from agent.drivers.process import ProcessLauncher
from agent.ports import DriverError
from tests.parts import programs
from tests.parts.programs import GRACE_S, SLEEPER, log_path, pid_of, record_path, shell, until


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ProcessLauncher]:
    with programs.launching(tmp_path) as launcher:
        yield launcher


def ignored(pid: int) -> int:
    """Mask of the signals that a process ignores."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))


def test_lives_from_start_to_stop(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell(SLEEPER)

    async def scenario() -> None:
        assert not await launcher.alive(workload)
        await launcher.start(workload)
        assert await launcher.alive(workload)
        await launcher.stop(workload, GRACE_S)
        assert not await launcher.alive(workload)
        assert await launcher.exited(workload) == "ended by SIGTERM"

    asyncio.run(scenario())


def test_gives_a_minimal_environment(
    tmp_path: Path, launcher: ProcessLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_SECRET", "x")
    workload = replace(
        shell("env"), environment={"POOL": "p", "CUDA_VISIBLE_DEVICES": "GPU-of-another"}
    )

    async def scenario() -> None:
        await launcher.start(workload)
        await launcher.exited(workload)

    asyncio.run(scenario())
    lines = log_path(tmp_path, workload).read_text().splitlines()
    assert "POOL=p" in lines
    assert "CUDA_VISIBLE_DEVICES=GPU-a,GPU-b" in lines
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in lines
    assert f"RIGSHIFT_WORKLOAD={record_path(tmp_path, workload)}" in lines
    assert not any(line.startswith("AGENT_SECRET") for line in lines)


def test_fills_in_gpus_and_reports_exit_code_and_last_line(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    workload = replace(
        shell(""), command=("sh", "-c", r'printf "\033[31mbad: $0\033[0m\n\n"; exit 7', "-d={gpus}")
    )

    async def scenario() -> str:
        await launcher.start(workload)
        return await launcher.exited(workload)

    assert asyncio.run(scenario()) == ("ended with exit code 7; last log line: bad: -d=GPU-a,GPU-b")


def test_starts_one_process_only(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell("echo started; exec sleep 1000")

    async def scenario() -> None:
        await asyncio.gather(*(launcher.start(workload) for _ in range(3)))
        pid = pid_of(tmp_path, workload)
        await ProcessLauncher(tmp_path).start(workload)
        assert pid_of(tmp_path, workload) == pid
        await until(lambda: log_path(tmp_path, workload).read_text() == "started\n")
        await launcher.stop(workload, GRACE_S)

    asyncio.run(scenario())


def test_gives_it_a_session_of_its_own_and_no_input(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    workload = shell("cat; trap; exec sleep 1000")

    async def scenario() -> None:
        await launcher.start(workload)
        pid = pid_of(tmp_path, workload)
        assert os.getsid(pid) == pid
        assert os.getpgid(pid) == pid
        # It gets past `cat` only because its input is empty.
        await until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        assert not ignored(pid) & 1 << (signal.SIGPIPE - 1)
        await launcher.stop(workload, GRACE_S)

    asyncio.run(scenario())


def test_leaves_no_zombie_though_nobody_waits(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell("exit 0")

    async def scenario() -> None:
        await launcher.start(workload)
        pid = pid_of(tmp_path, workload)
        await until(lambda: proc.look(pid) is None)
        assert await launcher.exited(workload) == "ended with exit code 0"

    asyncio.run(scenario())


def test_keeps_the_log_of_the_run_before(tmp_path: Path, launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        for word in ("first", "second"):
            workload = shell(f"echo {word}")
            await launcher.start(workload)
            await launcher.exited(workload)

    asyncio.run(scenario())
    now = log_path(tmp_path, shell(""))
    assert now.read_text() == "second\n"
    assert now.with_name(now.name + ".1").read_text() == "first\n"


def test_a_log_is_emptied_under_its_writer_when_it_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = os.open(path, logfile.OPEN_FLAGS, 0o600)
    os.write(writer, b"x" * logfile.LOG_BYTES_MAX)
    logfile.trim(path)
    assert path.stat().st_size == logfile.LOG_BYTES_MAX
    os.write(writer, b"y")
    logfile.trim(path)
    os.write(writer, b"z\n\n")
    os.close(writer)
    assert path.read_bytes() == b"z\n\n"
    assert (tmp_path / "log.1").stat().st_size == logfile.LOG_BYTES_MAX + 1
    assert logfile.last_line(path) == "z"
    assert logfile.last_line(tmp_path / "log.1") == "x" * logfile.LINE_CHARS_MAX
    assert logfile.last_line(tmp_path / "none") == ""


def test_record_is_private_and_says_what_runs(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell(SLEEPER)

    async def scenario() -> None:
        await launcher.start(workload)
        path = record_path(tmp_path, workload)
        saved = json.loads(path.read_text())
        process = proc.look(saved["pid"])
        assert process is not None
        assert saved["start_ticks"] == process.start_ticks
        assert saved["boot_id"] == proc.boot_id()
        assert saved["command"] == ["/bin/sh", "-c", SLEEPER]
        assert saved["key"] == "g.w"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await launcher.stop(workload, GRACE_S)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((), "`command` is empty"),
        (("/no/such/miner",), "/no/such/miner does not exist"),
        (("no-such-miner",), "no-such-miner is not in PATH"),
        (("{dir}/plain",), "plain may not be executed"),
        (("{dir}/broken",), "cannot start .*broken"),
        (("/bin/echo", "a\0b"), "cannot start /bin/echo"),
    ],
)
def test_refuses_what_cannot_be_started(
    tmp_path: Path, launcher: ProcessLauncher, command: tuple[str, ...], said: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF, but not really")
    broken.chmod(0o755)
    filled = tuple(argument.replace("{dir}", str(tmp_path)) for argument in command)
    workload = replace(shell(""), command=filled)

    async def scenario() -> None:
        with pytest.raises(DriverError, match=said):
            await launcher.start(workload)
        assert not await launcher.alive(workload)

    asyncio.run(scenario())
