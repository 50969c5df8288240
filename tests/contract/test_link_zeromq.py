"""What only ZeroMQ has to prove: who may talk at all, and as whom."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import zmq

from tests.parts.links import ZeroMqGround, down, meet, repeating, run, up
from wire import zeromq
from wire.transport import FRAME_BYTES_MAX, LinkError


def nobody(public_key: str) -> None:
    """The controller of an empty farm."""


@asynccontextmanager
async def raw_dealer(
    ground: ZeroMqGround, pair: zeromq.KeyPair, routing_id: bytes = b""
) -> AsyncIterator[zmq.Socket[bytes]]:
    """A hostile agent: libzmq without our limits."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.CURVE_SERVERKEY, ground.server.public.encode())
    socket.setsockopt(zmq.CURVE_PUBLICKEY, pair.public.encode())
    socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret.encode())
    if routing_id:
        socket.setsockopt(zmq.ROUTING_ID, routing_id)
    socket.connect(ground.endpoint)
    try:
        yield socket
    finally:
        context.destroy(linger=0)


def test_a_stranger_is_deaf_and_mute_until_enrolled() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("known")
            await meet(fleet, agent, "known")
            pair = zeromq.generate_keys()
            stranger = await ground.agent_with(pair)
            heard = asyncio.ensure_future(stranger.receive())
            async with repeating(lambda: stranger.send(b"let me in")):
                await ground.asked(pair.public)
                assert b"let me in" not in {
                    received.frame for received in await up(agent, fleet, "known", b"end")
                }
                await fleet.send("stranger", b"secret")
                await down(fleet, agent, "known", b"end")
                assert not heard.done()
                ground.rigs[pair.public] = "stranger"
                while (await fleet.receive()).rig != "stranger":
                    pass
            await fleet.send("stranger", b"welcome")
            assert await heard == b"welcome"

    run(scenario())


def test_an_agent_does_not_talk_to_another_server() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("rig")
            await meet(fleet, agent, "rig")
            direct = ground.endpoint
            async with relay(direct) as (relayed, connections):
                ground.endpoint = relayed
                real, ground.server = ground.server, zeromq.generate_keys()
                misled = await ground.agent_with(ground.keys("rig"))
                heard = asyncio.ensure_future(misled.receive())
                async with repeating(lambda: misled.send(b"to a false server")):
                    for _ in range(3):
                        await connections.get()
                    others = await up(agent, fleet, "rig", b"to the real one")
                    assert b"to a false server" not in {received.frame for received in others}
                    await down(fleet, agent, "rig", b"answer")
                    assert not heard.done()
                # The way is open: only the pinned key kept the agent from walking it.
                ground.server = real
                await meet(fleet, await ground.agent_with(ground.keys("rig")), "rig")
                heard.cancel()
                await ground.close()

    run(scenario())


