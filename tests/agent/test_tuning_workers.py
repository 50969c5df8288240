"""Workers that hang, die or babble: each ends as an error, and none spoils the next request."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from agent.gpu import procfs
from agent.gpu.tuning import pipe
from agent.gpu.tuning.workers import Limits, Workers
from agent.ports import TuneError
from tests.agent.looking import until
from tests.agent.tuning import NEUTRAL, ONE, TWO, profiles_file, refusal, set_on, tuner, workers
from tests.fakenvml.library import FakeDriver

HANGS = "hang nvmlDeviceSetPowerManagementLimit 0 1"


def test_a_hung_call_is_named_and_the_next_request_is_served(
    driver: FakeDriver, tmp_path: Path
) -> None:
    hands = tuner(profiles_file(tmp_path), work_s=1.5)
    driver.does(HANGS)
    assert refusal(hands, "eco") == (
        f"nvmlDeviceSetPowerManagementLimit of {ONE} did not come back within 1.5 s"
    )
    driver.does()
    asyncio.run(hands.neutral((ONE,)))
    assert set_on(driver) == {key: NEUTRAL[key] for key in ("sm_lock", "memory_lock")}


def test_a_hang_on_one_gpu_holds_up_no_other(driver: FakeDriver, tmp_path: Path) -> None:
    driver.does(HANGS)

    async def scenario() -> None:
        bench = workers(profiles_file(tmp_path))
        hung = asyncio.create_task(bench.perform(pipe.Apply((ONE,), "eco")))
        await until(lambda: "sm_lock" in set_on(driver, 0) or not hung.done())
        done = await bench.perform(pipe.Apply((TWO,), "eco"))
        assert done.shown[TWO]["power_limit_w"] == "200"
        assert not hung.done()
        hung.cancel()
        await asyncio.wait([hung])

    asyncio.run(scenario())


def test_who_gives_up_gets_nothing_set_afterwards(driver: FakeDriver, tmp_path: Path) -> None:
    driver.does(HANGS)

    async def scenario() -> None:
        bench = workers(profiles_file(tmp_path))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await bench.perform(pipe.Apply((ONE,), "eco"))
        # Killed, not waited for: the same GPU is free again at once.
        driver.does()
        await bench.perform(pipe.Neutral((ONE,)))
        assert not bench.stuck

    asyncio.run(scenario())
    assert "limit" not in set_on(driver)


def test_requests_for_one_gpu_are_carried_out_one_after_the_other(
    driver: FakeDriver, tmp_path: Path
) -> None:
    async def scenario() -> None:
        bench = workers(profiles_file(tmp_path))
        profiles = ("kawpow", "neutral", "eco")
        await asyncio.gather(*(bench.perform(pipe.Apply((ONE, TWO), name)) for name in profiles))

    asyncio.run(scenario())
    assert set_on(driver, 0) == set_on(driver, 1) == NEUTRAL | {"limit": 200_000}


def workers_that(script: str, **limits: float) -> Workers:
    """Workers that run this instead."""

    async def spawn() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", script,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip

    return Workers(spawn, Limits(**limits))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("", "ended without an answer"),
        ("print('GPUs are fine')", "ended without an answer"),
        ("""print('{"type":"Done"}')""", "ended without an answer"),
        ("import time; time.sleep(600)", "gave no answer within 1 s"),
        ("print('x' * 200_000)", "ended without an answer"),
    ],
)
def test_a_worker_without_an_answer_is_an_error(script: str, reason: str) -> None:
    with pytest.raises(TuneError, match=reason):
        asyncio.run(workers_that(script, answer_s=1.0).perform(pipe.Neutral((ONE,))))


def test_a_worker_that_cannot_be_started_is_an_error() -> None:
    async def spawn() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec("/no/such/python")

    with pytest.raises(TuneError, match="cannot be started"):
        asyncio.run(Workers(spawn).perform(pipe.Neutral((ONE,))))


def test_a_worker_that_cannot_be_killed_closes_its_gpu_and_no_other() -> None:
    """No test can hold a process in the kernel; one that a kill does not reach stands for it."""

    class Undead:
        """As `asyncio.subprocess.Process`, but KILL is lost on the way."""

        def __init__(self, process: asyncio.subprocess.Process) -> None:
            self.process, self.stdin, self.stdout = process, process.stdin, process.stdout

        pid = property(lambda self: self.process.pid)
        returncode = property(lambda self: self.process.returncode)

        def kill(self) -> None:
            """Lost."""

        async def communicate(self) -> None:
            await self.process.wait()

    hung: list[Undead] = []

    async def spawn() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *("sleep", "600"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        hung.append(Undead(process))
        return hung[-1]  # type: ignore[return-value]

    async def scenario() -> None:
        bench = Workers(spawn, Limits(answer_s=0.1, kill_s=0.1))
        with pytest.raises(TuneError, match="gave no answer"):
            await bench.perform(pipe.Neutral((ONE,)))
        assert bench.stuck
        with pytest.raises(TuneError, match=f"process {hung[0].pid} hangs in its driver"):
            await bench.perform(pipe.Neutral((ONE,)))
        with pytest.raises(TuneError, match="gave no answer"):
            await bench.perform(pipe.Neutral((TWO,)))
        for one in hung:
            one.process.kill()
            await one.process.communicate()
        with pytest.raises(TuneError, match="gave no answer"):
            await bench.perform(pipe.Neutral((ONE,)))
        hung[-1].process.kill()
        await hung[-1].process.communicate()

    asyncio.run(scenario())


def test_a_worker_ends_with_whoever_asked(driver: FakeDriver, tmp_path: Path) -> None:
    """An asker that was killed cannot kill; its last worker must not tune later on."""
    driver.does(HANGS)
    file = profiles_file(tmp_path)
    script = (
        "import asyncio, sys\n"
        "from agent.gpu.tuning import pipe\n"
        "from agent.gpu.tuning.pipe import Options\n"
        "from agent.gpu.tuning.workers import Workers, spawn_of\n"
        f"spawn = spawn_of(Options({str(file)!r}))\n"
        "async def told():\n"
        "    process = await spawn()\n"
        "    print(process.pid, flush=True)\n"
        "    return process\n"
        f"asyncio.run(Workers(told).perform(pipe.Apply(({ONE!r},), 'eco')))\n"
    )

    async def scenario() -> None:
        asker = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
        )
        assert asker.stdout is not None
        worker = int(await asker.stdout.readline())
        asker.kill()
        await asker.wait()
        await until(lambda: procfs.started_ticks(worker) is None)

    asyncio.run(scenario())
    assert "limit" not in set_on(driver)
