"""A rig with which nothing is wrong, in a folder and with a controller of its own, to be broken."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import yaml

from agent import settings
from agent.doctor.clock import Reading
from agent.doctor.examination import Examination, examine
from agent.doctor.finding import Machine
from agent.settings import Settings
from tests.agent.groups import SIGNER
from tests.fakenvml.library import FakeDriver
from tests.parts.programs import free_port
from wire import zeromq

NODES = ("nvidiactl", "nvidia-uvm", "nvidia0", "nvidia1")


class HealthyRig:
    """The fake driver's two GPUs, a workload, and keys that the controller knows."""

    def __init__(self, folder: Path, driver: FakeDriver) -> None:
        self.folder = folder
        self.driver = driver
        self.config = folder / "agent.yaml"
        self.key_file = folder / "curve.key"
        self.state_dir = folder / "state"
        self.program = folder / "miner"
        self.api_port = free_port()
        self.machine = Machine(dev=folder / "dev", user=_user())
        self.clock = Reading(time.time(), synchronised=True)
        self.admitted = True
        """Whether the controller knows the rig's key."""
        self._controller, self._keys = zeromq.generate_keys(), zeromq.generate_keys()
        self.pinned = self._controller.public
        """The controller's key, as far as the rig knows."""
        self._endpoint = f"tcp://127.0.0.1:{free_port()}"
        self._make()
        self.write()

    def write(self, workload: dict[str, Any] | None = None, **changes: Any) -> None:
        """Write the rig's file anew, with these settings instead of the usual ones."""
        zeromq_link = {
            "endpoint": self._endpoint,
            "server_key": self.pinned,
            "secret_key_file": self.key_file.name,
        }
        usual = {
            "rig": "rig-1",
            "state_dir": str(self.state_dir),
            "order_key": SIGNER.public_key,
            "link": {"zeromq": zeromq_link},
            "metrics": {"port": 0},
            "groups": [self._group(workload or {})],
        }
        self.config.write_text(yaml.safe_dump(usual | changes))

    def load(self) -> Settings:
        """The rig's file as the agent reads it."""
        return settings.load(self.config)

    @asynccontextmanager
    async def controlled(self) -> AsyncIterator[None]:
        """With a controller that answers."""
        link = await zeromq.open_fleet(
            listen=self._endpoint,
            secret_key=self._controller.secret,
            rig_of=lambda key: "rig-1" if self.admitted and key == self._keys.public else None,
        )
        try:
            yield
        finally:
            await link.close()

    async def examined(self) -> Examination:
        """What the doctor finds."""
        return await examine(self.config, self.machine, self.clock)

    def _group(self, workload: dict[str, Any]) -> dict[str, Any]:
        etc = {
            "name": "etc",
            "kind": "mining",
            "driver": "xmrig",
            "command": [str(self.program)],
            "api_url": f"http://127.0.0.1:{self.api_port}",
        }
        gpus = ["GPU-fake-00", "GPU-fake-01"]
        return {"name": "g0", "gpus": gpus, "workloads": [etc | workload]}

    def _make(self) -> None:
        self.machine.dev.mkdir()
        for name in NODES:
            (self.machine.dev / name).touch()
            (self.machine.dev / name).chmod(0o666)
        self.state_dir.mkdir()
        self.program.write_text("#!/bin/sh\n")
        self.program.chmod(0o755)
        self.key_file.write_text(self._keys.secret)
        self.key_file.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self.state_dir, self.key_file):
                shutil.chown(path, self.machine.user)


@contextmanager
def healthy_rig(driver: FakeDriver) -> Iterator[HealthyRig]:
    """Where the agent's user may get to, which is not everywhere below root's temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rigshift-doctor-") as name:
        Path(name).chmod(0o755)
        yield HealthyRig(Path(name), driver)


def _user() -> str:
    """Root may do everything, which is of no use here."""
    return "nobody" if os.geteuid() == 0 else getpass.getuser()