@asynccontextmanager
async def relay(endpoint: str) -> AsyncIterator[tuple[str, asyncio.Queue[None]]]:
    """A way round to an endpoint; its queue gets an item for every connection."""
    port = int(endpoint.rpartition(":")[2])
    connections: asyncio.Queue[None] = asyncio.Queue()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.put_nowait(None)
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, onward_writer), pump(onward_reader, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def test_a_revoked_key_is_deaf_and_mute_at_once() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet = await ground.fleet()
            revoked, other = await ground.agent("revoked"), await ground.agent("other")
            await meet(fleet, revoked, "revoked")
            await meet(fleet, other, "other")
            key = ground.keys("revoked").public
            del ground.rigs[key]
            heard = []
            async with repeating(lambda: revoked.send(b"still me")):
                for number in range(20):
                    await fleet.send("revoked", b"secret")
                    heard += await up(other, fleet, "other", b"%d" % number)
                    await down(fleet, other, "other", b"%d" % number)
                assert "revoked" not in {
                    received.rig for received in heard if received.frame == b"still me"
                }
                ground.rigs[key] = "revoked"
                while (await fleet.receive()).rig != "revoked":
                    pass
            assert b"secret" not in await down(fleet, revoked, "revoked", b"back again")

    run(scenario())


def test_a_key_that_now_means_another_rig_gets_nothing_of_the_first() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("first")
            await meet(fleet, agent, "first")
            ground.rigs[ground.keys("first").public] = "second"
            await fleet.send("first", b"secret")
            await up(agent, fleet, "second", b"hello")
            assert b"secret" not in await down(fleet, agent, "second", b"hello")

    run(scenario())


def test_the_newest_connection_of_a_rig_gets_its_orders() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet = await ground.fleet()
            older = await ground.agent("rig")
            await meet(fleet, older, "rig")
            newer = await ground.agent("rig")
            await meet(fleet, newer, "rig")

    run(scenario())


@pytest.mark.parametrize("routing_id", ["victim", "the victim's own"])
def test_no_rig_can_pass_for_another(routing_id: str) -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, victim = await ground.fleet(), await ground.agent("victim")
            await meet(fleet, victim, "victim")
            assert isinstance(fleet, zeromq.ZeroMqFleetLink)
            stolen = b"victim" if routing_id == "victim" else fleet._routes["victim"].routing_id
            async with raw_dealer(ground, ground.keys("thief"), stolen) as thief:
                await ground.asked(ground.keys("thief").public)
                for number in range(20):
                    thief.send(b"I am the victim", zmq.NOBLOCK)
                    heard = await up(victim, fleet, "victim", b"%d" % number)
                    assert b"I am the victim" not in {received.frame for received in heard}
                    await down(fleet, victim, "victim", b"secret %d" % number)
                assert not thief.poll(0)

    run(scenario())


def test_a_hostile_rig_harms_only_itself() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("rig")
            await meet(fleet, agent, "rig")
            async with raw_dealer(ground, ground.keys("hostile")) as hostile:
                hostile.send_multipart([b"two", b"parts"], zmq.NOBLOCK)
                hostile.send(bytes(FRAME_BYTES_MAX + 1), zmq.NOBLOCK)
                hostile.send(bytes(8 * FRAME_BYTES_MAX), zmq.NOBLOCK)

                async def behave() -> None:
                    hostile.send(b"small", zmq.NOBLOCK)

                async with repeating(behave):
                    while (received := await fleet.receive()).rig != "hostile":
                        pass
                    assert received.frame == b"small"
            await meet(fleet, agent, "rig")

    run(scenario())


def test_sending_does_not_hide_a_frame_that_arrived_meanwhile() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("rig")
            await meet(fleet, agent, "rig")
            await down(fleet, agent, "rig", b"quiet")
            for number in range(10):
                frame = b"%d" % number
                waiting = asyncio.ensure_future(agent.receive())
                await asyncio.sleep(0)
                await fleet.send("rig", frame)
                # The loop stands still, so only the send can notice the arrived frame.
                time.sleep(0.02)  # noqa: ASYNC251
                await agent.send(b"busy")
                received = await waiting
                while received != frame:
                    received = await agent.receive()

    run(scenario())


def test_an_agent_recovers_from_another_program_on_the_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wire.zeromq.agent.STALLED_S", 0.1)

    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet = await ground.fleet()
            await fleet.close()
            visited = asyncio.Event()

            async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                await writer.drain()
                writer.close()
                visited.set()

            port = int(ground.endpoint.rpartition(":")[2])
            async with await asyncio.start_server(answer, "127.0.0.1", port):
                agent = await ground.agent("rig")
                await visited.wait()
            await meet(await ground.fleet(), agent, "rig")

    run(scenario())


def test_two_controllers_live_in_one_process() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as one, ZeroMqGround() as other:
            for ground in (one, other):
                await meet(await ground.fleet(), await ground.agent("rig"), "rig")

    run(scenario())


def test_a_port_in_use_is_an_error_that_says_so() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            await ground.fleet()
            with pytest.raises(LinkError, match="another process listens"):
                await ground.fleet()

    run(scenario())


@pytest.mark.parametrize("endpoint", ["", "host:1", "ipc://x", "tcp://", "tcp://host"])
def test_a_malformed_endpoint_is_an_error_that_says_what_to_write(endpoint: str) -> None:
    pair = zeromq.generate_keys()

    async def scenario() -> None:
        with pytest.raises(LinkError, match="tcp://host:port"):
            await zeromq.open_agent(
                endpoint=endpoint, server_key=pair.public, secret_key=pair.secret
            )
        with pytest.raises(LinkError, match="tcp://host:port"):
            await zeromq.open_fleet(listen=endpoint, secret_key=pair.secret, rig_of=nobody)

    run(scenario())


@pytest.mark.parametrize("key", ["", "short", "é" * 40, "~" * 40, "%" * 40, "x" * 45])
def test_a_malformed_key_is_an_error_that_does_not_tell_it(key: str) -> None:
    pair = zeromq.generate_keys()

    async def scenario() -> None:
        for server_key, secret_key in ((key, pair.secret), (pair.public, key)):
            with pytest.raises(LinkError, match="40 characters") as raised:
                await zeromq.open_agent(
                    endpoint="tcp://127.0.0.1:1", server_key=server_key, secret_key=secret_key
                )
            assert not key or key not in str(raised.value)
        with pytest.raises(LinkError, match="40 characters"):
            await zeromq.open_fleet(listen="tcp://127.0.0.1:*", secret_key=key, rig_of=nobody)

    run(scenario())


def test_a_pair_belongs_together_and_hides_its_secret() -> None:
    pair = zeromq.generate_keys()
    assert zeromq.public_key(pair.secret) == pair.public
    assert pair.secret not in repr(pair)
