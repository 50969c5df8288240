"""Small real programs for tests of launchers and drivers, and a broom that leaves none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.core.workload import Workload
from agent.drivers import proc, record
from agent.drivers.command import MARKER
from agent.drivers.process import ProcessLauncher
from wire.model import Kind

LOOK_S = 0.01

GRACE_S = 30.0
"""For a stop; long enough that no test depends on it."""

SLEEPER = "exec sleep 1000"
IGNORES_TERM = 'trap "" TERM; : > {dir}/ready; while :; do sleep 1000; done'


def shell(code: str, *, name: str = "w", directory: Path | None = None) -> Workload:
    """A workload that is a shell script; `{dir}` in it stands for `directory`."""
    return Workload(
        name=name,
        kind=Kind.MINING,
        driver="xmrig",
        group="g",
        gpus=("GPU-a", "GPU-b"),
        command=("/bin/sh", "-c", code.replace("{dir}", str(directory))),
    )


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """A command that runs `code`."""
    return (sys.executable, "-c", code, *arguments)


def free_port() -> int:
    """A port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(met: Callable[[], object]) -> None:
    """Wait for a condition of the world outside that nothing announces."""
    while not met():  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(LOOK_S)


def running(pid: int) -> bool:
    """Whether this process holds anything."""
    process = proc.look(pid)
    return process is not None and not process.dead


def record_path(state_dir: Path, workload: Workload) -> Path:
    return state_dir / "processes" / f"{workload.key}.json"


def log_path(state_dir: Path, workload: Workload) -> Path:
    return state_dir / "processes" / f"{workload.key}.log"


def pid_of(state_dir: Path, workload: Workload) -> int:
    """Its main process, by its record."""
    saved = record.load(record_path(state_dir, workload))
    assert saved is not None
    return saved.pid


@contextmanager
def launching(state_dir: Path) -> Iterator[ProcessLauncher]:
    """A launcher that is patient with nothing, and whose programs all end with it."""
    with swept(state_dir):
        launcher = ProcessLauncher(state_dir, orphan_grace_s=0.1)
        yield launcher
        launcher.close()


@contextmanager
def swept(directory: Path) -> Iterator[None]:
    """End every process whose marker or command line lies under `directory`, in the end."""
    try:
        yield
    finally:
        while left := [
            process for process in proc.snapshot().values() if _is_of(process, directory)
        ]:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(process.pid, 0)


def _is_of(process: proc.Process, directory: Path) -> bool:
    if process.dead or process.pid == os.getpid():
        return False
    strings = proc.environment(process.pid) or ()
    if any(s.startswith(f"{MARKER}={directory}/".encode()) for s in strings):
        return True
    try:
        return f"{directory}/".encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    except OSError:
        return False
