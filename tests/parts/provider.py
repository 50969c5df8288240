"""A price provider on loopback: a real HTTP server that answers as it is told, faults included."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Answer:
    """What the provider says next."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    trickle: bool = False
    """Whether it sends the body byte by byte and never ends."""
    silent: bool = False
    """Whether it says nothing at all."""


class Provider:
    """The server, and what it was asked."""

    def __init__(self, port: int, ended: threading.Event) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.answer = Answer()
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.ended = ended

    def says(self, body: str | bytes, **changes: Any) -> None:
        """Answer so from now on."""
        self.answer = Answer(body.encode() if isinstance(body, str) else body, **changes)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    provider: Provider

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about; anything else shall be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        provider = self.server.provider
        provider.paths.append(self.path)
        provider.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        provider.headers.append(dict(self.headers))
        answer = provider.answer
        if answer.silent:
            provider.ended.wait()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if not answer.trickle:
            self.wfile.write(answer.body)
            return
        for byte in answer.body:
            self.wfile.write(bytes([byte]))
            if provider.ended.wait(0.02):
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Silence: the test's output is the test's."""


@contextmanager
def serving() -> Iterator[Provider]:
    """A provider on a free port; it is gone, threads and all, when the block ends."""
    ended = threading.Event()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.provider = Provider(server.server_address[1], ended)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.provider
        finally:
            ended.set()
            server.shutdown()
            thread.join()
