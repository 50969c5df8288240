"""A rig's end over ZeroMQ: one connection to the one controller whose key it has pinned."""

from __future__ import annotations

import asyncio
import errno

import zmq

from wire import logs
from wire.transport import FRAME_BYTES_MAX, AgentLink
from wire.zeromq import keys, port

RECONNECT_IVL_MS = 200
RECONNECT_IVL_MAX_MS = 10_000
"""Back-off, doubling with jitter, while the controller's port does not answer."""

CONNECT_TIMEOUT_MS = 5_000
"""The kernel alone would wait ever longer for a machine that does not answer at all."""

STALLED_S = 30.0
"""After so long without a connection a new one is made: libzmq gives up for good on a peer that
breaks its protocol, such as another program that held the controller's port for a while."""

LINGER_MS = 100
"""How long a goodbye may take to leave."""


async def open_agent(*, endpoint: str, server_key: str, secret_key: str) -> AgentLink:
    """Connect a rig to its controller, now or as soon as the controller can be reached.

    Args:
        endpoint: The controller's address, `tcp://host:port`.
        server_key: The controller's public key; no other server is talked to.
        secret_key: The rig's own secret key.

    Raises:
        LinkError: The endpoint or a key is malformed.
    """
    port.check_endpoint(endpoint)
    public_key = keys.public_key(secret_key)
    options: dict[zmq.SocketOption, int | bytes] = {
        zmq.CURVE_SERVERKEY: keys.checked(server_key, "server key"),
        zmq.CURVE_PUBLICKEY: public_key.encode(),
        zmq.CURVE_SECRETKEY: keys.checked(secret_key, "secret key"),
        # Without a connection nothing is queued: it would be stale when it left.
        zmq.IMMEDIATE: 1,
        zmq.CONNECT_TIMEOUT: CONNECT_TIMEOUT_MS,
        zmq.RECONNECT_IVL: RECONNECT_IVL_MS,
        zmq.RECONNECT_IVL_MAX: RECONNECT_IVL_MAX_MS,
    }
    context: port.Context = zmq.Context()
    socket = port.make(context, zmq.DEALER, endpoint, options)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        context.destroy(linger=0)
        raise port.refusal(endpoint, error) from error
    return _AgentEnd(context, socket, endpoint, public_key)


class _AgentEnd:
    def __init__(
        self, context: port.Context, socket: port.Socket, endpoint: str, public_key: str
    ) -> None:
        self._context = context
        self._socket = socket
        self._port = port.Port(socket)
        self._endpoint = endpoint
        self._log = logs.get("zeromq", endpoint=endpoint, public_key=public_key)
        self._sent_at_s = asyncio.get_running_loop().time()
        self._stalled = False

    async def send(self, frame: bytes) -> None:
        if len(frame) > FRAME_BYTES_MAX:
            return
        now_s = asyncio.get_running_loop().time()
        try:
            self._port.send([frame])
        except zmq.Again:
            if now_s - self._sent_at_s > STALLED_S:
                self._connect_anew()
                self._sent_at_s = now_s
        else:
            self._sent_at_s = now_s
            self._stalled = False

    def _connect_anew(self) -> None:
        if not self._stalled:
            self._log.warning("no connection; is the endpoint right, and this rig's key enrolled?")
        self._stalled = True
        try:
            self._socket.disconnect(self._endpoint)
        except zmq.ZMQError as error:
            # ENOENT: libzmq has given up on it by itself.
            if error.errno != errno.ENOENT:
                raise
        self._socket.connect(self._endpoint)

    async def receive(self) -> bytes:
        while True:
            parts = await self._port.receive()
            if len(parts) == 1 and len(parts[0]) <= FRAME_BYTES_MAX:
                return parts[0].bytes

    async def close(self) -> None:
        self._port.close(linger_ms=LINGER_MS)
        self._context.term()
