"""Small HTTP client: for the APIs that workloads offer on loopback, and for marketplaces.

Whatever leaves the machine is encrypted, and whom it speaks to is verified. It follows no redirect,
knows no proxy, never shows a token, and bounds both the time and the size of an answer. Requests
run in threads, so cancelling one leaves its thread behind for at most the request's time-out.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import json
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""Longest answer; the metrics of a large inference server take about a tenth."""

AUTHORIZATION = "Authorization"

_READ_BYTES = 64 * 1024


class HttpError(Exception):
    """There was no usable answer; one clause says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, whatever its status."""

    status: int
    body: bytes
    retry_after_s: float | None = None
    """How long it asks to be left alone, seconds."""

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an API listens, and the token that it wants, if any."""

    host: str
    port: int
    token: str = field(default="", repr=False)
    token_header: str = AUTHORIZATION
    """Under this name the token is sent; a bearer token under `AUTHORIZATION`."""
    tls: bool = False
    ca_file: str = ""
    """PEM certificates to trust; none: the system's."""

    @classmethod
    def parse(cls, url: str, token: str = "", *, scheme: str = "http") -> Endpoint:
        """From a base URL such as `http://127.0.0.1:8000`. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme != scheme or not _is_loopback(parts) or parts.path not in ("", "/"):
            raise ValueError(f"{url!r} is not of the form {scheme}://127.0.0.1:PORT")
        if not parts.port:
            raise ValueError(f"{url!r} names no port")
        return cls(parts.hostname or "", parts.port, token)

    @classmethod
    def remote(
        cls, url: str, token: str = "", *, token_header: str = AUTHORIZATION, ca_file: str = ""
    ) -> Endpoint:
        """From `https://HOST[:PORT]` anywhere, or `http://` on loopback. Raises `ValueError`."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if not parts.hostname or not (tls or (parts.scheme == "http" and _is_loopback(parts))):
            raise ValueError(f"{url!r} is not of the form https://HOST, which keeps secrets secret")
        if parts.path not in ("", "/") or parts.query or parts.username:
            raise ValueError(f"{url!r} holds more than scheme, host and port")
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname, port, token, token_header, tls, ca_file)

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        timeout_s: float,
    ) -> Answer:
        """Any request, with `body` as JSON if there is one. Raises `HttpError`."""
        content = None if body is None else json.dumps(body).encode()
        return await asyncio.to_thread(self._ask, method, path, content, timeout_s)

    async def get(self, path: str, *, timeout_s: float) -> Answer:
        """Fetch `path`. Raises `HttpError`."""
        return await asyncio.to_thread(self._ask, "GET", path, None, timeout_s)

    async def post(
        self, path: str, body: Mapping[str, object] | None = None, *, timeout_s: float
    ) -> Answer:
        """Send `body` as JSON to `path`. Raises `HttpError`."""
        content = b"" if body is None else json.dumps(body).encode()
        return await asyncio.to_thread(self._ask, "POST", path, content, timeout_s)

    def _ask(self, method: str, path: str, content: bytes | None, timeout_s: float) -> Answer:
        headers = {"Content-Type": "application/json"} if content else {}
        if self.token:
            bearer = self.token_header == AUTHORIZATION
            headers[self.token_header] = f"Bearer {self.token}" if bearer else self.token
        deadline = time.monotonic() + timeout_s
        with closing(self._connection(timeout_s)) as connection:
            try:
                connection.request(method, path, body=content, headers=headers)
                return _receive(connection, deadline)
            except (OSError, http.client.HTTPException) as error:
                raise HttpError(_explain(error, timeout_s)) from error

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            trusted = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            raise HttpError(f"{self.ca_file}: no certificates can be read: {error}") from error
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_s, context=trusted)


def _receive(connection: http.client.HTTPConnection, deadline: float) -> Answer:
    """Read piece by piece: a socket's own time-out begins anew with every byte."""
    socket = connection.sock
    body = bytearray()
    with closing(connection.getresponse()) as response:
        while piece := response.read1(_READ_BYTES):
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                raise HttpError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
            if response.isclosed():
                break
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            socket.settimeout(left_s)
        wait = response.headers.get("Retry-After", "")
        # It may be a date as well; then the caller's own back-off has to do.
        return Answer(response.status, bytes(body), float(wait) if wait.isdecimal() else None)


def _explain(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"it cannot prove who it is: {error.verify_message}"
    return f"the connection failed: {str(error) or type(error).__name__}"


def _is_loopback(parts: SplitResult) -> bool:
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
