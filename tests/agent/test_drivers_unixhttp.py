"""HTTP over a unix socket: what comes back, and what a bad answer is called."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.drivers.http import ANSWER_BYTES_MAX, HttpError
from agent.drivers.unixhttp import LINE_BYTES_MAX, UnixEndpoint


async def answered(path: Path, answer: bytes) -> tuple[int, bytes, bytes]:
    """Status and body that the client makes of these bytes, and what it had sent."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"\r\n\r\n"))
        asked.extend(await reader.readexactly(len(b'{"a": 1}')))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        got = await UnixEndpoint(path).ask("POST", "/x?y", {"a": 1})
    finally:
        server.close()
    return got.status, got.body, bytes(asked)


def test_a_request_and_its_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        answer = b"HTTP/1.0 201 Created\r\nA: b\r\n\r\nbody\r\n\r\nmore"
        status, body, asked = await answered(tmp_path / "s", answer)
        assert (status, body) == (201, b"body\r\n\r\nmore")
        assert asked.startswith(b"POST /x?y HTTP/1.0\r\nHost: localhost\r\n")
        assert asked.endswith(b'Content-Length: 8\r\n\r\n{"a": 1}')

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"", "does not speak HTTP"),
        (b"SSH-2.0-x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "in chunks"),
        (b"HTTP/1.0 200 OK\r\nA: " + b"a" * LINE_BYTES_MAX * 2, "too long"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"a" * (ANSWER_BYTES_MAX + 1), "longer than"),
    ],
)
def test_an_answer_that_cannot_be_used(tmp_path: Path, answer: bytes, problem: str) -> None:
    async def scenario() -> None:
        with pytest.raises(HttpError, match=problem):
            await answered(tmp_path / "s", answer)

    asyncio.run(scenario())


def test_a_socket_that_is_not_there_or_that_nobody_serves(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "s"
        with pytest.raises(HttpError, match="there is no"):
            await UnixEndpoint(path).ask("GET", "/")
        server = await asyncio.start_unix_server(lambda _reader, _writer: None, path)
        server.close()
        await server.wait_closed()
        path.touch()
        with pytest.raises(HttpError, match=str(path)):
            await UnixEndpoint(path).ask("GET", "/")

    asyncio.run(scenario())
