"""Collectors that babble, crash or cannot be killed; the process is the edge that is faked."""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import pytest

from agent.gpu import pipe
from agent.gpu.child import Limits, Spawn
from agent.gpu.pipe import Avoided
from tests.agent.looking import PATIENCE_S, looking, until


def spawn_python(program: str) -> Spawn:
    async def spawn(_: tuple[Avoided, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=pipe.LINE_BYTES_MAX,
        )

    return spawn


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("print('hello', flush=True); input()", "what is no message"),
        ("print('x' * (9 << 20), flush=True); input()", "a line over"),
        ("raise SystemExit(3)", "collector ended"),
        ("input()", "collector silent"),
    ],
)
def test_a_useless_collector_is_replaced_and_its_fault_named(program: str, reason: str) -> None:
    async def scenario() -> None:
        limits = Limits(retry_s=0.01, silence_s=1.0)
        async with looking(spawn=spawn_python(program), limits=limits) as telemetry:
            await until(lambda: telemetry.health().restarts >= 2)
            assert reason in telemetry.latest().reason

    asyncio.run(scenario())


def test_a_collector_that_cannot_be_started_is_told() -> None:
    async def spawn(_: tuple[Avoided, ...]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec("/nonexistent/python")

    async def scenario() -> None:
        async with looking(spawn=spawn) as telemetry, asyncio.timeout(PATIENCE_S):
            await telemetry.settled.wait()
            assert "cannot be started" in telemetry.latest().reason

    asyncio.run(scenario())


class Undying:
    """Stands for a process that the driver holds in the kernel: KILL does not end it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin = object()
        self.stdout = asyncio.StreamReader()
        self.stdout.feed_data(pipe.encode(pipe.Stuck("nvmlDeviceGetPowerUsage", 99.0)))
        self.kills = 0

    def kill(self) -> None:
        self.kills += 1

    async def communicate(self) -> None:
        await asyncio.Event().wait()


def test_collectors_that_cannot_be_killed_are_bounded_and_told() -> None:
    started: list[Undying] = []

    async def spawn(_: tuple[Avoided, ...]) -> asyncio.subprocess.Process:
        started.append(Undying(pid=100 + len(started)))
        return cast("asyncio.subprocess.Process", started[-1])

    async def scenario() -> None:
        limits = Limits(kill_s=0.01, retry_s=0.01, abandoned_max=2)
        async with looking(spawn=spawn, limits=limits) as telemetry:
            await until(lambda: telemetry.health().abandoned == 2)
            assert "collectors 100, 101 hang" in telemetry.latest().reason
            assert "reboot the rig" in telemetry.latest().reason
            assert [process.kills for process in started] == [1, 1]
            started[0].returncode = -9
            await until(lambda: len(started) == 3)
            await until(lambda: telemetry.health().abandoned == 2)
            assert "collectors 101, 102 hang" in telemetry.latest().reason

    asyncio.run(scenario())
