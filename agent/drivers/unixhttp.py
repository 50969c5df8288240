"""HTTP over a unix socket, for a service of this machine whose answers may take hours.

Unlike `agent.drivers.http` it needs no thread: waiting for a container's end, or for an image, can
be cancelled. It speaks HTTP/1.0, so an answer ends with its connection and is never in chunks.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from agent.drivers.http import ANSWER_BYTES_MAX, Answer, HttpError

LINE_BYTES_MAX = 256 * 1024
"""Longest line of a header or of a stream."""

_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class UnixEndpoint:
    """Where a service listens."""

    socket: Path

    async def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """One whole answer, however long it takes. Raises `HttpError`."""
        async with self._sent(method, path, body) as reader:
            status = await _status(reader)
            content = bytearray()
            while piece := await reader.read(_READ_BYTES):
                content += piece
                if len(content) > ANSWER_BYTES_MAX:
                    raise HttpError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
            return Answer(status, bytes(content))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """The status, and the lines of the answer as they come. Raises `HttpError`."""
        async with self._sent(method, path, None) as reader:
            yield await _status(reader), _lines(reader)

    @asynccontextmanager
    async def _sent(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> AsyncIterator[asyncio.StreamReader]:
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.0\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_unix_connection(
                str(self.socket), limit=LINE_BYTES_MAX
            )
        except OSError as error:
            raise HttpError(_explain(error, self.socket)) from error
        try:
            writer.write(head.encode() + content)
            await writer.drain()
            yield reader
        except OSError as error:
            raise HttpError(f"the connection failed: {error}") from error
        except ValueError as error:
            raise HttpError(f"a line of its answer is too long: {error}") from error
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    """The number in the first line; the header after it is read and checked."""
    version, _, rest = (await reader.readline()).decode("latin-1").partition(" ")
    number = rest.partition(" ")[0].strip()
    if not version.startswith("HTTP/1.") or not (number.isascii() and number.isdecimal()):
        raise HttpError("what listens there does not speak HTTP")
    while (line := (await reader.readline()).strip().lower()) != b"":
        if line.startswith(b"transfer-encoding:"):
            raise HttpError("it answers in chunks, which were not asked for")
    return int(number)


async def _lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while line := await reader.readline():
        if line.strip():
            yield line


def _explain(error: OSError, socket: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {socket}"
    if isinstance(error, PermissionError):
        return f"the agent may not use {socket}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {socket}"
    return f"{socket}: {error}"
