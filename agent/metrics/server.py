"""The agent's HTTP endpoint: `/metrics`, `/healthz`, `/readyz`; read-only, no other path ever.

A slow or stuck client holds one of a few threads, for a limited time, and nothing else. Beyond
loopback only `/metrics` is answered.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

THREADS_MAX = 16
"""Requests served at once; more are turned away before a byte of them is read."""

SOCKET_TIMEOUT_S = 5.0
"""Longest wait for a client's next bytes."""

CONNECTION_S = 15.0
"""Longest life of a connection, however the client spreads its bytes."""

TEXT = "text/plain; charset=utf-8"

Render = Callable[[str], tuple[bytes, str]]
"""Body and content type for an `Accept` header."""


class MetricsError(Exception):
    """The endpoint cannot be opened; the text says what to do about it."""


class MetricsServer:
    """Serves from threads of its own between `start` and `close`."""

    def __init__(self, host: str, port: int, render: Render, ready: Callable[[], bool]) -> None:
        """Listen at once; port 0 takes any free one.

        Raises:
            MetricsError: The address cannot be used.
        """
        try:
            self._server = _server_at(host, port, render, ready)
        except OSError as error:
            raise MetricsError(_advice(host, port, error)) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="metrics", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; may be called without `start`, and once only."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], render: Render, ready: Callable[[], bool]) -> None:
        self.render = render
        self.ready = ready
        self._free = threading.BoundedSemaphore(THREADS_MAX)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # The timeout of the socket counts from byte to byte; this one ends a client that drips.
        deadline = threading.Timer(CONNECTION_S, _cut, args=(request,))
        deadline.daemon = True
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is its own affair; anything else is ours and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SOCKET_TIMEOUT_S
    server_version = "rigshift-agent"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one of the three paths."""
        path = urlsplit(self.path).path
        if not offered(path, self.client_address[0]):
            self._answer(HTTPStatus.NOT_FOUND, b"not found; try /metrics\n", TEXT)
        elif path == "/metrics":
            body, content_type = self.server.render(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, body, content_type)
        elif path == "/healthz" or self.server.ready():
            self._answer(HTTPStatus.OK, b"ok\n", TEXT)
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n", TEXT)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: scrapes would drown the log."""

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def offered(path: str, client: str) -> bool:
    """Whether a client at this address is answered on this path."""
    address = ipaddress.ip_address(client)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    local = (mapped or address).is_loopback
    return path == "/metrics" or (local and path in ("/healthz", "/readyz"))


def _server_at(host: str, port: int, render: Render, ready: Callable[[], bool]) -> _Server:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    kind = _Server6 if family == socket.AF_INET6 else _Server
    return kind((host, port), render, ready)


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # Gone by itself.


def _advice(host: str, port: int, error: OSError) -> str:
    where = f"metrics: {host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is in use by another process (`ss -ltnp 'sport = :{port}'` names it); "
            "stop that one or set another `metrics.port`"
        )
    if error.errno == errno.EACCES:
        return f"{where} is not allowed to this user; set `metrics.port` to 1024 or above"
    return f"{where} cannot be listened on ({error}); set `metrics.host` to an address of this rig"
