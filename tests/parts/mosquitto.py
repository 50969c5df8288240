"""A real Mosquitto broker of the test's own: TLS, passwords, and an access list per rig.

Mosquitto comes from the operating system's package; without it the tests that need it fail.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
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

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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
    _certify(broker.folder)
    shutil.copy(ACCESS_LIST, broker.folder / "acl")
    passwords = broker.folder / "passwords"
    passwords.write_text("".join(f"{name}:{word}\n" for name, word in broker.passwords.items()))
    subprocess.run([_binary("mosquitto_passwd"), "-U", passwords], check=True)
    text = CONFIGURATION.format(port=broker.port, folder=broker.folder)
    (broker.folder / "mosquitto.conf").write_text(text)


def _certify(folder: Path) -> None:
    """One self-signed certificate for 127.0.0.1, which is also what clients trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rigshift test broker")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _binary(name: str) -> str:
    path = shutil.which(name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if path is None:
        raise MosquittoError(f"{name} is missing; install the operating system's mosquitto package")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
