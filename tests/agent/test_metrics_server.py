"""The agent's HTTP endpoint: three paths, slow clients, ports."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Iterator

import pytest

from agent.metrics import MetricsError, MetricsServer
from agent.metrics.server import THREADS_MAX, offered

PATIENCE_S = 30.0


@contextlib.contextmanager
def serving(*, ready: bool = True, host: str = "127.0.0.1") -> Iterator[MetricsServer]:
    server = MetricsServer(
        host, 0, lambda accept: (f"accept={accept}\n".encode(), "text/x-test"), lambda: ready
    )
    server.start()
    try:
        yield server
    finally:
        server.close()


def nothing(accept: str) -> tuple[bytes, str]:
    return b"", ""


def get(port: int, path: str, accept: str = "*/*") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()


def test_metrics_are_rendered_for_what_the_scraper_accepts() -> None:
    with serving() as server:
        assert get(server.port, "/metrics?x=1", "text/x") == (
            200,
            "text/x-test",
            b"accept=text/x\n",
        )


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
def test_ready_is_what_the_agent_says_and_alive_is_always(ready: bool, status: int) -> None:
    with serving(ready=ready) as server:
        assert get(server.port, "/readyz")[0] == status
        assert get(server.port, "/healthz")[0] == 200
        assert get(server.port, "/")[0] == 404


@pytest.mark.parametrize(
    ("path", "client", "answered"),
    [
        ("/metrics", "127.0.0.1", True),
        ("/metrics", "192.0.2.7", True),
        ("/metrics", "2001:db8::7", True),
        ("/healthz", "127.0.0.1", True),
        ("/readyz", "::1", True),
        ("/readyz", "::ffff:127.0.0.1", True),
        ("/healthz", "192.0.2.7", False),
        ("/readyz", "::ffff:192.0.2.7", False),
        ("/metrics/", "127.0.0.1", False),
    ],
)
def test_beyond_loopback_only_metrics_are_offered(path: str, client: str, answered: bool) -> None:
    assert offered(path, client) is answered


def test_silent_clients_keep_nobody_else_waiting() -> None:
    with serving() as server, contextlib.ExitStack() as clients:
        for _ in range(THREADS_MAX - 1):
            client = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
            clients.enter_context(client)
            client.sendall(b"GET /metr")
        assert get(server.port, "/metrics")[0] == 200


def test_too_many_at_once_are_turned_away_until_others_leave() -> None:
    with serving() as server:
        with contextlib.ExitStack() as clients:
            for _ in range(THREADS_MAX):
                client = socket.create_connection(("127.0.0.1", server.port), PATIENCE_S)
                clients.enter_context(client)
                client.sendall(b"GET /metr")
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE_S) as surplus:
                assert surplus.recv(1) == b""
        answered = False
        while not answered:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answered = get(server.port, "/metrics")[0] == 200


def test_a_port_in_use_says_what_to_do() -> None:
    with serving() as server, pytest.raises(MetricsError, match=r"set another `metrics\.port`"):
        MetricsServer("127.0.0.1", server.port, nothing, lambda: True)


def test_an_address_of_another_machine_says_what_to_do() -> None:
    with pytest.raises(MetricsError, match=r"set `metrics\.host`"):
        MetricsServer("192.0.2.7", 0, nothing, lambda: True)


def test_closing_without_starting_frees_the_port() -> None:
    server = MetricsServer("127.0.0.1", 0, nothing, lambda: True)
    port = server.port
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE_S)
