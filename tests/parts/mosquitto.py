"""A real Mosquitto broker of the test's own: TLS, passwords, and an access list per rig.

Mosquitto comes from the operating system's package; without it the tests that need it fail.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts.certificates import certify

START_MAX_S = 20.0
POLL_S = 0.02

ACCESS_LIST = Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl"
"""The one that operators are given."""

CONFIGURATION = """\
user root
listener {port} 127.0.0.1
cafile {folder}/ca.pem
certfile {folder}/ca.pem
keyfile {folder}/key.pem
tls_version tlsv1.2
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
use_username_as_clientid true
max_packet_size 1048576
set_tcp_nodelay true
persistence false
log_dest stderr
"""


class MosquittoError(Exception):
    """The broker cannot run here."""


@dataclass
class Mosquitto:
    """A broker on a loopback port that stays the same when it is stopped and started again."""

    folder: Path
    passwords: dict[str, str]
    port: int = field(default=0)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"mqtts://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        """Start the broker and return once it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_binary("mosquitto"), "-c", self.folder / "mosquitto.conf"], stderr=log
            )
        deadline = time.monotonic() + START_MAX_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise MosquittoError(f"mosquitto did not start:\n{self.log}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Kill the broker, and with it everything that it has retained."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running(rigs: Sequence[str]) -> Iterator[Mosquitto]:
    """A broker that knows `controller` and these rigs, each by a password of its own."""
    folder = Path(tempfile.mkdtemp(prefix="rigshift-mosquitto-"))
    passwords = {name: secrets.token_urlsafe(12) for name in ("controller", *rigs)}
    broker = Mosquitto(folder, passwords, _free_port())
    try:
        _configure(broker)
        broker.start()
        yield broker
    finally:
        broker.stop()
        shutil.rmtree(folder)


def _configure(broker: Mosquitto) -> None:
    certify(broker.folder)
    shutil.copy(ACCESS_LIST, broker.folder / "acl")
    passwords = broker.folder / "passwords"
    passwords.write_text("".join(f"{name}:{word}\n" for name, word in broker.passwords.items()))
    subprocess.run([_binary("mosquitto_passwd"), "-U", passwords], check=True)
    text = CONFIGURATION.format(port=broker.port, folder=broker.folder)
    (broker.folder / "mosquitto.conf").write_text(text)


def _binary(name: str) -> str:
    path = shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if path is None:
        raise MosquittoError(f"{name} is missing; install the operating system's mosquitto package")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
