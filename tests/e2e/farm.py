"""A farm of real processes in one folder: a controller, agents, and demo workloads.

What is simulated is only the GPUs; keys, links, stores, journals and processes are real.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agent.gpu import simulated
from controller.answers import GroupLine, RigLine, Summary
from controller.cli.client import Client, ClientError
from controller.core.model import Plan
from tests.e2e import files
from tests.parts.programs import free_port, swept

T = TypeVar("T")

PATIENCE_S = 60.0
"""Far more than anything here takes; only what will never happen takes as long."""

LOOK_S = 0.1

RIGS = ("rig-1", "rig-2")
GROUPS = ("g0", "g1")


class Farm:
    """One farm, from its files to its processes."""

    def __init__(self, folder: Path, more: Mapping[str, Mapping[str, Any]]) -> None:
        """`more`: by rig, a workload that its first group offers besides the usual ones."""
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._more = more
        self.config = folder / "controller.yaml"
        self.simulated_dir = folder / "gpus"
        self.listen = f"tcp://127.0.0.1:{free_port()}"
        self.api_port = free_port()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._write_controller()
        for rig in RIGS:
            self._enrol(rig)

    # Processes.

    def start(self, name: str) -> None:
        """Start `controller` or a rig's agent."""
        program = "rigshift-controller" if name == "controller" else "rigshift-agent"
        config = self.config if name == "controller" else self._agent_file(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [script(program), "run", "--config", str(config), "--log-json"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Ask everything to leave, and see that it does."""
        for process in self._processes.values():
            process.terminate()
        codes = {name: process.wait(PATIENCE_S) for name, process in self._processes.items()}
        self._processes.clear()
        assert set(codes.values()) <= {0}, f"{codes}\n{self.logs()}"

    def abandon(self) -> None:
        """Whatever has not left is killed."""
        for name in list(self._processes):
            self.kill(name)

    def logs(self) -> str:
        """The ends of all logs, for a failed test."""
        paths = [*self.folder.glob("*.log"), *self.folder.glob("state/*/processes/*.log")]
        return "\n".join(f"== {path.name}\n{path.read_text()[-3_000:]}" for path in sorted(paths))

    # What is seen from outside.

    def ask(self, question: str, kind: type[T]) -> T:
        """One answer of the API. Raises `ClientError`."""
        url = f"http://127.0.0.1:{self.api_port}"
        with Client.connect(url, self._token_file, None) as client:
            return client.get(question, kind)

    def groups(self) -> dict[str, GroupLine]:
        return {str(line.key): line for line in self.ask("groups", tuple[GroupLine, ...])}

    def rigs(self) -> dict[str, RigLine]:
        return {line.rig: line for line in self.ask("rigs", tuple[RigLine, ...])}

    def plan(self) -> Plan:
        return self.ask("plan", Plan)

    def summary(self) -> Summary:
        return self.ask("status", Summary)

    def cli(self, *words: str) -> tuple[int, str]:
        """Run `rigshift`; exit code and what it printed."""
        done = subprocess.run(
            [script("rigshift"), *words],
            env={
                **os.environ,
                "RIGSHIFT_URL": f"http://127.0.0.1:{self.api_port}",
                "RIGSHIFT_TOKEN_FILE": str(self._token_file),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        return done.returncode, done.stdout or done.stderr

    def until(self, met: Callable[[], T]) -> T:
        """Wait until it is so; a controller that does not answer yet is no answer."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(ClientError):
                if found := met():
                    return found
            assert time.monotonic() < deadline, f"it never came to be\n{self.logs()}"
            time.sleep(LOOK_S)

    def running(self, rigs: tuple[str, ...] = RIGS) -> bool:
        """Whether every group of these rigs runs what it is assigned, as its rig says now."""
        lines = [line for key, line in self.groups().items() if key.partition("/")[0] in rigs]
        return len(lines) == len(rigs) * len(GROUPS) and all(
            line.online
            and line.phase == "running"
            and line.active == line.assigned
            and line.observed_generation == line.generation
            for line in lines
        )

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Who holds each simulated GPU, by the GPUs' own word."""
        return {
            uuid: tuple(claim.pid for claim in simulated.claims(self.simulated_dir, uuid))
            for uuid in (files.gpu(rig, group) for rig in RIGS for group in GROUPS)
        }

    def double_occupancies(self) -> int:
        """How often two workloads have ever been on one GPU."""
        return simulated.double_occupancies(self.simulated_dir)

    # Files.

    @property
    def _token_file(self) -> Path:
        path = self.folder / "state" / "keys" / "api.tokens"
        if not path.exists():
            raise ClientError("no token yet", "wait")
        return path

    def _agent_file(self, rig: str) -> Path:
        return self.folder / "rigs" / rig / "agent.yaml"

    def _write_controller(self) -> None:
        (self.folder / "prices.csv").write_text(files.prices(datetime.now(UTC)))
        document = files.controller()
        document["link"] = {"zeromq": {"listen": self.listen}}
        document["api"] = {"port": self.api_port}
        self.config.write_text(yaml.safe_dump(document))

    def _enrol(self, rig: str) -> None:
        path = self._agent_file(rig)
        enrol = ["enroll", rig, "--site", "oslo", "--class", "a4000", "--out", str(path.parent)]
        subprocess.run(
            [script("rigshift-controller"), *enrol, "--config", str(self.config)],
            check=True,
            capture_output=True,
        )
        document = yaml.safe_load(path.read_text())
        document |= {
            "state_dir": str(self.folder / "state" / rig),
            "gpu": {
                "source": "simulated",
                "simulated_dir": str(self.simulated_dir),
                "fast_interval_s": 0.5,
            },
            "metrics": {"port": 0},
            "report_interval_s": 0.5,
            "telemetry_interval_s": 1.0,
            "lock_interval_s": 2.0,
            "groups": [files.group(rig, name, self.simulated_dir) for name in GROUPS],
        }
        if rig in self._more:
            document["groups"][0]["workloads"].append(dict(self._more[rig]))
        path.write_text(yaml.safe_dump(document))


def script(name: str) -> str:
    """A console script, as it was installed."""
    return str(Path(sys.executable).with_name(name))


@contextmanager
def farm(folder: Path, more: Mapping[str, Mapping[str, Any]] = {}) -> Iterator[Farm]:
    """A whole farm at work; no process of it is left in the end."""
    made = Farm(folder, more)
    with swept(folder):
        try:
            for name in ("controller", *RIGS):
                made.start(name)
            yield made
            made.stop()
        finally:
            made.abandon()


def parsed(text: str) -> Any:
    """JSON that a program printed."""
    return json.loads(text)
