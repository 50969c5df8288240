"""One HTTP call to a load balancer, which may be on another machine.

It follows no redirect and knows no proxy: what answers must be what the rig's file names.
"""

from __future__ import annotations

import http.client
import ssl
import stat
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from agent.core.route import HttpCall
from agent.drivers.http import HttpError, explain, receive
from agent.ports import RouteError

_SHOWN_CHARS = 120
"""Of an answer that refuses."""


def perform(call: HttpCall, timeout_s: float) -> None:
    """Make the call; returns when a status of success confirms it. Raises `RouteError`."""
    where = f"{call.method} {call.url}"
    parts = urlsplit(call.url)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    deadline = time.monotonic() + timeout_s
    with closing(_connection(call, parts, timeout_s)) as connection:
        try:
            connection.request(call.method, path, body=call.body.encode(), headers=_headers(call))
            answer = receive(connection, deadline)
        except HttpError as error:
            raise RouteError(f"{where}: {error}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RouteError(f"{where}: {explain(error, timeout_s)}") from error
    if not answer.ok:
        said = answer.body.decode(errors="replace")[:_SHOWN_CHARS].strip()
        raise RouteError(f"{where}: status {answer.status}{f': {said}' if said else ''}")


def check(call: HttpCall) -> None:
    """Look whether its files can be used. Raises `RouteError`."""
    _headers(call)
    if call.ca_file:
        _context(call.ca_file)


def _connection(call: HttpCall, parts: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    context = _context(call.ca_file)
    return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise RouteError(f"ca_file {ca_file} cannot be used: {error}") from error


def _headers(call: HttpCall) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} if call.body else {}
    if call.token_file:
        headers["Authorization"] = f"Bearer {_token(Path(call.token_file))}"
    return headers


def _token(path: Path) -> str:
    """Read anew each time: a token may be changed under a running agent."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise RouteError(f"{path}: others can read this secret; run `chmod 600 {path}`")
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RouteError(f"{path} cannot be read: {error}") from error
