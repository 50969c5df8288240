"""The hooks that tell a load balancer: real calls, commands and files, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest

from agent.core.route import Hook, HttpCall, Route
from agent.core.workload import Workload
from agent.demo.http_server import HttpServer, Reply, Request
from agent.drivers.routes import HookRouter
from agent.ports import RouteError
from tests.parts.apis import Api
from tests.parts.programs import free_port, swept, until
from wire.model import Kind

ANY = Hook(command=("/bin/true",))


def routed(close: Hook, open_: Hook = ANY, *, timeout_s: float = 30.0) -> Workload:
    return Workload(
        name="llm",
        kind=Kind.INFERENCE,
        driver="vllm",
        group="g",
        route=Route(close=close, open=open_, timeout_s=timeout_s),
    )


def fault(act: Awaitable[None]) -> str:
    """Why it could not be done; empty when it could."""

    async def scenario() -> str:
        try:
            await act
        except RouteError as error:
            return str(error)
        return ""

    return asyncio.run(scenario())


def called(api: Api, path: str = "/servers/rig-1?set=drain", **call: str) -> str:
    """Close a route by a call to `api`; why it failed."""

    async def scenario() -> str:
        server = HttpServer(api.answer)
        port = await server.listen(0)
        hook = Hook(http=HttpCall(url=f"http://127.0.0.1:{port}{path}", **call))
        try:
            await HookRouter().close(routed(hook))
        except RouteError as error:
            return str(error).replace(f":{port}", "")
        finally:
            await server.close()
        return ""

    return asyncio.run(scenario())


# Calls.


def test_a_call_says_all_that_it_was_given(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    api = Api({"PUT /servers/rig-1": [Reply(204)]})
    assert called(api, method="PUT", body='{"w": 0}', token_file=str(token)) == ""
    request = api.asked[0]
    assert request.query == {"set": "drain"}
    assert request.body == b'{"w": 0}'
    assert request.headers["authorization"] == "Bearer s3cret"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(500, b"no such server"), "status 500: no such server"),
        (Reply(302), "status 302"),
        (Reply(401), "status 401"),
    ],
)
def test_only_success_confirms_a_call(reply: Reply, why: str) -> None:
    said = called(Api({"POST /servers/rig-1": [reply]}))
    where = "POST http://127.0.0.1/servers/rig-1?set=drain"
    assert said == f"its route could not be closed: {where}: {why}"


def test_a_balancer_that_is_away_or_silent_is_named() -> None:
    gone = Hook(http=HttpCall(url=f"http://127.0.0.1:{free_port()}/"))
    assert fault(HookRouter().close(routed(gone))).endswith("nothing listens there")

    async def scenario() -> None:
        over = asyncio.Event()

        async def hang(_request: Request) -> Reply:
            await over.wait()
            return Reply(200)

        server = HttpServer(hang)
        port = await server.listen(0)
        slow = Hook(http=HttpCall(url=f"http://127.0.0.1:{port}/"))
        with pytest.raises(RouteError, match=r"no answer within 0\.05 s"):
            await HookRouter().close(routed(slow, timeout_s=0.05))
        over.set()
        await server.close()

    asyncio.run(scenario())


def test_a_call_over_tls_wants_a_certificate_that_is_trusted() -> None:
    async def scenario() -> None:
        server = HttpServer(Api({}).answer)
        port = await server.listen(0)
        plain = Hook(http=HttpCall(url=f"https://127.0.0.1:{port}/"))
        with pytest.raises(RouteError, match="the connection failed"):
            await HookRouter().close(routed(plain))
        await server.close()

    asyncio.run(scenario())


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    token.chmod(0o644)
    hook = Hook(http=HttpCall(url="http://127.0.0.1:1/", token_file=str(token)))
    for act in (HookRouter().close, HookRouter().check):
        assert f"run `chmod 600 {token}`" in fault(act(routed(hook)))
    gone = Hook(http=HttpCall(url="http://127.0.0.1:1/", token_file=str(tmp_path / "none")))
    assert "cannot be read" in fault(HookRouter().check(routed(gone)))
    no_ca = Hook(http=HttpCall(url="https://127.0.0.1:1/", ca_file=str(tmp_path / "none")))
    assert "ca_file" in fault(HookRouter().check(routed(no_ca)))


# Commands.


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/bin/sh", "-c", "exit 0"), ""),
        (("/bin/sh", "-c", "echo first >&2; echo no backend >&2; exit 3"), "code 3: no backend"),
        (("/bin/false",), "/bin/false ended with code 1"),
        (("/opt/absent/lb",), "/opt/absent/lb cannot be run: No such file or directory"),
    ],
)
def test_exit_code_0_confirms_a_command(command: tuple[str, ...], why: str) -> None:
    said = fault(HookRouter().close(routed(Hook(command=command))))
    assert said.endswith(why)
    assert bool(said) == bool(why)


def test_a_command_that_hangs_ends_with_all_it_started(tmp_path: Path) -> None:
    code = f"sleep 1000 & : > {tmp_path}/there; wait"
    hook = Hook(command=("/bin/sh", "-c", code))
    with swept(tmp_path):
        said = fault(HookRouter().close(routed(hook, timeout_s=0.5)))
        assert said == "its route could not be closed: /bin/sh took more than 0.5 s"


# Files.


def test_a_file_is_there_while_the_route_is_open(tmp_path: Path) -> None:
    up = tmp_path / "up"
    workload = routed(Hook(remove=str(up)), Hook(create=str(up)))
    router = HookRouter()
    for _ in range(2):
        assert fault(router.open(workload)) == ""
        assert up.exists()
        assert fault(HookRouter().open(workload)) == "", "again, by the next agent"
    for _ in range(2):
        assert fault(HookRouter().close(workload)) == ""
        assert not up.exists()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    lost = str(tmp_path / "none" / "up")
    workload = routed(Hook(create=lost))
    assert fault(HookRouter().close(workload)).endswith(f"{lost}: No such file or directory")
    assert "is missing or may not be written" in fault(HookRouter().check(workload))


# All of them.


def test_what_can_be_used_is_found_without_using_it(tmp_path: Path) -> None:
    up = tmp_path / "up"
    workload = routed(Hook(create=str(up)), Hook(command=("/bin/false",)))
    assert fault(HookRouter().check(workload)) == ""
    assert not up.exists()
    absent = routed(ANY, Hook(command=("/opt/absent/lb",)))
    assert "g.llm: `route.open`: program /opt/absent/lb" in fault(HookRouter().check(absent))


def test_without_a_route_there_is_nothing_to_do() -> None:
    bare = Workload(name="llm", kind=Kind.INFERENCE, driver="vllm", group="g")
    router = HookRouter()
    for act in (router.check, router.close, router.open):
        assert fault(act(bare)) == ""


def test_an_open_that_nobody_waits_for_any_more_does_not_undo_a_close(tmp_path: Path) -> None:
    go, up = tmp_path / "go", tmp_path / "up"
    slow = f": > {tmp_path}/began; while [ ! -e {go} ]; do sleep 0.01; done; : > {up}"
    workload = routed(Hook(remove=str(up)), Hook(command=("/bin/sh", "-c", slow)))

    async def scenario() -> None:
        router = HookRouter()
        opening = asyncio.create_task(router.open(workload))
        await until((tmp_path / "began").exists)
        opening.cancel()
        await asyncio.wait([opening])
        closing = asyncio.create_task(router.close(workload))
        await asyncio.sleep(0)
        assert not closing.done()
        go.touch()
        await closing
        assert not up.exists()

    asyncio.run(scenario())


def test_a_turn_that_never_came_is_not_taken_later(tmp_path: Path) -> None:
    go, up = tmp_path / "go", tmp_path / "up"
    slow = f": > {tmp_path}/began; while [ ! -e {go} ]; do sleep 0.01; done"
    workload = routed(Hook(command=("/bin/sh", "-c", slow)), Hook(create=str(up)))

    async def scenario() -> None:
        router = HookRouter()
        closing = asyncio.create_task(router.close(workload))
        await until((tmp_path / "began").exists)
        opening = asyncio.create_task(router.open(workload))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
        go.touch()
        await closing
        assert not up.exists()

    asyncio.run(scenario())
