"""Where the broker is, how to log in there, and the limits of a connection to it."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from wire.transport import FRAME_BYTES_MAX, LinkError

PACKET_BYTES_MAX = FRAME_BYTES_MAX + 4_096
"""Longest packet that the broker may send us: a frame, its topic and its properties."""

READ_FRAMES_MAX = 4_096
"""Frames that one read of the connection may yield; further ones are dropped."""

WRITERS = 16
"""Publications under way at once, so that a distant broker's answers are not awaited singly."""

KEEPALIVE_S = 30
"""The broker takes a client for dead after 1.5 times this, and publishes its will."""

ANSWER_MAX_S = 5.0
"""A broker that has not answered by then is taken for dead."""

FAREWELL_MAX_S = 0.2
"""How long a broker that never answered may take to be told goodbye."""

_PORTS = {"mqtts": 8883, "mqtt": 1883}


@dataclass(frozen=True, slots=True)
class Login:
    """Where the broker is and how to present ourselves."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    username: str
    password: str = field(repr=False)

    def client(
        self, client_id: str | None = None, will: aiomqtt.Will | None = None
    ) -> aiomqtt.Client:
        """A client that is not connected yet, with the limits above."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = PACKET_BYTES_MAX
        client = aiomqtt.Client(
            self.host,
            self.port,
            username=self.username or None,
            password=self.password or None,
            logger=_silent(),
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=will,
            timeout=ANSWER_MAX_S,
            keepalive=KEEPALIVE_S,
            clean_start=True,
            max_queued_incoming_messages=READ_FRAMES_MAX,
            properties=properties,
            # Frames are whole messages: waiting for more to send costs up to 40 ms each.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            tls_context=self.tls,
        )
        client.pending_calls_threshold = WRITERS + 2
        return client


@asynccontextmanager
async def connected(client: aiomqtt.Client) -> AsyncIterator[aiomqtt.Client]:
    """Connect and in the end disconnect. Raises `aiomqtt.MqttError`."""
    try:
        await client.__aenter__()
    except aiomqtt.MqttError:
        # A broker that took the connection but kept us waiting may still answer, and nobody
        # would be there to close what aiomqtt has left open.
        client.timeout = FAREWELL_MAX_S
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)
        raise
    try:
        yield client
    finally:
        await client.__aexit__(None, None, None)


def login(url: str, username: str, password: str, ca_file: Path | None) -> Login:
    """Check the configuration. Raises `LinkError` if the URL or the CA file cannot be used."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise LinkError(f"{url}: {error}; write `mqtts://host:port`") from error
    if parts.scheme not in _PORTS or not host or parts.username or parts.path.strip("/"):
        raise LinkError("the broker's URL is malformed; write `mqtts://host:port`, nothing more")
    if parts.scheme == "mqtt" and not _is_loopback(host):
        raise LinkError(f"{url}: without TLS only to this very machine; write `mqtts://`")
    tls = _tls(ca_file) if parts.scheme == "mqtts" else None
    return Login(host, port or _PORTS[parts.scheme], tls, username, password)


def publish_properties(*, expiry_s: int) -> Properties:
    """Properties of a publication that the broker forgets after so many seconds."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = expiry_s
    return properties


def _silent() -> logging.Logger:
    """Everything worth saying reaches us as an exception too."""
    logger = logging.getLogger(__name__)
    logger.setLevel(logging.CRITICAL)
    return logger


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise LinkError(f"{ca_file}: no readable PEM certificates ({error})") from error
    context.sslsocket_class = _TidySocket
    return context


class _TidySocket(ssl.SSLSocket):
    """Closes itself when its handshake fails; paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise
