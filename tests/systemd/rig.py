"""A rig on a booted machine: the shipped units, simulated GPUs, and workloads as real units."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agent.core.model import State
from agent.gpu import procfs, simulated
from agent.journal import FileJournal
from tests.parts.programs import free_port
from tests.systemd.headquarters import Headquarters, headquarters
from tests.systemd.machine import Machine, awaited
from wire import zeromq
from wire.model import Phase
from wire.signing import Signer

AGENT = "rigshift-agent.service"
HELPER = "rigshift-gpu-helper"
GPUS_DIR = "/var/lib/simulated-gpus"
ENROLMENT = "/opt/rig1"

WATCHDOG_S = 4

ROAD = (
    Phase.PREPARING,
    Phase.DRAINING,
    Phase.STOPPING,
    Phase.VACATING,
    Phase.TUNING,
    Phase.STARTING,
    Phase.PROBING,
    Phase.RUNNING,
)
"""From one workload to the next."""

UNITS = {"etc": "my-miner.service", "llama": "rigshift-workload@llama.service"}
"""Units of group g0: one written by the owner, one of the shipped template."""

STUBBORN = "stubborn.service"
"""Unit of group g1 that cannot be stopped; `g1.calm` is an ordinary one."""

# The witness of simulated GPUs looks who lives, which is another user's process here; and a dead
# agent shall be missed soon.
DROP_IN = """
[Service]
ProtectProc=default
WatchdogSec=4
RestartSec=0.1
"""

# A simulated GPU is a directory, which root without capabilities cannot write to.
HELPER_DROP_IN = f"""
[Service]
ExecStart=
ExecStart=/opt/rigshift/bin/rigshift-gpu-helper --simulated-dir {GPUS_DIR} --idle-s 1 --log-json
CapabilityBoundingSet=CAP_DAC_OVERRIDE
ReadWritePaths={GPUS_DIR}
UMask=0022
"""

# Holds a lock for as long as the program lives; whoever finds it taken writes that down and ends.
ALONE = f"""\
#!/bin/sh
exec 9> {GPUS_DIR}/g0.lock
if ! flock --nonblock 9; then
    echo "$*" >> {GPUS_DIR}/g0.collisions
    exit 75
