"""The API over a real server on a free port, a real store and a small desk."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from controller.api import auth
from controller.api.app import create_app
from controller.api.auth import Tokens
from controller.api.bodies import BODY_BYTES_MAX
from controller.api.server import ServeError, Tls, serve
from controller.operations import Operations
from controller.store.sql import SqlStore
from tests.controller.desk import SmallDesk, record, view
from wire.configfile import ConfigError

ANNA = "a" * 32
BO = "b" * 32

Scenario = Callable[[httpx.AsyncClient, SmallDesk], Awaitable[None]]


@asynccontextmanager
async def running(
    directory: Path, tls: Tls | None = None
) -> AsyncIterator[tuple[httpx.AsyncClient, SmallDesk]]:
    with closing(SqlStore.open(directory / "store.db")) as store:
        desk = SmallDesk(store, view("rig-01"), view("rig-02", active=None, site="lagos"))
        numbers = count(1)
        operations = Operations(
            desk, store, now=lambda: desk.now, new_id=lambda: f"{next(numbers):04x}"
        )
        app = create_app(
            operations,
            tokens=Tokens({"anna": ANNA, "bo": BO}),
            metrics=lambda accept: (f"# {accept}\n".encode(), "text/plain; version=0.0.4"),
        )
        server = await serve(app, "127.0.0.1", 0, tls=tls)
        trusted = ssl.create_default_context(cafile=tls.cert_file if tls else None)
        headers = {"authorization": f"Bearer {ANNA}"}
        try:
            async with httpx.AsyncClient(
                base_url=server.url, headers=headers, verify=trusted, trust_env=False
            ) as client:
                yield client, desk
        finally:
            await server.close()
            await server.close()


def run(directory: Path, scenario: Scenario, tls: Tls | None = None) -> None:
    async def main() -> None:
        async with running(directory, tls) as (client, desk):
            await scenario(client, desk)

    asyncio.run(main())


SWITCH = {"selector": "rig-01", "workload": "llama", "reason": "a customer came", "for_s": 7200}


def test_an_order_from_the_wire_to_the_audit(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        answer = await client.post("/api/v1/switch", json=SWITCH)
        assert answer.status_code == 200
        assert answer.json()["hold_ids"] == ["hold-0001-1"]
        assert (await client.get("/api/v1/holds")).json()[0]["owner"] == "anna"
        assert (await client.get("/api/v1/events?limit=1")).json()[0]["actor"] == "anna"
        released = await client.post("/api/v1/release", json={"what": "hold-0001"})
        assert len(released.json()["holds"]) == 1
        held = await client.post("/api/v1/hold", json={"selector": "*", "reason": "night"})
        assert len(held.json()["hold_ids"]) == 2

    run(tmp_path, scenario)


def test_every_question_is_answered(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        desk.poke()
        answers = {
            path: (await client.get(f"/api/v1/{path}")).json()
            for path in (
                "status",
                "rigs",
                "groups?selector=site=lagos",
                "explain?target=rig-01/g0",
                "plan",
                "quotes",
                "doctor",
            )
        }
        assert answers["status"]["groups"] == 2
        assert [line["rig"] for line in answers["rigs"]] == ["rig-01", "rig-02"]
        assert answers["groups?selector=site=lagos"][0]["key"] == {"rig": "rig-02", "group": "g0"}
        [explained] = answers["explain?target=rig-01/g0"]
        assert explained["decision"]["options"][0]["net_usd_per_h"] == 2.0
        assert answers["plan"]["decisions"][1]["chosen"] == "llama"
        assert answers["quotes"][0]["state"] == "fresh"
        assert {"name": "link", "ok": True, "detail": "2 rigs"} in answers["doctor"]

    run(tmp_path, scenario)


@pytest.mark.parametrize("token", [None, "x" * 32, ANNA + "a", ANNA[:-1], "ä" * 32])
def test_nothing_under_api_is_told_without_a_token(tmp_path: Path, token: str | None) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        client.headers.pop("authorization")
        schema = (await client.get("/openapi.json")).json()
        paths = [
            (method, path)
            for path, methods in schema["paths"].items()
            for method in methods
            if path.startswith("/api")
        ]
        assert len(paths) == 12
        headers = {} if token is None else {b"authorization": f"Bearer {token}".encode()}
        for method, path in paths:
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "--token-file" in answer.json()["hint"]
        assert desk.store.holds() == []

    run(tmp_path, scenario)


def test_what_machines_ask_is_open(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        client.headers.pop("authorization")
        assert (await client.get("/healthz")).status_code == 200
        metrics = await client.get("/metrics", headers={"accept": "text/plain"})
        assert metrics.text == "# text/plain\n"
        assert metrics.headers["content-type"] == "text/plain; version=0.0.4"

    run(tmp_path, scenario)


def test_ready_means_store_link_and_a_plan(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        early = await client.get("/readyz")
        assert early.status_code == 503
        assert "plan: the first plan is not made yet" in early.json()["error"]
        desk.poke()
        assert (await client.get("/readyz")).status_code == 200

    run(tmp_path, scenario)


def test_service_discovery_lists_every_admitted_rig(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        assert (await client.get("/sd")).status_code == 503
        desk.poke()
        desk.store.put_rig(record("rig-03"))  # Never said hello: no address is known.
        desk.store.put_rig(replace(record("rig-04"), revoked=True))
        desk.urls["rig-04"] = "http://rig-04:9750/metrics"
        desk.urls["rig-02"] = "https://[::1]:9750/rigs/2"
        answer = await client.get("/sd")
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == [
            {
                "targets": ["rig-01.example:9750"],
                "labels": {
                    "rig": "rig-01",
                    "site": "oslo",
                    "rig_class": "rtx4090",
                    "__scheme__": "http",
                    "__metrics_path__": "/metrics",
                },
            },
            {
                "targets": ["[::1]:9750"],
                "labels": {
                    "rig": "rig-02",
                    "site": "lagos",
                    "rig_class": "rtx4090",
                    "__scheme__": "https",
                    "__metrics_path__": "/rigs/2",
                },
            },
        ]

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "switch", SWITCH | {"selector": "site=paris"}, 404, "site is one of"),
        ("POST", "switch", SWITCH | {"workload": "doge"}, 400, "do not offer 'doge'"),
        ("POST", "switch", SWITCH | {"for_s": 1}, 400, "body.for_s"),
        ("POST", "switch", SWITCH | {"for_days": 1}, 400, "body.for_days"),
        ("POST", "switch", {"selector": "*"}, 400, "body.reason"),
        ("POST", "release", {"what": "*"}, 404, "no hold stands"),
        ("GET", "groups?selector=colour=red", None, 404, "unknown key 'colour'"),
        ("GET", "events?limit=0", None, 400, "query.limit"),
        ("GET", "plan", None, 503, "no plan yet"),
        ("GET", "nothing", None, 404, "Not Found"),
        ("DELETE", "plan", None, 405, "Method Not Allowed"),
    ],
)
def test_errors_have_one_shape(
    tmp_path: Path, method: str, path: str, body: Any, status: int, words: str
) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        answer = await client.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "hint"}
        assert words in answer.json()["error"]
        assert answer.json()["hint"]

    run(tmp_path, scenario)


def test_another_operators_hold_is_a_conflict(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        await client.post("/api/v1/switch", json=SWITCH)
        bo = {"authorization": f"Bearer {BO}"}
        answer = await client.post("/api/v1/switch", json=SWITCH, headers=bo)
        assert answer.status_code == 409
        assert "already held, by anna" in answer.json()["error"]

    run(tmp_path, scenario)


@pytest.mark.parametrize("content", ["nan", '{"selector": ', "[]", "", '{"for_s": NaN}'])
def test_bad_json_is_told_so(tmp_path: Path, content: str) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        answer = await client.post(
            "/api/v1/switch", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("body")

    run(tmp_path, scenario)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_is_refused(tmp_path: Path, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 1024 + 1):
            yield b" " * 1024

    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        content = chunks() if chunked else b" " * (BODY_BYTES_MAX + 1)
        answer = await client.post("/api/v1/switch", content=content)
        assert answer.status_code == 413
        assert str(BODY_BYTES_MAX) in answer.json()["error"]

    run(tmp_path, scenario)


def test_a_full_store_is_a_503_that_says_what_to_do(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        store = desk.store
        assert isinstance(store, SqlStore)
        with store._engine.connect() as db:
            db.exec_driver_sql("PRAGMA max_page_count = 1")
        answers = [
            await client.post("/api/v1/switch", json=SWITCH | {"reason": "r" * 400})
            for _ in range(60)
        ]
        assert answers[-1].status_code == 503
        assert "no room left" in answers[-1].json()["error"]
        assert (await client.get("/healthz")).status_code == 200

    run(tmp_path, scenario)


def test_a_defect_is_a_500_without_its_insides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        monkeypatch.setattr(desk, "quotes", lambda: 1 / 0)
        answer = await client.get("/api/v1/quotes")
        assert answer.status_code == 500
        assert answer.json()["error"] == "the controller made a mistake (ZeroDivisionError)"

    run(tmp_path, scenario)


def certificate(directory: Path) -> Tls:
    tls = Tls(cert_file=directory / "cert.pem", key_file=directory / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(tls.key_file), "-out", str(tls.cert_file)),
        ],
        check=True,
        capture_output=True,
    )
    return tls


def test_it_speaks_tls(tmp_path: Path) -> None:
    async def scenario(client: httpx.AsyncClient, desk: SmallDesk) -> None:
        assert client.base_url.scheme == "https"
        assert (await client.get("/healthz")).status_code == 200

    run(tmp_path, scenario, certificate(tmp_path))


def refusal(host: str, port: int, tls: Tls | None = None) -> str:
    with pytest.raises(ServeError) as caught:
        asyncio.run(serve(FastAPI(), host, port, tls=tls))
    return str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "rigs.example"])
def test_other_hosts_want_tls(host: str) -> None:
    assert "TLS certificate and key, or serve on 127.0.0.1" in refusal(host, 0)


def test_unusable_tls_files_are_named(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    tls.key_file.write_text("no key")
    assert str(tls.key_file) in refusal("127.0.0.1", 0, tls)
    assert "missing.pem" in refusal("127.0.0.1", 0, replace(tls, cert_file=Path("missing.pem")))


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}" in refusal("127.0.0.1", port)


def test_an_address_of_someone_else_is_named(tmp_path: Path) -> None:
    assert "cannot listen on 192.0.2.1:0" in refusal("192.0.2.1", 0, certificate(tmp_path))


def test_tokens_are_read_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    token = auth.create(path, "anna")
    with path.open("a") as file:
        file.write(f"\n# the night shift\nbo@night: {BO}\n")
    tokens = auth.load(path)
    assert tokens.operator(token) == "anna"
    assert tokens.operator(BO) == "bo@night"
    assert tokens.operator("") is None
    with pytest.raises(ConfigError, match="cannot be made"):
        auth.create(path, "anna")


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (f"anna: {ANNA}\n", 0o644, "chmod 600"),
        ("anna: short\n", 0o600, "shorter than 32"),
        (f"anna: {ANNA}\nanna: {BO}\n", 0o600, ":2: write `operator: token`"),
        (ANNA, 0o600, ":1: write `operator: token`"),
        ("# nobody\n", 0o600, "no tokens"),
    ],
)
def test_a_token_file_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, mode: int, words: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=words):
        auth.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        auth.load(tmp_path / "missing")
