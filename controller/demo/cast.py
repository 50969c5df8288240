"""The demo's programs: one controller, N agents. Started, watched, killed, started again.

It stands in for systemd: whatever ends without being told to is started again after a moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from controller.demo.stage import Stage

RESTART_AFTER_S = 1.0
STOP_TIMEOUT_S = 10.0

CONTROLLER = "controller"


@dataclass(slots=True)
class _Part:
    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0


@dataclass(slots=True)
class Cast:
    """All programs of the demo but the workloads, which belong to the agents."""

    parts: dict[str, _Part] = field(default_factory=dict)
    deaths: int = 0
    """Programs that ended without being told to, the killed ones among them."""

    def start(self) -> None:
        """Start all."""
        for part in self.parts.values():
            _spawn(part)

    def tend(self) -> None:
        """Start again what has ended."""
        for part in self.parts.values():
            if part.process is None or part.process.poll() is None:
                continue
            if not part.ended_at:
                part.ended_at = time.monotonic()
                self.deaths += 1
            elif time.monotonic() - part.ended_at >= RESTART_AFTER_S:
                _spawn(part)

    def alive(self, name: str) -> bool:
        """Whether the program runs now."""
        process = self.parts[name].process
        return process is not None and process.poll() is None

    def kill(self, name: str) -> None:
        """End it at once, as `kill -9` does."""
        process = self.parts[name].process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Ask all to end, and see that they do."""
        running = [p.process for p in self.parts.values() if p.process and p.process.poll() is None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _spawn(part: _Part) -> None:
    with part.log.open("ab") as log:
        part.process = subprocess.Popen(
            part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    part.ended_at = 0.0


@contextmanager
def playing(stage: Stage) -> Iterator[Cast]:
    """The programs while the demo lasts; nothing of it runs afterwards, workloads included."""
    python = [sys.executable, "-I", "-m"]
    cast = Cast()
    cast.parts[CONTROLLER] = _Part(
        CONTROLLER,
        [*python, "controller", "run", "--config", str(stage.config)],
        stage.log(CONTROLLER),
    )
    for rig in stage.rigs:
        command = [*python, "agent", "run", "--config", str(stage.agent_config(rig))]
        cast.parts[rig] = _Part(rig, command, stage.log(rig))
    try:
        cast.start()
        yield cast
    finally:
        cast.stop()
        end_workloads(stage)


def end_workloads(stage: Stage) -> None:
    """Workloads outlive their agents by design; the demo's must not outlive the demo."""
    for claim in stage.simulated_dir.glob("*/*.claim"):
        pid = int(claim.stem)
        if _ours(pid, stage):
            os.kill(pid, signal.SIGKILL)


def _ours(pid: int, stage: Stage) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(stage.simulated_dir).encode() in command


def double_occupancies(simulated_dir: Path) -> int:
    """How often the simulated GPUs saw two live workloads at once, by their own logs."""
    lines = (
        line.split()
        for log in simulated_dir.glob("*/occupancy.log")
        for line in log.read_text(encoding="utf-8").splitlines()
    )
    return sum(words[1] == "double" for words in lines)
