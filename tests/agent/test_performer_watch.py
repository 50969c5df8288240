"""A watch gives a workload its requests and tells how it ends, held out or not."""

from __future__ import annotations

import asyncio

from agent.core.effects import Watch
from agent.core.model import Event, Exited, HeldOut, Noted
from agent.core.workload import Workload
from agent.drivers.scripted import ScriptedDriver
from agent.drivers.scripted_world import ScriptedWorld
from agent.performer import HELD_OUT_S
from agent.ports import DriverError
from tests.agent.groups import group, performer, until, workload
from tests.sim.clock import run

ETC = workload("etc")


class Stubborn(ScriptedDriver):
    """A server that will not take work again."""

    async def undrain(self, workload: Workload) -> None:
        raise DriverError("/resume answers with status 500")


def watched(driver: type[ScriptedDriver] = ScriptedDriver) -> list[Event]:
    """What is told of a workload that runs long enough, and then crashes."""

    async def scenario() -> list[Event]:
        world, said = ScriptedWorld(), list[Event]()
        world.launch(ETC)
        hands = performer(group(ETC), world, driver=driver(world))
        watch = asyncio.create_task(hands.perform(Watch(9, "etc"), said.append))
        await asyncio.sleep(HELD_OUT_S + 1.0)
        world.crash(ETC.key)
        await watch
        return said

    return run(scenario())


def test_a_watch_tells_who_held_out_and_who_exited() -> None:
    assert watched() == [HeldOut(9), Exited(9, "crashed")]


def test_a_server_that_will_not_take_work_again_is_watched_all_the_same() -> None:
    said = watched(Stubborn)
    assert [event for event in said if not isinstance(event, Noted)] == [
        HeldOut(9), Exited(9, "crashed"),
    ]  # fmt: skip
    assert said[0] == Noted(
        9, "etc runs but gets no requests, tried again: /resume answers with status 500"
    )


def test_a_watch_that_is_over_says_nothing_more() -> None:
    async def scenario() -> list[Event]:
        world, said = ScriptedWorld(), list[Event]()
        world.launch(ETC)
        hands = performer(group(ETC), world)
        watch = asyncio.create_task(hands.perform(Watch(9, "etc"), said.append))
        await asyncio.sleep(1.0)
        watch.cancel()
        await until(watch.done)
        await asyncio.sleep(2 * HELD_OUT_S)
        return said

    assert run(scenario()) == []
