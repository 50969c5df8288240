"""What is run for its answer: whatever happens to who waits for it, nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from agent.drivers import errand, proc
from agent.gpu import procfs
from tests.agent.looking import until


def shell(tmp_path: Path, end: str) -> tuple[str, ...]:
    """A shell with a child; both write their ids down."""
    fresh, ids = tmp_path / "new", tmp_path / "ids"
    return ("sh", "-c", f"(sleep 600; :) & echo $! $$ > {fresh}; mv {fresh} {ids}; {end}")


def pids(tmp_path: Path) -> list[int]:
    return [int(pid) for pid in (tmp_path / "ids").read_text().split()]


def runs(pid: int) -> bool:
    return procfs.started_ticks(pid) is not None


def marked(tmp_path: Path) -> list[int]:
    """Processes whose command names the test's folder."""
    return [
        pid
        for pid in proc.snapshot()
        if runs(pid) and str(tmp_path) in " ".join(proc.arguments(pid))
    ]


async def gone(tmp_path: Path) -> None:
    for pid in pids(tmp_path):
        await until(lambda pid=pid: not runs(pid))  # type: ignore[misc]


def test_its_children_end_with_it_though_it_ended_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with errand.running(shell(tmp_path, "exit 3")) as process:
            assert await process.wait() == 3
        await gone(tmp_path)

    asyncio.run(scenario())


def test_what_it_leaves_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with errand.running(shell(tmp_path, "exit 0"), leaves=True) as process:
            await process.wait()
        left = pids(tmp_path)[0]
        assert runs(left)
        os.kill(left, signal.SIGKILL)

    asyncio.run(scenario())


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with errand.running(shell(tmp_path, "wait"), leaves=True):
            await until((tmp_path / "ids").exists)
        await gone(tmp_path)

    asyncio.run(scenario())


def test_a_start_that_is_cut_off_at_any_moment_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(turns: int) -> None:
        async def wait() -> None:
            async with errand.running(shell(tmp_path, "wait")) as process:
                await process.wait()

        task = asyncio.create_task(wait())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await until(lambda: not marked(tmp_path))

    for turns in range(12):
        asyncio.run(scenario(turns))


def test_a_program_that_there_is_not_is_told() -> None:
    async def scenario() -> None:
        async with errand.running(("/no/such/program",)):
            raise AssertionError("it started")

    with pytest.raises(FileNotFoundError):
        asyncio.run(scenario())


def test_the_tail_is_the_end_of_all_that_was_written() -> None:
    async def scenario() -> bytes:
        async with errand.running(("seq", "100000"), stdout=errand.PIPE) as process:
            return await errand.tail(process.stdout, 7)

    assert asyncio.run(scenario()) == b"100000\n"
