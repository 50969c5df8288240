"""The loopback HTTP client: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.drivers import http
from agent.drivers.http import Endpoint, HttpError
from tests.parts.certificates import certify

TIMEOUT_S = 30.0


@asynccontextmanager
async def saying(*pieces: bytes, then_hang: bool = False) -> AsyncIterator[Endpoint]:
    """A server that sends `pieces` whatever it is asked, and may then keep silent."""
    over = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.writelines(pieces)
        await writer.drain()
        if then_hang:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield Endpoint("127.0.0.1", port)
    finally:
        over.set()
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.sleep(0)


def failing(*pieces: bytes, then_hang: bool = False, timeout_s: float = TIMEOUT_S) -> str:
    async def scenario() -> str:
        async with saying(*pieces, then_hang=then_hang) as endpoint:
            with pytest.raises(HttpError) as caught:
                await endpoint.get("/", timeout_s=timeout_s)
            return str(caught.value)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n"),
    ],
)
def test_reads_every_way_to_end_a_body(head: bytes, body: bytes) -> None:
    async def scenario() -> None:
        async with saying(head, body) as endpoint:
            answer = await endpoint.get("/", timeout_s=TIMEOUT_S)
            assert (answer.status, answer.body, answer.ok) == (200, b"ok", True)

    asyncio.run(scenario())


def test_reports_a_status_without_following_it() -> None:
    async def scenario() -> None:
        head = b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n"
        async with saying(head) as endpoint:
            answer = await endpoint.get("/", timeout_s=TIMEOUT_S)
            assert (answer.status, answer.ok) == (302, False)

    asyncio.run(scenario())


def test_refuses_a_long_answer() -> None:
    said = failing(b"HTTP/1.0 200 OK\r\n\r\n", bytes(http.ANSWER_BYTES_MAX + 1))
    assert "longer than" in said


def test_gives_up_on_silence() -> None:
    assert "no answer within" in failing(then_hang=True, timeout_s=0.05)


def test_gives_up_on_an_answer_that_never_ends() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"
    assert "no answer within" in failing(head, then_hang=True, timeout_s=0.05)


def test_explains_nonsense_and_a_closed_port() -> None:
    assert "connection failed" in failing(b"SSH-2.0-OpenSSH\r\n")

    async def scenario() -> None:
        async with saying() as endpoint:
            pass
        with pytest.raises(HttpError, match="nothing listens there"):
            await endpoint.get("/", timeout_s=TIMEOUT_S)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:80",
        "http://192.0.2.1:80",
        "http://example.com:80",
        "https://127.0.0.1:80",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:80/api",
    ],
)
def test_refuses_what_is_no_base_url_on_loopback(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Endpoint.parse(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.8.9.1"])
def test_takes_loopback(host: str) -> None:
    assert Endpoint.parse(f"http://{host}:80/", "t") == Endpoint(host.strip("[]"), 80, "t")


@asynccontextmanager
async def encrypted(folder: Path) -> AsyncIterator[int]:
    """A server that says hello over TLS, with a certificate of its own; its port."""
    certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nhello")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def test_beyond_this_machine_it_speaks_to_nobody_who_cannot_prove_who_he_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with encrypted(tmp_path) as port:
            url = f"https://127.0.0.1:{port}"
            trusting = Endpoint.remote(url, ca_file=str(tmp_path / "ca.pem"))
            answer = await trusting.ask("GET", "/", timeout_s=TIMEOUT_S)
            assert (answer.body, answer.retry_after_s) == (b"hello", 7.0)
            with pytest.raises(HttpError, match="cannot prove who it is: self-signed"):
                await Endpoint.remote(url).ask("GET", "/", timeout_s=TIMEOUT_S)
            lost = Endpoint.remote(url, ca_file=str(tmp_path / "absent.pem"))
            with pytest.raises(HttpError, match="no certificates can be read"):
                await lost.ask("GET", "/", timeout_s=TIMEOUT_S)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    [
        "http://market.example",
        "market.example",
        "https://",
        "https://a.example/x",
        "ftp://a.example",
    ],
)
def test_what_would_be_read_by_others_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"https://HOST|holds more"):
        Endpoint.remote(url, "token")


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Endpoint.remote("https://market.example", "secret"))
