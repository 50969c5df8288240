"""What every transport promises, held against all three."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

import pytest

from tests.parts import mosquitto
from tests.parts.links import (
    Ground,
    MemoryGround,
    MqttGround,
    ZeroMqGround,
    down,
    meet,
    repeating,
    run,
    up,
)
from tests.parts.mosquitto import Mosquitto
from wire.transport import FRAME_BYTES_MAX

TESTS_MAX = 64


@pytest.fixture(scope="module")
def broker() -> Iterator[Mosquitto]:
    with mosquitto.running([f"rig-{number}" for number in range(2 * TESTS_MAX)]) as broker:
        yield broker


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def rigs(numbers: Iterator[int]) -> tuple[str, str]:
    """Two rigs that no other test uses: a broker remembers."""
    return f"rig-{next(numbers)}", f"rig-{next(numbers)}"


@pytest.fixture(params=["memory", "zeromq", "mqtt"])
def ground(request: pytest.FixtureRequest) -> Ground:
    match request.param:
        case "memory":
            return MemoryGround()
        case "zeromq":
            return ZeroMqGround()
        case _:
            return MqttGround(request.getfixturevalue("broker"))


@pytest.fixture(params=["memory", "mqtt"])
def keeper(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        return MemoryGround()
    return MqttGround(request.getfixturevalue("broker"))


def test_frames_travel_both_ways_and_name_their_rig(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        async with ground:
            fleet = await ground.fleet()
            for rig in rigs:
                agent = await ground.agent(rig)
                await up(agent, fleet, rig, f"from {rig}".encode())
                await down(fleet, agent, rig, f"to {rig}".encode())

    run(scenario())


def test_a_rig_never_sees_anothers_frames(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        async with ground:
            fleet = await ground.fleet()
            one, other = [await ground.agent(rig) for rig in rigs]
            for agent, rig in zip((one, other), rigs, strict=True):
                await meet(fleet, agent, rig)
            for _ in range(20):
                await fleet.send(rigs[0], b"secret of one")
            assert b"secret of one" not in await down(fleet, other, rigs[1], b"end")
            assert b"secret of one" in await down(fleet, one, rigs[0], b"end")

    run(scenario())


def test_frames_arrive_as_they_were_sent(ground: Ground, rigs: tuple[str, str]) -> None:
    rng = random.Random(1)
    sizes = [1, 254, 255, 256, 65_535, 65_536, FRAME_BYTES_MAX, *rng.choices(range(5_000), k=60)]
    frames = [rng.randbytes(size) for size in sizes]

    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            for frame in frames:
                strangers = {received.frame for received in await up(agent, fleet, rig, frame)}
                assert strangers <= {b"meet up", *frames}
                assert {*await down(fleet, agent, rig, frame)} <= {b"meet down", *frames}

    run(scenario())


def test_a_rig_that_comes_back_gets_orders_on_its_new_link(
    ground: Ground, rigs: tuple[str, str]
) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet = await ground.fleet()
            for _ in range(3):
                agent = await ground.agent(rig)
                await meet(fleet, agent, rig)
                await agent.close()

    run(scenario())


def test_a_restarted_controller_is_found_again(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            await fleet.close()
            await agent.send(b"into the void")
            fleet = await ground.fleet()
            await meet(fleet, agent, rig)

    run(scenario())


def test_an_agent_may_be_there_before_the_controller(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            await (await ground.fleet()).close()
            agent = await ground.agent(rig)
            await agent.send(b"nobody hears")
            await meet(await ground.fleet(), agent, rig)

    run(scenario())


def test_too_long_frames_are_dropped_without_harm(ground: Ground, rigs: tuple[str, str]) -> None:
    too_long = bytes(FRAME_BYTES_MAX + 1)

    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            await agent.send(too_long)
            await fleet.send(rig, too_long)
            await fleet.send(rig, too_long, keep_s=60.0)
            assert too_long not in [
                received.frame for received in await up(agent, fleet, rig, b"later")
            ]
            assert too_long not in await down(fleet, agent, rig, b"later")

    run(scenario())


def test_a_cancelled_receive_loses_nothing(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            waiting = [asyncio.ensure_future(agent.receive()) for _ in range(2)]
            await asyncio.sleep(0)
            for receiver in waiting:
                receiver.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await down(fleet, agent, rig, b"still here")

    run(scenario())


def test_closing_twice_and_sending_afterwards_is_harmless(
    ground: Ground, rigs: tuple[str, str]
) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            for _ in range(2):
                await agent.close()
                await agent.send(b"too late")
            for _ in range(2):
                await fleet.close()
                await fleet.send(rig, b"too late")

    run(scenario())


@pytest.mark.parametrize("stranger", ["nobody", "", "+", "#", "a/b", "rig-0/../rig-1"])
def test_frames_to_an_unknown_rig_are_dropped(
    ground: Ground, rigs: tuple[str, str], stranger: str
) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            await fleet.send(stranger, b"lost")
            await fleet.send(stranger, b"lost", keep_s=60.0)
            assert b"lost" not in await down(fleet, agent, rig, b"found")

    run(scenario())


def test_a_frame_to_keep_reaches_a_rig_that_is_there(ground: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig = rigs[0]
        async with ground:
            fleet, agent = await ground.fleet(), await ground.agent(rig)
            await meet(fleet, agent, rig)
            async with repeating(lambda: fleet.send(rig, b"kept", keep_s=60.0)):
                while await agent.receive() != b"kept":
                    pass

    run(scenario())


def test_the_newest_kept_frame_awaits_a_rig_that_is_away(
    keeper: Ground, rigs: tuple[str, str]
) -> None:
    async def scenario() -> None:
        rig, witness_rig = rigs
        async with keeper:
            fleet, witness = await keeper.fleet(), await keeper.agent(witness_rig)
            await meet(fleet, witness, witness_rig)
            await fleet.send(rig, b"older", keep_s=60.0)
            await fleet.send(rig, b"newer", keep_s=60.0)
            # What a broker handed to the witness, it got after the frames above.
            await down(fleet, witness, witness_rig, b"now")
            agent = await keeper.agent(rig)
            assert await agent.receive() == b"newer"
            await agent.close()
            assert await (await keeper.agent(rig)).receive() == b"newer"

    run(scenario())


def test_a_kept_frame_is_forgotten_in_time(keeper: Ground, rigs: tuple[str, str]) -> None:
    async def scenario() -> None:
        rig, witness_rig = rigs
        async with keeper:
            fleet, witness = await keeper.fleet(), await keeper.agent(witness_rig)
            await meet(fleet, witness, witness_rig)
            await fleet.send(rig, b"kept", keep_s=1.0)
            await down(fleet, witness, witness_rig, b"now")
            visits = 0
            forgotten = False
            while not forgotten:
                agent = await keeper.agent(rig)
                forgotten = b"kept" not in await down(fleet, agent, rig, b"end of visit")
                await agent.close()
                visits += 1
            assert visits > 1

    run(scenario())
