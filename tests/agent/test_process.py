"""The process launcher against real processes: what it starts, finds and ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.workload import Workload
from agent.drivers import logfile, proc
from agent.drivers.process import ProcessLauncher
from agent.ports import DriverError
from tests.parts import programs
from tests.parts.programs import IGNORES_TERM, SLEEPER, shell, until

GRACE_S = 30.0
"""Long enough that no test here depends on it."""


@pytest.fixture(autouse=True)
def _swept(tmp_path: Path) -> Iterator[None]:
    with programs.swept(tmp_path):
        yield


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ProcessLauncher]:
    launcher = ProcessLauncher(tmp_path, orphan_grace_s=0.1)
    yield launcher
    launcher.close()


def record(tmp_path: Path, workload: Workload) -> Path:
    return tmp_path / "processes" / f"{workload.key}.json"


def log(tmp_path: Path, workload: Workload) -> Path:
    return tmp_path / "processes" / f"{workload.key}.log"


def pid_of(tmp_path: Path, workload: Workload) -> int:
    return int(json.loads(record(tmp_path, workload).read_text())["pid"])


def ignored(pid: int) -> int:
    """Mask of the signals that a process ignores."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def deaf(pidfd: int, number: signal.Signals) -> None:
    """Stands for a process that the kernel cannot end, stuck in a device driver."""


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
    lines = log(tmp_path, workload).read_text().splitlines()
    assert "POOL=p" in lines
    assert "CUDA_VISIBLE_DEVICES=GPU-a,GPU-b" in lines
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in lines
    assert f"RIGSHIFT_WORKLOAD={record(tmp_path, workload)}" in lines
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
        await until(lambda: log(tmp_path, workload).read_text() == "started\n")
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


def test_kills_what_ignores_term(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell(IGNORES_TERM, directory=tmp_path)

    async def scenario() -> None:
        await launcher.start(workload)
        await until((tmp_path / "ready").exists)
        await launcher.stop(workload, 0.2)
        assert not await launcher.alive(workload)
        assert "SIGKILL" in await launcher.exited(workload)

    asyncio.run(scenario())


def test_stops_what_is_suspended(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell(SLEEPER)

    async def scenario() -> str:
        await launcher.start(workload)
        os.kill(pid_of(tmp_path, workload), signal.SIGSTOP)
        await launcher.stop(workload, GRACE_S)
        return await launcher.exited(workload)

    assert asyncio.run(scenario()) == "ended by SIGTERM"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(
            "setsid sh -c 'sleep 1000 & echo $! > {dir}/child; exit' & wait; exec sleep 1000",
            id="double fork into a session of its own",
        ),
        pytest.param(
            "env -i sleep 1000 & echo $! > {dir}/child; wait", id="environment thrown away"
        ),
        pytest.param(
            "setsid sh -c 'echo $$ > {dir}/child; exec env -i sleep 1000' & wait",
            id="environment thrown away in a session of its own",
        ),
    ],
)
def test_stops_every_descendant(tmp_path: Path, launcher: ProcessLauncher, code: str) -> None:
    workload = shell(code, directory=tmp_path)
    child = tmp_path / "child"

    async def scenario() -> None:
        await launcher.start(workload)
        await until(lambda: child.exists() and child.read_text().endswith("\n"))
        pid = int(child.read_text())
        assert programs.running(pid)
        await ProcessLauncher(tmp_path).stop(workload, GRACE_S)
        assert not programs.running(pid)
        assert not await launcher.alive(workload)

    asyncio.run(scenario())


def test_ends_what_the_main_process_leaves_behind(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    workload = shell(
        "setsid sleep 1000 & echo $! > {dir}/child; exec sleep 1000", directory=tmp_path
    )
    child = tmp_path / "child"

    async def scenario() -> str:
        await launcher.start(workload)
        await until(lambda: child.exists() and child.read_text().endswith("\n"))
        watch = asyncio.create_task(launcher.exited(workload))
        await asyncio.sleep(0)
        os.kill(pid_of(tmp_path, workload), signal.SIGKILL)
        ending = await watch
        assert not programs.running(int(child.read_text()))
        return ending

    assert asyncio.run(scenario()) == "ended by SIGKILL"


def test_names_what_it_cannot_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = shell(SLEEPER)
    launcher = ProcessLauncher(tmp_path, kill_wait_s=0.05)

    async def scenario() -> None:
        await launcher.start(workload)
        pid = pid_of(tmp_path, workload)
        with monkeypatch.context() as stuck:
            stuck.setattr(signal, "pidfd_send_signal", deaf)
            with pytest.raises(DriverError, match=f"still running after KILL: pid {pid}"):
                await launcher.stop(workload, 0.05)
        assert await launcher.alive(workload)
        await launcher.stop(workload, GRACE_S)
        launcher.close()

    asyncio.run(scenario())


def test_can_be_cancelled_and_repeated(tmp_path: Path, launcher: ProcessLauncher) -> None:
    workload = shell(IGNORES_TERM, directory=tmp_path)

    async def scenario() -> None:
        await launcher.start(workload)
        await until((tmp_path / "ready").exists)
        before = descriptors()
        for verb in (launcher.stop(workload, GRACE_S), launcher.exited(workload)):
            task = asyncio.create_task(verb)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert descriptors() == before
        assert await launcher.alive(workload)
        await launcher.stop(workload, 0)
        await launcher.stop(workload, 0)
        assert not await launcher.alive(workload)

    asyncio.run(scenario())


def test_keeps_the_log_of_the_run_before(tmp_path: Path, launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        for word in ("first", "second"):
            workload = shell(f"echo {word}")
            await launcher.start(workload)
            await launcher.exited(workload)

    asyncio.run(scenario())
    now = log(tmp_path, shell(""))
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
        path = record(tmp_path, workload)
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


def test_stop_and_exited_without_a_process_are_harmless(launcher: ProcessLauncher) -> None:
    async def scenario() -> None:
        await launcher.stop(shell(SLEEPER), GRACE_S)
        assert "ended" in await launcher.exited(shell(SLEEPER))

    asyncio.run(scenario())


def test_a_workload_is_not_mistaken_for_another(tmp_path: Path, launcher: ProcessLauncher) -> None:
    one, other = shell(SLEEPER, name="w"), shell(SLEEPER, name="w2")

    async def scenario() -> None:
        await launcher.start(one)
        await launcher.start(other)
        await launcher.stop(one, GRACE_S)
        assert await launcher.alive(other)
        elsewhere = ProcessLauncher(tmp_path / "another-rig")
        assert not await elsewhere.alive(other)
        await launcher.stop(other, GRACE_S)

    asyncio.run(scenario())


def test_does_not_take_in_the_agent_that_started_it(
    tmp_path: Path, launcher: ProcessLauncher
) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    workload = shell(SLEEPER)

    async def scenario() -> None:
        await launcher.start(workload)
        await launcher.stop(workload, GRACE_S)

    try:
        asyncio.run(scenario())
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
