"""What every driver promises, over real units: the driver contract with another launcher."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.core.workload import Deadlines, Readiness, Workload
from agent.drivers.bus import SystemdBus
from agent.drivers.registry import drivers
from agent.drivers.units import UnitLauncher
from agent.ports import Driver
from tests.contract.test_drivers import (  # noqa: F401 - pytest finds them here
    test_a_cancelled_stop_can_be_repeated,
    test_can_be_started_again_after_an_exit,
    test_kills_what_ignores_being_asked,
    test_prepares_beside_a_running_workload_of_its_group,
    test_runs_from_start_to_stop,
    test_says_how_it_exited_by_itself,
    test_says_what_it_cannot_prepare,
    test_sees_it_killed_from_outside,
    test_starting_twice_gives_one_process,
    test_stopping_what_does_not_run_is_harmless,
    test_the_next_agent_adopts_what_runs,
)
from tests.parts.programs import free_port
from tests.systemd.rig import MINER, RigMachine
from wire.model import Kind

pytestmark = pytest.mark.timeout(300)

UNITS = {"bench.service": "", "deaf.service": "--ignore-term", "brief.service": "--exit-after-s 0"}

UNIT = """
[Unit]
StartLimitIntervalSec=0
[Service]
Type=exec
TimeoutStopSec=1
ExecStart={start} --port {port} --gpus {gpu} --simulated-dir /run/bench {more}
"""


class UnitBench:
    """The miner driver over the units of a booted machine, as seen from outside of it."""

    def __init__(self, rig: RigMachine) -> None:
        self._machine = rig.machine
        self._port = free_port()
        self._launchers: list[UnitLauncher] = []
        folder = self._machine.tree / "etc/systemd/system"
        for unit, more in UNITS.items():
            text = UNIT.format(start=MINER, port=self._port, gpu="GPU-bench", more=more)
            (folder / unit).write_text(text)
        self._machine.run("systemctl", "daemon-reload")

    def driver(self) -> Driver:
        self.close()
        self._launchers.append(UnitLauncher(SystemdBus(self._machine.bus())))
        return drivers(self._launchers[-1])["xmrig"]

    def workload(self, *, ignores_term: bool = False, exits: bool = False) -> Workload:
        return Workload(
            name="w",
            kind=Kind.MINING,
            driver="xmrig",
            group="g",
            gpus=("GPU-bench",),
            unit="deaf.service" if ignores_term else "brief.service" if exits else "bench.service",
            api_url=f"http://127.0.0.1:{self._port}",
            api_token="token",
            readiness=Readiness(hashrate_min_hps=50e6, shares_min=3),
            deadlines=Deadlines(stop_s=10.0),
        )

    def broken(self) -> Workload:
        return replace(self.workload(), unit="absent.service")

    def kill(self, workload: Workload) -> None:
        self._machine.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", workload.unit)

    def processes(self) -> int:
        return sum(self._machine.show(unit, "MainPID") != "0" for unit in UNITS)

    def close(self) -> None:
        while self._launchers:
            self._launchers.pop().close()

    def sweep(self) -> None:
        self.close()
        self._machine.run("systemctl", "stop", *UNITS)


@pytest.fixture
def bench(rig: RigMachine) -> Iterator[UnitBench]:
    made = UnitBench(rig)
    yield made
    made.sweep()
