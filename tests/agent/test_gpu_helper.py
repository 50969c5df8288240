"""The root helper as a process with its socket, as systemd starts it; who may ask is up to root."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.gpu.tuning import pipe
from agent.gpu.tuning.helper_link import HelperLink
from agent.gpu.tuning.tuner import ProfileTuner
from agent.helper.__main__ import main
from agent.helper.peer import peer
from agent.ports import TuneError
from tests.agent.looking import until
from tests.agent.tuning import KAWPOW, NEUTRAL, ONE, TWO, profiles_file, set_on
from tests.fakenvml.library import FakeDriver

START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "agent.helper", *sys.argv[2:]])
"""
"""systemd's way to hand over a socket."""


@asynccontextmanager
async def helper(folder: Path, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", START, str(listening.fileno())),
            *("--profiles", str(profiles_file(folder))),
            *("--group", grp.getgrgid(os.getgid()).gr_name, *more),
            pass_fds=(listening.fileno(),),
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def link(folder: Path) -> HelperLink:
    return HelperLink(folder / "socket")


async def said(folder: Path, line: bytes) -> bytes:
    """What the helper answers to raw bytes."""
    reader, writer = await asyncio.open_unix_connection(folder / "socket")
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_sets_profiles_for_the_agent(driver: FakeDriver, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with helper(tmp_path):
            tuner = ProfileTuner(link(tmp_path).perform)
            await tuner.apply((ONE, TWO), "kawpow")
            assert set_on(driver, 0) == set_on(driver, 1) == KAWPOW
            await tuner.derate((ONE,), "kawpow", 1)
            assert set_on(driver) == KAWPOW | {"limit": 198_000}
            with pytest.raises(TuneError, match="out of bounds"):
                await tuner.apply((ONE,), "hungry")
            await tuner.neutral((ONE,))
            assert set_on(driver) == NEUTRAL

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1\n",
        b'{"type":"Apply","gpus":["GPU-fake-00"],"profile":"eco","power_limit_w":900}\n',
        b'{"type":"Apply","gpus":["GPU-fake-00"],"profile":"../../etc/shadow"}\n',
        b'{"type":"Apply","gpus":["GPU-fake-00"],"profile":{"power_limit_w":900}}\n',
        b'{"type":"Apply","gpus":["GPU-x\\n"],"profile":"eco"}\n',
        b'{"type":"Apply","gpus":[],"profile":"eco"}\n',
        b'{"type":"Derate","gpus":["GPU-fake-00"],"profile":"eco","step":-3}\n',
        b'{"type":"Derate","gpus":["GPU-fake-00"],"profile":"eco","step":10}\n',
        b'{"type":"Derate","gpus":["GPU-fake-00"],"profile":"eco","step":0.5}\n',
        b'{"type":"Run","command":"id"}\n',
        b'{"type":"Neutral","gpus":["' + b"G" * 100_000 + b'"]}\n',
    ],
)
def test_what_is_no_request_gets_no_answer_and_sets_nothing(
    driver: FakeDriver, tmp_path: Path, line: bytes
) -> None:
    async def scenario() -> None:
        async with helper(tmp_path):
            with contextlib.suppress(ConnectionError):
                assert await said(tmp_path, line) == b""
            assert set_on(driver) == {}
            await link(tmp_path).perform(pipe.Neutral((ONE,)))

    asyncio.run(scenario())


def test_who_hangs_up_gets_nothing_set_and_spoils_nothing(
    driver: FakeDriver, tmp_path: Path
) -> None:
    driver.does("hang nvmlDeviceSetPowerManagementLimit 0 1")

    async def scenario() -> None:
        async with helper(tmp_path):
            asked = asyncio.create_task(link(tmp_path).perform(pipe.Apply((ONE,), "kawpow")))
            await until(lambda: set_on(driver) == {"compute_mode": 3})
            asked.cancel()
            await asyncio.wait([asked])
            driver.does()
            await link(tmp_path).perform(pipe.Neutral((ONE,)))
            assert set_on(driver).get("limit", 300_000) == 300_000

    asyncio.run(scenario())


def test_ends_when_nobody_asks_for_a_while(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with helper(tmp_path, "--idle-s", "0.2") as process:
            async with asyncio.timeout(60):
                assert await process.wait() == 0
            with pytest.raises(TuneError, match="nobody listens at"):
                await link(tmp_path).perform(pipe.Neutral((ONE,)))

    asyncio.run(scenario())


def test_an_agent_that_cannot_reach_it_is_told_how_to(tmp_path: Path) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        writer.write(b"no idea\n" if b"Apply" in line else b"")
        writer.close()

    async def scenario() -> None:
        with pytest.raises(TuneError, match="nobody listens at"):
            await link(tmp_path).perform(pipe.Neutral((ONE,)))
        async with await asyncio.start_unix_server(rude, tmp_path / "socket"):
            with pytest.raises(TuneError, match="hung up; read `journalctl"):
                await link(tmp_path).perform(pipe.Neutral((ONE,)))
            with pytest.raises(TuneError, match="gave no answer but b'no idea"):
                await link(tmp_path).perform(pipe.Apply((ONE,), "eco"))

    asyncio.run(scenario())


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "socket"))
            listening.listen()
            with pytest.raises(TuneError, match="no answer within"):
                await HelperLink(tmp_path / "socket", 0.2).perform(pipe.Neutral((ONE,)))

    asyncio.run(scenario())


def test_an_answer_that_leaves_a_gpu_out_proves_nothing_of_it() -> None:
    async def forgetful(request: pipe.Request) -> pipe.Done:
        return pipe.Done({ONE: {}})

    with pytest.raises(TuneError, match=f"{TWO}: nothing was read back"):
        asyncio.run(ProfileTuner(forgetful).neutral((ONE, TWO)))


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        found = peer(here)
    assert (found.pid, found.uid) == (os.getpid(), os.getuid())
    assert found.groups >= {os.getgid(), *os.getgroups()}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [([], "has no socket; run `systemctl enable"), (["--group", "no-such-group"], "no socket")],
)
def test_without_a_socket_there_is_nothing_to_do(
    capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(arguments) == 2
    assert reason in capsys.readouterr().err
