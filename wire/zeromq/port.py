"""ZeroMQ sockets as both ends use them: limits, and receiving and sending on the event loop."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import zmq

from wire.transport import FRAME_BYTES_MAX, LinkError

CURVE_OVERHEAD_BYTES = 64
"""Room for what CURVE adds to a frame; libzmq measures frames before it decrypts them."""

QUEUE_FRAMES_MAX = 256
"""Frames queued per peer and direction, enough for a burst; further ones are dropped."""

HANDSHAKE_IVL_MS = 5_000
"""A peer that has not authenticated by then is dropped; also how often a refused rig asks again."""

# A connection whose other end vanished without a word is found dead by the kernel: by probes
# while it is silent, by unanswered data while it is not. libzmq's own heartbeats would cost half
# a core per 10,000 peers, in the thread that also carries the frames.
KEEPALIVE_IDLE_S = 30
KEEPALIVE_IVL_S = 10
KEEPALIVE_PROBES_MAX = 3
UNANSWERED_MAX_MS = 60_000

DRAIN_FRAMES_MAX = 64
"""Frames taken in one go before other tasks have their turn."""

Socket: TypeAlias = "zmq.Socket[bytes]"
Context: TypeAlias = "zmq.Context[Socket]"


class Port:
    """A socket on the running loop: receiving drains before it waits, sending never waits."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._stirred = asyncio.Event()
        self._taken = 0
        asyncio.get_running_loop().add_reader(socket.FD, self._stir)

    def _stir(self) -> None:
        # The descriptor stays readable until the socket is asked what happened.
        self._socket.getsockopt(zmq.EVENTS)
        self._stirred.set()

    def send(self, parts: Sequence[bytes]) -> None:
        """Queue a message; once closed, drop it. Raises `zmq.ZMQError` if it cannot be queued."""
        if self._socket.closed:
            return
        try:
            self._socket.send_multipart(parts, zmq.NOBLOCK)
        finally:
            # Sending reads the descriptor too, and may swallow the news of an arrived frame.
            self._stirred.set()

    async def receive(self) -> list[zmq.Frame]:
        """Wait for the next message; once closed, for ever."""
        while True:
            if self._taken >= DRAIN_FRAMES_MAX:
                self._taken = 0
                await asyncio.sleep(0)
            self._stirred.clear()
            if (parts := self._take()) is not None:
                self._taken += 1
                return parts
            self._taken = 0
            await self._stirred.wait()

    def _take(self) -> list[zmq.Frame] | None:
        if self._socket.closed:
            return None
        try:
            return self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None

    def close(self, *, linger_ms: int = 0) -> None:
        """Close the socket; what it still holds has `linger_ms` to leave."""
        if not self._socket.closed:
            asyncio.get_running_loop().remove_reader(self._socket.FD)
            self._socket.close(linger=linger_ms)


def make(
    context: Context, kind: int, endpoint: str, options: Mapping[zmq.SocketOption, int | bytes]
) -> Socket:
    """A socket with the limits above and its own `options`, neither bound nor connected."""
    common: dict[zmq.SocketOption, int | bytes] = {
        zmq.LINGER: 0,
        zmq.SNDHWM: QUEUE_FRAMES_MAX,
        zmq.RCVHWM: QUEUE_FRAMES_MAX,
        zmq.MAXMSGSIZE: FRAME_BYTES_MAX + CURVE_OVERHEAD_BYTES,
        zmq.HANDSHAKE_IVL: HANDSHAKE_IVL_MS,
        zmq.IPV6: int("[" in endpoint),
        zmq.TCP_KEEPALIVE: 1,
        zmq.TCP_KEEPALIVE_IDLE: KEEPALIVE_IDLE_S,
        zmq.TCP_KEEPALIVE_INTVL: KEEPALIVE_IVL_S,
        zmq.TCP_KEEPALIVE_CNT: KEEPALIVE_PROBES_MAX,
        zmq.TCP_MAXRT: UNANSWERED_MAX_MS,
    }
    socket = context.socket(kind)
    for option, value in (common | dict(options)).items():
        socket.setsockopt(option, value)
    return socket


def check_endpoint(endpoint: str) -> None:
    """Refuse transports other than TCP. Raises `LinkError`."""
    if not endpoint.startswith("tcp://"):
        raise LinkError(f"{endpoint}: not an endpoint; write `tcp://host:port`")


def refusal(endpoint: str, error: zmq.ZMQError) -> LinkError:
    """What a failed bind or connect means for the person who configured it."""
    todo = {
        errno.EADDRINUSE: "another process listens there; stop it or choose another port",
        errno.EADDRNOTAVAIL: "this machine has no such address; `tcp://*:port` listens on all",
        errno.EACCES: "not permitted; choose a port above 1023",
    }
    return LinkError(f"{endpoint}: {todo.get(error.errno or 0, 'write `tcp://host:port`')}")
