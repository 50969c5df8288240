"""The rig's own checker: its exit code decides, and nothing of it outlives the check."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.drivers.checker import CommandChecker
from agent.gpu import procfs
from agent.ports import TuneError
from agent.settings import CheckerSettings
from tests.agent.looking import until

GPUS = ("GPU-a", "GPU-b")


def check(script: str, deadline_s: float = 20.0) -> None:
    settings = CheckerSettings(command=("sh", "-c", script, "{gpus}"), deadline_s=deadline_s)
    asyncio.run(CommandChecker(settings).check(GPUS))


def test_it_is_told_which_gpus_to_check() -> None:
    check('test "$0" = GPU-a,GPU-b && test "$CUDA_VISIBLE_DEVICES" = GPU-a,GPU-b')


def test_an_exit_code_is_told_with_the_last_line() -> None:
    with pytest.raises(TuneError) as caught:
        check("echo checking; echo 'GPU-b: 3 of 4096 sums are wrong' >&2; echo; exit 4")
    assert str(caught.value) == (
        "the GPU checker ended with exit code 4: GPU-b: 3 of 4096 sums are wrong"
    )


def test_a_crash_is_told() -> None:
    with pytest.raises(TuneError, match="the GPU checker ended by SIGSEGV"):
        check("kill -SEGV $$")


def test_one_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with pytest.raises(TuneError, match="was not done within 1 s"):
        check(f"sleep 600 & echo $! $$ > {pids}; wait", deadline_s=1.0)

    async def gone() -> None:
        for pid in map(int, pids.read_text().split()):
            await until(lambda pid=pid: procfs.started_ticks(pid) is None)  # type: ignore[misc]

    asyncio.run(gone())


def test_much_output_is_no_trouble() -> None:
    check("yes | head -c 3000000")


def test_a_program_that_there_is_not_is_told() -> None:
    missing = CommandChecker(CheckerSettings(command=("/no/such/program",)))
    with pytest.raises(TuneError, match="/no/such/program cannot be started"):
        asyncio.run(missing.check(GPUS))
