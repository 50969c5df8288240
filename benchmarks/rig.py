"""A rig's agent as a process of its own, over the real NVML binding and a fake driver library.

Also its controller's end of a ZeroMQ link, which keeps every frame that it hears.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.fakenvml import library
from tests.fakenvml.library import FakeDriver
from tests.parts.programs import free_port
from tests.systemd.headquarters import Headquarters
from wire import codec, messages, model, zeromq
from wire.messages import Up
from wire.signing import Signer
from wire.transport import FleetLink, Received

ROOT = Path(__file__).resolve().parents[1]
RIG = "rig-1"
GPUS = tuple(f"GPU-fake-{number:02}" for number in range(8))
"""As the fake driver calls them."""

Body = TypeVar("Body")


@dataclass(frozen=True, slots=True)
class Heard:
    """A frame from the rig."""

    at_s: float
    """Of the monotonic clock."""
    size_bytes: int
    up: Up


class Recorder:
    """A controller's link that remembers what it hears."""

    def __init__(self, link: FleetLink) -> None:
        self.heard: list[Heard] = []
        self._link = link

    async def send(self, rig: str, frame: bytes, *, keep_s: float = 0.0) -> None:
        """Pass it on."""
        await self._link.send(rig, frame, keep_s=keep_s)

    async def receive(self) -> Received:
        """Pass it on, and remember it."""
        received = await self._link.receive()
        at_s = time.monotonic()
        self.heard.append(Heard(at_s, len(received.frame), codec.decode_up(received.frame)))
        return received

    async def close(self) -> None:
        """Pass it on."""
        await self._link.close()

    def bodies(self, kind: type[Body]) -> Iterator[tuple[Heard, Body]]:
        """Frames with a body of this kind, oldest first."""
        for heard in self.heard:
            if isinstance(heard.up.body, kind):
                yield heard, heard.up.body


@dataclass(slots=True)
class Rig:
    """The files of one rig, and what runs of it."""

    folder: Path
    python: str
    """Interpreter that has what a rig installs, and nothing else, for honest figures."""
    groups: Sequence[Mapping[str, Any]]
    """As in the rig's file."""
    busy: bool = True
    """Whether each GPU shows a process, as one at work does."""
    began_s: float = 0.0
    """When its agent was started last, by the monotonic clock."""
    metrics_port: int = field(default_factory=free_port)
    _order_key: Signer = field(default_factory=lambda: Signer(os.urandom(32)))

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[tuple[Headquarters, Recorder]]:
        """Listen for the rig, which can be started from now on."""
        keys, mine = zeromq.generate_keys(), zeromq.generate_keys()
        link = await zeromq.open_fleet(
            listen="tcp://127.0.0.1:*", secret_key=keys.secret, rig_of=lambda _: RIG
        )
        recorder = Recorder(link)
        here = Headquarters(RIG, recorder, self._order_key)
        self._make_driver()
        self._write(link.endpoint, keys.public, mine.secret)
        work = asyncio.create_task(here.run())
        try:
            yield here, recorder
        finally:
            work.cancel()
            await asyncio.wait([work])
            await link.close()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """The agent while the block runs."""
        fake = {
            "LD_LIBRARY_PATH": str(self.folder),
            "FAKE_NVML_SCRIPT": str(self.folder / "script"),
        }
        self.began_s = time.monotonic()
        with (self.folder / "agent.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(self.python, "-m", "agent", "run", "--log-json"),
                *("--config", str(self.folder / "agent.yaml")),
                cwd=ROOT,
                env={**os.environ, **fake, "PYTHONPATH": str(ROOT)},
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            await process.wait()

    def _make_driver(self) -> None:
        held = (f"compute {os.getpid()} {number} 700000000" for number in range(len(GPUS)))
        driver = FakeDriver(library.build(self.folder, "READ_ONCE"), self.folder / "script")
        driver.does(
            f"set count * {len(GPUS)}",
            # What a card of a server tells and one for players does not.
            *("field 82 * 78", "field 186 * 251000"),
            *(held if self.busy else ()),
        )

    def _write(self, endpoint: str, server_key: str, secret: str) -> None:
        key_file = self.folder / "curve.key"
        key_file.touch(0o600)
        key_file.write_text(secret)
        way = {"endpoint": endpoint, "server_key": server_key, "secret_key_file": "curve.key"}
        settings = {
            "rig": RIG,
            "state_dir": str(self.folder / "state"),
            "order_key": self._order_key.public_key,
            "link": {"zeromq": way},
            "gpu": {"fast_interval_s": 1.0},
            "telemetry_interval_s": 1.0,
            "metrics": {"port": self.metrics_port},
            "groups": list(self.groups),
        }
        (self.folder / "agent.yaml").write_text(yaml.safe_dump(settings))


def idle_groups() -> list[dict[str, Any]]:
    """A group for each GPU, with something that it could run."""
    workload = {"name": "etc", "kind": "mining", "driver": "xmrig", "command": ["/bin/true"]}
    return [
        {"name": f"g{number}", "gpus": [gpu], "workloads": [workload]}
        for number, gpu in enumerate(GPUS)
    ]


async def settled(here: Headquarters, groups: Sequence[Mapping[str, Any]]) -> None:
    """Order every group to stand still, and wait until each says so."""
    for group in groups:
        await here.assign(group["name"], None)
    for group in groups:
        await here.reached(group["name"], model.Phase.IDLE)


async def sampled(here: Headquarters, recorder: Recorder) -> None:
    """Wait until the rig has sent a look at all of its GPUs."""

    def seen() -> bool:
        return any(
            len(sample.gpus) == len(GPUS)
            for _, body in recorder.bodies(messages.Telemetry)
            for sample in body.samples
        )

    await here.until(seen, "a look at every GPU")
