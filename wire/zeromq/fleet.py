"""The controller's end over ZeroMQ: every rig's key is checked at the door and at every frame."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import zmq
from zmq.utils import z85

from wire import logs
from wire.transport import FRAME_BYTES_MAX, FleetLink, Received
from wire.zeromq import keys, port

RigOf: TypeAlias = Callable[[str], str | None]
"""The rig that a public key (Z85) belongs to, now; ``None``: nobody, or no longer."""

BACKLOG_MAX = 4_096
"""Connections that may wait to be accepted: a whole fleet comes back at once."""

REFUSED_KEYS_MAX = 256
"""Refused keys that are logged; a stranger with many keys must not fill the disk."""

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
ZAP_ALLOWED = b"200"
# "Temporary error": after 400 libzmq's client never tries again, and a rig that was started
# before it was enrolled would stay out until somebody restarted it.
ZAP_REFUSED = b"300"


async def open_fleet(*, listen: str, secret_key: str, rig_of: RigOf) -> ZeroMqFleetLink:
    """Listen for rigs.

    Args:
        listen: Address to bind, `tcp://address:port`; port `*` takes a free one.
        secret_key: The controller's own secret key.
        rig_of: Asked at every handshake and again for every frame, in both directions, so that
            a revoked key is deaf and mute at once. It must not block.

    Raises:
        LinkError: The address cannot be bound, or it or the key is malformed.
    """
    port.check_endpoint(listen)
    options: dict[zmq.SocketOption, int | bytes] = {
        zmq.CURVE_SERVER: 1,
        zmq.CURVE_SECRETKEY: keys.checked(secret_key, "secret key"),
        zmq.ZAP_DOMAIN: b"rigshift",
        zmq.ZAP_ENFORCE_DOMAIN: 1,
        zmq.ROUTER_MANDATORY: 1,
        zmq.BACKLOG: BACKLOG_MAX,
    }
    context: port.Context = zmq.Context()
    gate = _Gate(context, rig_of)
    socket = port.make(context, zmq.ROUTER, listen, options)
    try:
        socket.bind(listen)
    except zmq.ZMQError as error:
        gate.close()
        context.destroy(linger=0)
        raise port.refusal(listen, error) from error
    return ZeroMqFleetLink(context, socket, gate, rig_of)


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a rig was heard last, and the key it was heard with."""

    routing_id: bytes
    public_key: str


class ZeroMqFleetLink(FleetLink):
    """The controller's end, and the address it has bound."""

    def __init__(
        self, context: port.Context, socket: port.Socket, gate: _Gate, rig_of: RigOf
    ) -> None:
        self.endpoint = str(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        """The address really bound, `tcp://address:port`."""
        self._context = context
        self._port = port.Port(socket)
        self._gate = gate
        self._rig_of = rig_of
        self._routes: dict[str, _Route] = {}

    async def send(self, rig: str, frame: bytes, *, keep_s: float = 0.0) -> None:  # noqa: ARG002
        """Send to the connection on which the rig was heard last, or drop."""
        route = self._routes.get(rig)
        if route is None or len(frame) > FRAME_BYTES_MAX:
            return
        if self._rig_of(route.public_key) != rig or not self._sent(route, frame):
            del self._routes[rig]

    def _sent(self, route: _Route, frame: bytes) -> bool:
        """Queue or drop the frame; false if the connection is no more."""
        try:
            self._port.send([route.routing_id, frame])
        except zmq.Again:
            return True
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            return False
        return True

    async def receive(self) -> Received:
        """Wait for the next frame from a rig whose key is valid now."""
        while True:
            if (received := self._admitted(await self._port.receive())) is not None:
                return received

    def _admitted(self, parts: list[zmq.Frame]) -> Received | None:
        if len(parts) != 2 or len(parts[1]) > FRAME_BYTES_MAX:
            return None
        routing_id, public_key = parts[0].bytes, str(parts[1].get("User-Id"))
        rig = self._rig_of(public_key)
        # Ids that the socket made begin with a zero byte; no agent of ours brings its own.
        if rig is None or not routing_id.startswith(b"\0"):
            return None
        self._routes[rig] = _Route(routing_id, public_key)
        return Received(rig, parts[1].bytes)

    async def close(self) -> None:
        """Stop listening and drop what is under way."""
        self._port.close()
        self._gate.close()
        self._context.term()


class _Gate:
    """Answers libzmq, at every handshake, whether a key may enter (ZAP, ZeroMQ RFC 27)."""

    def __init__(self, context: port.Context, rig_of: RigOf) -> None:
        self._socket = context.socket(zmq.REP)
        self._socket.bind(ZAP_ENDPOINT)
        self._rig_of = rig_of
        self._refused: set[str] = set()
        self._log = logs.get("zeromq")
        asyncio.get_running_loop().add_reader(self._socket.FD, self._answer_all)

    def _answer_all(self) -> None:
        while True:
            try:
                request = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._socket.send_multipart(self._answer(request))

    def _answer(self, request: list[bytes]) -> list[bytes]:
        version, request_id, _domain, address, _identity, mechanism, key = request
        assert mechanism == b"CURVE"
        public_key = z85.encode(key)
        if self._rig_of(public_key.decode()) is not None:
            return [version, request_id, ZAP_ALLOWED, b"", public_key, b""]
        self._report(public_key.decode(), address.decode())
        return [version, request_id, ZAP_REFUSED, b"", b"", b""]

    def _report(self, public_key: str, address: str) -> None:
        if public_key not in self._refused and len(self._refused) < REFUSED_KEYS_MAX:
            self._refused.add(public_key)
            self._log.warning("unknown key refused", public_key=public_key, address=address)

    def close(self) -> None:
        if not self._socket.closed:
            asyncio.get_running_loop().remove_reader(self._socket.FD)
            self._socket.close(linger=0)
