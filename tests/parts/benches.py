"""Every driver with a workload it can run, behind one face: what the driver contract needs."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from agent.core.workload import Readiness, Workload
from agent.drivers.process import ProcessLauncher
from agent.drivers.record import load
from agent.drivers.registry import drivers
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.ports import Driver
from tests.parts import gguf
from tests.parts.programs import free_port
from wire.model import Kind

GPUS = ("GPU-a", "GPU-b")


class Bench(Protocol):
    """One machine on which one kind of driver is tried."""

    def driver(self) -> Driver:
        """A driver as a freshly started agent has it; earlier ones are as good as dead."""

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        """One that can be started and becomes ready, unless it exits at once."""

    def broken(self) -> Workload:
        """One that cannot be prepared; the reason holds the word `absent`."""

    def kill(self, workload: Workload) -> None:
        """End it from outside, as the kernel does when memory runs out."""

    def processes(self) -> int:
        """How many main processes run on it."""

    def close(self) -> None:
        """Let go of the machine."""


class ScriptedBench:
    """The scripted driver in its world."""

    def __init__(self, _directory: Path) -> None:
        self._world = ScriptedWorld()

    def driver(self) -> Driver:
        return ScriptedDriver(self._world)

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        script: dict[str, float | bool | str] = {"ignores_term": ignores_term}
        if exits:
            script["exit_after_s"] = 0.0
        return Workload(
            name="w", kind=Kind.MINING, driver="scripted", group="g", gpus=GPUS, script=script
        )

    def broken(self) -> Workload:
        return replace(self.workload(), script={"prepare_fails": "image absent"})

    def kill(self, workload: Workload) -> None:
        self._world.crash(workload.key)

    def processes(self) -> int:
        return len(self._world.alive_on(GPUS[0]))

    def close(self) -> None:
        """Nothing is held."""


class _ProgramBench:
    """A driver over real processes that run a demo workload."""

    kind: Kind
    short_name: str
    module: str
    arguments: tuple[str, ...]
    readiness = Readiness()

    def __init__(self, directory: Path) -> None:
        self._state_dir = directory / "state"
        self._simulated_dir = directory / "gpus"
        self._port = free_port()
        self._launchers: list[ProcessLauncher] = []

    def driver(self) -> Driver:
        self.close()
        self._launchers.append(ProcessLauncher(self._state_dir))
        return drivers(self._launchers[-1])[self.short_name]

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        command = (
            *(sys.executable, "-m", self.module, "--port", str(self._port), "--gpus", "{gpus}"),
            *("--simulated-dir", str(self._simulated_dir), "--power-w", "200", *self.arguments),
            *(("--ignore-term",) if ignores_term else ()),
            *(("--exit-after-s", "0") if exits else ()),
        )
        return Workload(
            name="w",
            kind=self.kind,
            driver=self.short_name,
            group="g",
            gpus=GPUS,
            command=command,
            api_url=f"http://127.0.0.1:{self._port}",
            api_token="token",
            model="m",
            readiness=self.readiness,
        )

    def broken(self) -> Workload:
        return replace(self.workload(), command=("/opt/absent/program",))

    def kill(self, workload: Workload) -> None:
        saved = load(self._state_dir / "processes" / f"{workload.key}.json")
        assert saved is not None
        os.kill(saved.pid, signal.SIGKILL)

    def processes(self) -> int:
        program, option = self.module.encode(), str(self._port).encode()
        lines = (_command_line(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
        return sum(program in line and option in line for line in lines)

    def close(self) -> None:
        while self._launchers:
            self._launchers.pop().close()


class MinerBench(_ProgramBench):
    """The miner driver with the demo miner."""

    kind = Kind.MINING
    short_name = "xmrig"
    module = "agent.demo.miner"
    arguments = ("--start-s", "0", "--share-interval-s", "0.01", "--token", "token")
    readiness = Readiness(hashrate_min_hps=50e6, shares_min=3)


class InferenceBench(_ProgramBench):
    """The inference driver with the demo server."""

    kind = Kind.INFERENCE
    short_name = "openai"
    module = "agent.demo.inference"
    arguments: tuple[str, ...] = ("--model", "m", "--load-s", "0", "--tokens-per-s", "1000")
    readiness = Readiness(prompt="Say ready.", expect="ready")


class LlamaBench(_ProgramBench):
    """The inference driver with llama.cpp's own server and a tiny model."""

    kind = Kind.INFERENCE
    short_name = "llamacpp"
    module = str(Path(__file__).with_name("llama_server.py"))
    arguments = ()
    readiness = Readiness(prompt="abc", expect=gguf.continuation("abc", 5), max_tokens=5)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.model = gguf.write(directory / "alphabet.gguf")

    def reader(self) -> Driver:
        """One more pair of eyes; the driver in use stays in use."""
        return drivers(ProcessLauncher(self._state_dir))[self.short_name]

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        command = (
            *(sys.executable, self.module, "--port", str(self._port), "--api-key", "token"),
            *("--model", str(self.model)),
            *(("--ignore-term",) if ignores_term else ()),
            *(("--exits",) if exits else ()),
        )
        return replace(super().workload(), command=command, model="alphabet")


def _command_line(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []
