"""Workloads in containers of the tests' Podman."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from agent.core.container import Container
from agent.core.workload import Readiness, Workload
from agent.drivers.containers.engine import Engine
from agent.drivers.containers.launcher import ContainerLauncher
from agent.drivers.registry import drivers
from agent.ports import Driver
from tests.docs.repository import ROOT
from tests.parts.podman import GPUS, IMAGE, Podman
from tests.parts.programs import free_port
from wire.model import Kind


def launcher(podman: Podman) -> ContainerLauncher:
    """As a freshly started agent has it."""
    return ContainerLauncher(Engine(podman.socket))


def contained(*arguments: str, name: str = "w", **environment: str) -> Workload:
    """The image's own program with these arguments."""
    return Workload(
        name=name,
        kind=Kind.MINING,
        driver="xmrig",
        group="g",
        gpus=GPUS,
        environment=environment,
        container=Container(
            image=IMAGE, entrypoint=("/program",), arguments=arguments, network="host"
        ),
        api_url="http://127.0.0.1:9",
    )


class ContainerBench:
    """The miner driver with the demo miner in a container that borrows the machine's Python."""

    def __init__(self, podman: Podman, directory: Path) -> None:
        self._podman = podman
        self._simulated_dir = directory / "gpus"
        self._simulated_dir.mkdir()
        self._port = free_port()

    def driver(self) -> Driver:
        return drivers(launcher(self._podman))["xmrig"]

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        arguments = (
            *("-m", "agent.demo.miner", "--port", str(self._port), "--gpus", "{gpus}"),
            *("--simulated-dir", str(self._simulated_dir), "--power-w", "200"),
            *("--start-s", "0", "--share-interval-s", "0.01", "--token", "token"),
            *(("--ignore-term",) if ignores_term else ()),
            *(("--exit-after-s", "0") if exits else ()),
        )
        base = contained()
        assert base.container is not None
        folders = {
            "/usr",
            sys.prefix,
            sys.base_prefix,
            str(Path(sys.executable).resolve().parents[1]),
        }
        seen = tuple(f"{folder}:{folder}" for folder in sorted(folders | {str(ROOT)}))
        return replace(
            base,
            environment={"PYTHONPATH": str(ROOT)},
            container=replace(
                base.container,
                entrypoint=(sys.executable,),
                arguments=arguments,
                mounts=(*seen, f"{self._simulated_dir}:{self._simulated_dir}:rw"),
            ),
            api_url=f"http://127.0.0.1:{self._port}",
            api_token="token",
            readiness=Readiness(hashrate_min_hps=50e6, shares_min=3),
        )

    def broken(self) -> Workload:
        workload = self.workload()
        assert workload.container is not None
        return replace(
            workload, container=replace(workload.container, mounts=("/absent/models:/models",))
        )

    def kill(self, workload: Workload) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGKILL)

    def processes(self) -> int:
        return len(self._pids())

    def close(self) -> None:
        self._podman.sweep()

    def _pids(self) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:3] == [b"-m", b"agent.demo.miner"] and str(self._port).encode() in words:
                found.append(int(path.parent.name))
        return found
