"""One attempt to reach the controller over ZeroMQ, for whoever looks why a rig is not heard."""

from __future__ import annotations

import asyncio
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

from wire.transport import Contact, Reach
from wire.zeromq import keys, port

_REFUSALS = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_DISCONNECTED
)
_TELLING = (
    zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_CONNECT_RETRIED | _REFUSALS
)


async def contact(*, endpoint: str, server_key: str, secret_key: str, patience_s: float) -> Contact:
    """Shake hands and leave without a word; a connection that an agent has is not touched.

    Raises:
        LinkError: The endpoint or a key is malformed.
    """
    return await asyncio.to_thread(_contact, endpoint, server_key, secret_key, patience_s)


def _contact(endpoint: str, server_key: str, secret_key: str, patience_s: float) -> Contact:
    port.check_endpoint(endpoint)
    options: dict[zmq.SocketOption, int | bytes] = {
        zmq.CURVE_SERVERKEY: keys.checked(server_key, "server key"),
        zmq.CURVE_PUBLICKEY: keys.public_key(secret_key).encode(),
        zmq.CURVE_SECRETKEY: keys.checked(secret_key, "secret key"),
    }
    context: port.Context = zmq.Context()
    try:
        socket = port.make(context, zmq.DEALER, endpoint, options)
        monitor = socket.get_monitor_socket(_TELLING)
        socket.connect(endpoint)
        return _outcome(monitor, time.monotonic() + patience_s)
    except zmq.ZMQError as error:
        raise port.refusal(endpoint, error) from error
    finally:
        context.destroy(linger=0)


def _outcome(monitor: port.Socket, until_s: float) -> Contact:
    connected = False
    while monitor.poll(max(0, int(1000 * (until_s - time.monotonic())))):
        event = recv_monitor_message(monitor)["event"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return Contact(Reach.ACCEPTED)
        if event & _REFUSALS:
            return Contact(Reach.REFUSED, "the other end hung up during the handshake")
        if event == zmq.EVENT_CONNECT_RETRIED:
            return Contact(Reach.UNREACHABLE, "nothing answers there")
        connected = True
    if connected:
        return Contact(Reach.REFUSED, "the other end does not shake hands")
    return Contact(Reach.UNREACHABLE, "nothing answers there")
