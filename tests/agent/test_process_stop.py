"""How the process launcher ends workloads: every process of them, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.drivers.process import ProcessLauncher
from agent.ports import DriverError
from tests.parts import programs
from tests.parts.programs import GRACE_S, IGNORES_TERM, SLEEPER, pid_of, shell, until


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[ProcessLauncher]:
    with programs.launching(tmp_path) as launcher:
        yield launcher


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def deaf(pidfd: int, number: signal.Signals) -> None:
    """Stands for a process that the kernel cannot end, stuck in a device driver."""


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
