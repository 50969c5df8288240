"""A real Podman for tests, apart from the machine's own: its storage, its socket and its GPUs.

It runs in a mount namespace of its own, for two reasons: the machine's control groups may be of
a kind that Podman's runtime refuses, and the CDI specification in /etc/cdi is the test's. The
"GPUs" are simulated: a container that is given one gets a variable instead of a device.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.drivers.unixhttp import UnixEndpoint
from tests.parts.programs import free_port

IMAGE = "localhost/rigshift-test:1"

GPUS = ("GPU-a", "GPU-b")

SOURCE = Path(__file__).with_name("contained.c")

START_S = 20.0
"""For Podman to listen; a test's patience, not its measure."""

_STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{0}/root"\nrunroot = "{0}/run"\n'
_CONTAINERS = """
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_REGISTRIES = '[[registry]]\nlocation = "127.0.0.1:{}"\ninsecure = true\n'
_APART = ("unshare", "--mount", "--propagation", "private")
_SERVE = (
    "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && "
    'mount -t overlay overlay -o "lowerdir=$1/etc:/etc" /etc && '
    'exec podman system service --time=0 "unix://$1/podman.sock"'
)


class Podman:
    """One engine with one image, which holds one static program."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(directory / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(directory / "registries.conf"),
        }
        self.socket = directory / "podman.sock"
        self.registry_port = free_port()
        """Of the one registry that it would ask without TLS."""

    def install(self) -> None:
        """Configuration, the image, and the GPUs."""
        folder = self._directory
        (folder / "storage.conf").write_text(_STORAGE.format(folder))
        (folder / "containers.conf").write_text(_CONTAINERS)
        (folder / "registries.conf").write_text(_REGISTRIES.format(self.registry_port))
        (folder / "etc" / "cdi").mkdir(parents=True)
        (folder / "etc" / "cdi" / "gpus.json").write_text(json.dumps(_cdi()))
        image = folder / "image.tar"
        image.write_bytes(_image(folder))
        self._podman("import", "--quiet", str(image), IMAGE)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Listens, and in the end leaves no container and no process."""
        served = subprocess.Popen(
            [*_APART, "sh", "-euc", _SERVE, "serve", str(self._directory)],
            env=self._environment,
        )
        try:
            self._wait(served)
            yield
        finally:
            served.send_signal(signal.SIGTERM)
            served.wait()
            self.socket.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove every container."""
        asyncio.run(self._remove_all())

    async def _remove_all(self) -> None:
        endpoint = UnixEndpoint(self.socket)
        answer = await endpoint.ask("GET", "/containers/json?all=true")
        for container in json.loads(answer.body):
            path = f"/containers/{container['Id']}"
            # Removing by force alone waits for what ignores TERM.
            await endpoint.ask("POST", f"{path}/kill?signal=SIGKILL")
            await endpoint.ask("DELETE", f"{path}?force=true&v=true")

    def run_inside(self, container: str, *words: str) -> None:
        """Start one more process in a container, past the agent."""
        self._podman("exec", "--detach", container, *words)

    def with_environment(self, name: str, **variables: str) -> str:
        """The image once more, with an environment baked into it."""
        changes = [f"--change=ENV {key}={value}" for key, value in variables.items()]
        self._podman("import", "--quiet", *changes, str(self._directory / "image.tar"), name)
        return name

    @property
    def layer(self) -> bytes:
        """What the image holds, as a tar."""
        return (self._directory / "image.tar").read_bytes()

    def _wait(self, served: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S
        while not self.socket.exists():
            assert served.poll() is None, "podman ended; `make system` installs what it needs"
            assert time.monotonic() < deadline, "podman does not listen"
            time.sleep(0.01)

    def _podman(self, *arguments: str) -> None:
        subprocess.run(
            ["podman", *arguments],
            env=self._environment,
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )


def _cdi() -> dict[str, object]:
    devices = [
        {"name": gpu, "containerEdits": {"env": [f"SEES_{gpu[-1].upper()}=yes"]}} for gpu in GPUS
    ]
    return {"cdiVersion": "0.3.0", "kind": "nvidia.com/gpu", "devices": devices}


def _image(folder: Path) -> bytes:
    program = folder / "program"
    subprocess.run(["cc", "-static", "-O1", "-o", str(program), str(SOURCE)], check=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(program, arcname="program")
        for name in ("bin", "lib", "lib64"):
            # Programs of the machine itself run in it too, with its /usr mounted.
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
    return packed.getvalue()


@contextmanager
def podman_in(directory: Path) -> Iterator[Podman]:
    """A served engine whose containers and storage are gone in the end."""
    engine = Podman(directory)
    engine.install()
    with engine.serving():
        try:
            yield engine
        finally:
            engine.sweep()
