"""One attempt to reach a controller over ZeroMQ: how far it comes, and that it harms nobody."""

from __future__ import annotations

import socket

import pytest

from tests.parts.links import ZeroMqGround, meet, run
from tests.parts.programs import free_port
from wire import zeromq
from wire.transport import Contact, LinkError, Reach

PATIENCE_S = 20.0
"""Longer than any answer takes."""


async def reach(
    endpoint: str, server_key: str, secret_key: str, patience_s: float = PATIENCE_S
) -> Contact:
    return await zeromq.contact(
        endpoint=endpoint, server_key=server_key, secret_key=secret_key, patience_s=patience_s
    )


def test_a_known_key_is_let_in_and_the_agents_connection_stays() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            fleet, agent = await ground.fleet(), await ground.agent("known")
            await meet(fleet, agent, "known")
            secret = ground.keys("known").secret
            found = await reach(ground.endpoint, ground.server.public, secret)
            assert found.reach is Reach.ACCEPTED
            await fleet.send("known", b"still there")
            while await agent.receive() != b"still there":
                pass

    run(scenario())


def test_an_unknown_key_and_a_wrong_server_key_are_refused() -> None:
    async def scenario() -> None:
        async with ZeroMqGround() as ground:
            await ground.fleet()
            stranger = zeromq.generate_keys()
            unknown = await reach(ground.endpoint, ground.server.public, stranger.secret)
            assert unknown.reach is Reach.REFUSED
            wrong = await reach(ground.endpoint, stranger.public, stranger.secret)
            assert wrong.reach is Reach.REFUSED

    run(scenario())


def test_what_is_no_controller_is_told_apart_from_nothing() -> None:
    async def scenario() -> None:
        pair = zeromq.generate_keys()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            endpoint = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
            mute = await reach(endpoint, pair.public, pair.secret, patience_s=0.5)
            assert mute.reach is Reach.REFUSED
        nobody = await reach(f"tcp://127.0.0.1:{free_port()}", pair.public, pair.secret)
        assert nobody.reach is Reach.UNREACHABLE

    run(scenario())


def test_what_cannot_work_is_an_error() -> None:
    async def scenario() -> None:
        pair = zeromq.generate_keys()
        with pytest.raises(LinkError, match="write `tcp://host:port`"):
            await reach("http://controller.example", pair.public, pair.secret)
        with pytest.raises(LinkError, match="the secret key is no CURVE key"):
            await reach("tcp://127.0.0.1:9", pair.public, "none")

    run(scenario())