fi
exec "$@"
"""

PROFILES = "profiles: {eco: {power_limit_w: 250, graphics_clock: {min_mhz: 210, max_mhz: 1500}}}"

MINER = (
    "/opt/rigshift/bin/python -m agent.demo.miner --start-s 0 --share-interval-s 0.01 "
    "--token token --power-w 200"
)
SERVER = (
    "/opt/rigshift/bin/python -m agent.demo.inference --model m --load-s 0 --tokens-per-s 1000 "
    "--power-w 200"
)


@dataclass(frozen=True)
class Keys:
    """Who may speak with whom."""

    controller: zeromq.KeyPair
    rig: zeromq.KeyPair
    signer: Signer


class RigMachine:
    """A machine that is a rig, seen from outside."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._keys = Keys(zeromq.generate_keys(), zeromq.generate_keys(), Signer(os.urandom(32)))
        self._port = free_port()
        self.installed = ""
        """What the first installation said."""

    def set_up(self) -> None:
        """The workloads, and then what docs/systemd.md tells to do."""
        etc = self.machine.tree / "etc"
        for name, text in ((AGENT, DROP_IN), (f"{HELPER}.service", HELPER_DROP_IN)):
            drop_ins = etc / "systemd" / "system" / f"{name}.d"
            drop_ins.mkdir()
            (drop_ins / "test.conf").write_text(text)
        gpus = self.machine.tree / GPUS_DIR.lstrip("/")
        for folder in (gpus, gpus / "GPU-g0", gpus / "GPU-g1"):
            folder.mkdir()
            folder.chmod(0o777)
        self._write_workloads(etc)
        self._write_enrolment(self.machine.tree / ENROLMENT.lstrip("/"))
        self.machine.boot()
        self.installed = self.agent("install", "--enrolment", ENROLMENT)

    def agent(self, *arguments: str, check: bool = True) -> str:
        """Run the agent's program as root, and give what it prints."""
        return self.machine.run("/opt/rigshift/bin/rigshift-agent", *arguments, check=check)

    @asynccontextmanager
    async def controlled(self) -> AsyncIterator[Headquarters]:
        """Its controller."""
        keys = self._keys
        async with headquarters(
            "rig1",
            self._port,
            secret_key=keys.controller.secret,
            rig_key=keys.rig.public,
            signer=keys.signer,
        ) as here:
            yield here

    def kill_agent(self) -> None:
        """As the kernel does when memory runs out."""
        os.kill(self.machine.pid(AGENT), signal.SIGKILL)

    def kill_agent_in(self, phase: Phase, ticket: int) -> Phase:
        """Kill it as soon as group g0 has journaled this phase, or a later one, after `ticket`.

        Returns:
            The phase that it died in.
        """
        pid = self.machine.pid(AGENT)
        at_last = ROAD[ROAD.index(phase) :]

        def there() -> bool:
            state = self.journaled()
            return state.ticket > ticket and state.phase in at_last

        awaited(f"phase {phase}", there, look_s=0.0)
        os.kill(pid, signal.SIGKILL)
        awaited("death of the agent", lambda: not procfs.started_ticks(pid))
        return self.journaled().phase

    def journaled(self, group: str = "g0") -> State:
        """The newest state on the rig's disk."""
        path = self.machine.tree / "var/lib/rigshift/journal" / f"{group}.log"
        return FileJournal(path).load() or State()

    def active(self) -> set[str]:
        """Workload units that are not at rest."""
        units = [*UNITS.values(), STUBBORN, "calm.service"]
        states = self.machine.run("systemctl", "is-active", *units, check=False).split("\n")
        at_rest = ("inactive", "failed")
        return {u for u, state in zip(units, states, strict=True) if state not in at_rest}

    def doubles(self) -> int:
        """How often two workloads were on one GPU."""
        return simulated.double_occupancies(self.machine.tree / GPUS_DIR.lstrip("/"))

    def collisions(self) -> int:
        """How often a program of group g0 was started beside the other, by their own lock."""
        path = self.machine.tree / GPUS_DIR.lstrip("/") / "g0.collisions"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def agent_log(self) -> str:
        """What the agent wrote."""
        return self.machine.run("journalctl", "--unit", AGENT, "--output", "cat", "--no-pager")

    def _write_workloads(self, etc: Path) -> None:
        units = etc / "systemd" / "system"
        alone = self.machine.tree / "opt" / "alone"
        alone.write_text(ALONE)
        alone.chmod(0o755)
        slow = "ExecStartPre=/bin/sleep 0.5\nExecStop=/bin/sleep 0.5\n"
        (units / "my-miner.service").write_text(
            _unit(f"/opt/alone {self._start(MINER, 'g0')}", slow)
        )
        (units / "calm.service").write_text(_unit(self._start(MINER, "g1")))
        quits = self._start(MINER, "g1") + " --exit-after-s 0"
        (units / "quits.service").write_text(_unit(quits))
        trap = """/bin/sh -c 'trap "" TERM; """ + self._start(MINER, "g1") + """ --ignore-term'"""
        never = "SendSIGKILL=no\nTimeoutStopSec=1\n"
        (units / STUBBORN).write_text(_unit(trap, never))
        workloads = etc / "rigshift" / "workloads"
        workloads.mkdir(parents=True)
        (workloads / "llama").write_text(
            f"#!/bin/sh\nexec /opt/alone {self._start(SERVER, 'g0')}\n"
        )
        (workloads / "llama").chmod(0o755)
        template = units / "rigshift-workload@llama.service.d"
        template.mkdir()
        # The simulated GPU is a directory.
        (template / "gpu.conf").write_text(f"[Service]\nReadWritePaths={GPUS_DIR}\n{slow}")

    def _start(self, program: str, group: str) -> str:
        port = self._port + 1 + int(group[1])
        return f"{program} --port {port} --gpus GPU-{group} --simulated-dir {GPUS_DIR}"

    def _write_enrolment(self, folder: Path) -> None:
        keys = self._keys
        folder.mkdir()
        key_file = folder / "curve.key"
        key_file.write_text(keys.rig.secret)
        key_file.chmod(0o600)
        config: dict[str, Any] = {
            "rig": "rig1",
            "state_dir": "/var/lib/rigshift",
            "order_key": keys.signer.public_key,
            "link": {
                "zeromq": {
                    "endpoint": f"tcp://127.0.0.1:{self._port}",
                    "server_key": keys.controller.public,
                    "secret_key_file": "curve.key",
                }
            },
            "gpu": {
                "source": "simulated",
                "simulated_dir": GPUS_DIR,
                "fast_interval_s": 0.5,
                "tuner": "helper",
            },
            "metrics": {"port": 0},
            "report_interval_s": 0.5,
            "groups": [
                self._group("g0", UNITS),
                self._group(
                    "g1", {"stubborn": STUBBORN, "calm": "calm.service", "quits": "quits.service"}
                ),
            ],
        }
        (folder / "profiles.yaml").write_text(PROFILES)
        (folder / "agent.yaml").write_text(yaml.safe_dump(config))

    def _group(self, group: str, units: dict[str, str]) -> dict[str, Any]:
        return {
            "name": group,
            "gpus": [f"GPU-{group}"],
            "workloads": [self._workload(group, name, unit) for name, unit in units.items()],
        }

    def _workload(self, group: str, name: str, unit: str) -> dict[str, Any]:
        serves = name == "llama"
        return {
            "name": name,
            "kind": "inference" if serves else "mining",
            "driver": "openai" if serves else "xmrig",
            "unit": unit,
            "api_url": f"http://127.0.0.1:{self._port + 1 + int(group[1])}",
            "api_token": "token",
            "model": "m",
            "profile": "eco" if name == "etc" else "neutral",
            "readiness": {"hold_s": 0.5},
            "deadlines": {"vacate_s": 10.0},
        }


def _unit(start: str, more: str = "") -> str:
    return (
        textwrap.dedent("""\
        [Unit]
        StartLimitIntervalSec=0

        [Service]
        Type=exec
        User=rigshift-workload
        TimeoutStopSec=8
        """)
        + f"ExecStart={start}\n{more}"
    )
