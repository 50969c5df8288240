"""The virtual clock keeps what asyncio promises, and takes no time."""

from __future__ import annotations

import asyncio

import pytest

from tests.sim import clock


def test_sleeping_takes_virtual_time() -> None:
    async def scenario() -> float:
        await asyncio.sleep(86_400.0)
        return asyncio.get_running_loop().time()

    assert clock.run(scenario()) == 86_400.0


def test_timeouts_work_as_they_are() -> None:
    async def scenario() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await asyncio.sleep(5.0)
        return asyncio.get_running_loop().time()

    assert clock.run(scenario()) == 3.0


def test_timers_go_off_in_order_and_those_of_one_moment_as_they_were_set() -> None:
    seen: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.call_at(2.0, seen.append, "later")
        for name in "abcdefgh":
            loop.call_at(1.0, seen.append, name)
        loop.call_at(1.0, loop.call_soon, seen.append, "after them")
        await asyncio.sleep(2.5)

    clock.run(scenario())
    assert seen == [*"abcdefgh", "after them", "later"]


def test_a_cancelled_timer_stays_silent() -> None:
    seen: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, seen.append, "dropped").cancel()
        loop.call_later(1.0, seen.append, "kept")
        await asyncio.sleep(2.0)

    clock.run(scenario())
    assert seen == ["kept"]


def test_what_is_ready_goes_before_time_passes() -> None:
    async def scenario() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert clock.run(scenario()) == 0.0


def test_a_world_at_a_standstill_is_an_error() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(clock.DeadlockError):
        clock.run(scenario())


def test_a_cancelled_timer_does_not_keep_the_world_going() -> None:
    async def scenario() -> None:
        asyncio.get_running_loop().call_later(1.0, print).cancel()
        await asyncio.Event().wait()

    with pytest.raises(clock.DeadlockError):
        clock.run(scenario())


def test_what_is_left_running_is_cancelled() -> None:
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(3600.0)
        finally:
            ended.append("left")

    async def scenario() -> asyncio.Task[None]:
        task = asyncio.create_task(left())
        await asyncio.sleep(1.0)
        return task

    assert clock.run(scenario()).cancelled()
    assert ended == ["left"]
