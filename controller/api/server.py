"""Serves the application in the controller's event loop; never in the clear off this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

CONNECTIONS_MAX = 256
"""Connections and requests under way; more are answered 503."""

STOP_TIMEOUT_S = 5
"""Requests under way may take this long to finish at a stop."""


class ServeError(Exception):
    """The API cannot be served as configured; the text says what to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files."""

    cert_file: Path
    """Certificate and the chain to its root."""
    key_file: Path


class _Uvicorn(uvicorn.Server):
    """Says when it listens, and leaves the process's signals to the controller."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """A running server."""

    def __init__(self, uvicorn_: _Uvicorn, task: asyncio.Task[None], url: str, port: int) -> None:
        self._uvicorn = uvicorn_
        self._task = task
        self.url = url
        """Where it is reached, without a slash at the end."""
        self.port = port
        """The port it is bound to; the chosen one if 0 was asked for."""

    async def close(self) -> None:
        """Finish what is under way and stop. Calling it twice is harmless."""
        self._uvicorn.should_exit = True
        await self._task


async def serve(app: FastAPI, host: str, port: int, *, tls: Tls | None = None) -> Server:
    """Listen, and return once connections are accepted.

    Args:
        app: What to serve.
        host: Address to bind; anything but loopback wants `tls`.
        port: 0 for any free one.
        tls: Certificate and key.

    Raises:
        ServeError: The port is taken, the address is not ours, or TLS is missing or unusable.
    """
    if tls is None and not _is_loopback(host):
        raise ServeError(
            f"tokens must not cross the network in the clear: to serve on {host}, "
            "configure a TLS certificate and key, or serve on 127.0.0.1"
        )
    if tls:
        _check(tls)
    listener = _bind(host, port)
    bound_port: int = listener.getsockname()[1]
    server = _Uvicorn(_config(app, tls))
    task = asyncio.create_task(server.serve([listener]), name="api")
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
    if not listening.done():
        listening.cancel()
        await task
    shown = f"[{host}]" if ":" in host else host
    url = f"{'https' if tls else 'http'}://{shown}:{bound_port}"
    return Server(server, task, url, bound_port)


def _config(app: FastAPI, tls: Tls | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        ssl_certfile=tls.cert_file if tls else None,
        ssl_keyfile=tls.key_file if tls else None,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(tls: Tls) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as error:
        raise ServeError(
            f"TLS certificate {tls.cert_file} with key {tls.key_file} cannot be used: {error}"
        ) from error


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {host}:{port}: {error.strerror}; "
            "stop what listens there, or configure another port or address"
        ) from error
