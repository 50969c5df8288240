"""What is asked of a Docker Engine, and what is made of its answers.

The engine is simulated, by the documents of its API (v1.41 and later): none runs in these tests.
What Podman answers for itself is tried on a real one in tests/contract/test_containers.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from agent.core.pins import Pins
from agent.drivers.containers.engine import Engine
from agent.drivers.containers.launcher import ContainerLauncher
from agent.drivers.registry import drivers
from agent.ports import DriverError, Pinned
from tests.parts.containers import contained

VERSION = {"Components": [{"Name": "Engine", "Version": "28.2.2"}, {"Name": "containerd"}]}
EVIL = "0x" + "bad" * 13 + "0"


class SimulatedDocker:
    """Answers by method and path, the query left out; what has no answer is not found."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, object]] = {"GET /version": (200, VERSION)}
        self.asked: list[tuple[str, object]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split(" ", 2)
        length = int(head.lower().partition("content-length:")[2].split()[0])
        body = await reader.readexactly(length)
        self.asked.append((f"{method} {target}", json.loads(body) if body else None))
        wanted = f"{method} {target.partition('?')[0]}"
        status, answer = self.answers.get(wanted, (404, {"message": "no such thing"}))
        lines = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        writer.write(b"HTTP/1.0 %d X\r\n\r\n" % status + lines)
        writer.close()

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[ContainerLauncher]:
        server = await asyncio.start_unix_server(self.serve, path)
        try:
            yield ContainerLauncher(Engine(path))
        finally:
            server.close()


def running() -> SimulatedDocker:
    docker = SimulatedDocker()
    docker.answers |= {
        "GET /containers/json": (200, [{"Id": "c1", "State": "running"}]),
        "GET /containers/c1/json": (200, {"Name": "/x", "State": {"Running": True, "Pid": 0}}),
    }
    return docker


def test_a_start_makes_the_container_in_dockers_own_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        docker = SimulatedDocker()
        docker.answers |= {
            "GET /containers/json": (200, [{"Id": "old", "State": "exited"}]),
            "DELETE /containers/old": (204, b""),
            "POST /containers/create": (201, {"Id": "c1", "Warnings": []}),
            "POST /containers/c1/start": (204, b""),
        }
        async with docker.serving(tmp_path / "s") as runs:
            await runs.start(contained("run"))
        verbs = [what.partition("?")[0] for what, _ in docker.asked]
        assert verbs[-3:] == [
            "GET /version",
            "POST /containers/create",
            "POST /containers/c1/start",
        ]
        assert "DELETE /containers/old" in verbs
        body = dict(docker.asked)["POST /containers/create?name=rigshift-g.w"]
        assert isinstance(body, dict)
        assert body["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] == ["GPU-a", "GPU-b"]

    asyncio.run(scenario())


def test_a_start_that_fails_leaves_no_container(tmp_path: Path) -> None:
    async def scenario() -> None:
        docker = SimulatedDocker()
        why = "could not select device driver nvidia with capabilities: [[gpu]]"
        docker.answers |= {
            "GET /containers/json": (200, []),
            "POST /containers/create": (201, {"Id": "c1"}),
            "POST /containers/c1/start": (500, {"message": why}),
            "DELETE /containers/c1": (204, b""),
        }
        async with docker.serving(tmp_path / "s") as runs:
            with pytest.raises(DriverError, match="could not select device driver nvidia"):
                await runs.start(contained("run"))
        assert docker.asked[-1][0].startswith("DELETE /containers/c1")

    asyncio.run(scenario())


def test_a_pull_that_docker_gives_up_is_told_in_its_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        docker = SimulatedDocker()
        lines = [{"status": "Pulling", "id": "1"}, {"error": "toomanyrequests: rate limit"}]
        text = b"\r\n".join(json.dumps(line).encode() for line in lines)
        docker.answers["POST /images/create"] = (200, text)
        async with docker.serving(tmp_path / "s") as runs:
            with pytest.raises(DriverError, match="toomanyrequests"):
                await runs.prepare(contained("run"))

    asyncio.run(scenario())


def test_command_lines_as_docker_tells_them_count(tmp_path: Path) -> None:
    """An agent without rights over the container's processes hears of them nowhere else."""

    async def scenario() -> None:
        docker = running()
        rows = [["7", "/program run"], ["9", f"/miner --user {EVIL}"]]
        top = {"Titles": ["PID", "COMMAND"], "Processes": rows}
        docker.answers["GET /containers/c1/top"] = (200, top)
        async with docker.serving(tmp_path / "s") as runs:
            driver = drivers(runs)["xmrig"]
            assert isinstance(driver, Pinned)
            pinned = replace(contained("run"), pins=Pins(wallets=("farm",)))
            (found,) = await driver.unapproved(pinned)
            assert found.where == "the arguments of a process in rigshift-g.w"

    asyncio.run(scenario())


def test_memory_that_ran_out_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        docker = running()
        state = {"Running": False, "ExitCode": 137, "OOMKilled": True, "Error": ""}
        docker.answers |= {
            "GET /containers/json": (200, [{"Id": "c1", "State": "exited"}]),
            "GET /containers/c1/json": (200, {"State": state}),
        }
        async with docker.serving(tmp_path / "s") as runs:
            assert await runs.exited(contained("run")) == "ended by SIGKILL (out of memory)"

    asyncio.run(scenario())


def test_a_state_that_nobody_knows_counts_as_running(tmp_path: Path) -> None:
    async def scenario() -> None:
        docker = SimulatedDocker()
        docker.answers["GET /containers/json"] = (200, [{"Id": "c1", "State": "hibernating"}])
        async with docker.serving(tmp_path / "s") as runs:
            assert await runs.alive(contained("run"))

    asyncio.run(scenario())
