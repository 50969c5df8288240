"""Small HTTP/1.1 server for demo workloads, on loopback: one request per connection.

It is made to cost nothing while nobody asks; it is not meant to face anything but this machine.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

HOST = "127.0.0.1"

HEAD_BYTES_MAX = 16 * 1024
BODY_BYTES_MAX = 1024 * 1024

RECEIVE_TIMEOUT_S = 10.0
"""For a whole request to arrive."""

CLOSE_TIMEOUT_S = 1.0
"""For the last replies to go out."""


@dataclass(frozen=True, slots=True)
class Request:
    """One complete request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def document(self) -> dict[str, object]:
        """The body as a JSON object. Raises `ValueError`."""
        document = json.loads(self.body or b"{}")
        if not isinstance(document, dict):
            raise ValueError("the body is not a JSON object")
        return document


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"

    @classmethod
    def of(cls, document: object, status: int = HTTPStatus.OK) -> Reply:
        """A JSON document."""
        return cls(status, json.dumps(document).encode())


Answer = Callable[[Request], Awaitable[Reply]]


class _BadRequestError(Exception):
    """What arrived is no request that this server takes."""


class HttpServer:
    """Answers requests with one function until it is closed."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._conversations = set[asyncio.Task[None]]()

    async def listen(self, port: int) -> int:
        """Answer from now on; returns the port, which 0 leaves open. Raises `OSError`."""
        self._server = await asyncio.start_server(self._connected, HOST, port, limit=HEAD_BYTES_MAX)
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def close(self) -> None:
        """Take no more connections, and let replies that are due go out."""
        if self._server is not None:
            self._server.close()
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=CLOSE_TIMEOUT_S)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.create_task(_serve(reader, writer, self._answer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    try:
        await _converse(reader, writer, answer)
    except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
        # The other side has gone or is too slow; there is nobody to tell.
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer
) -> None:
    try:
        async with asyncio.timeout(RECEIVE_TIMEOUT_S):
            request = await _receive(reader)
        reply = await answer(request)
    except (_BadRequestError, ValueError) as error:
        reply = Reply.of({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    status = HTTPStatus(reply.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    writer.write(head.encode() + reply.body)
    await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise _BadRequestError("the head is too long") from error
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, _, rest = request_line.partition(" ")
    target = urlsplit(rest.partition(" ")[0])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= BODY_BYTES_MAX:
        raise _BadRequestError("the body is too long")
    body = await reader.readexactly(length)
    return Request(method, target.path, dict(parse_qsl(target.query)), headers, body)
