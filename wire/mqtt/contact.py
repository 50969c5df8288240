"""One attempt to reach the broker, for whoever looks why a rig is not heard."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import aiomqtt

from wire.mqtt import broker
from wire.mqtt.broker import Login
from wire.transport import Contact, Reach


async def contact(
    *, url: str, username: str, password: str, ca_file: Path | None, log_in: bool
) -> Contact:
    """Connect and leave.

    Args:
        url: The broker's.
        username: The rig's.
        password: The rig's.
        ca_file: Certificates to trust; ``None``: the system's.
        log_in: Present name and password, too. A broker that takes names for client ids, as the
            shipped configuration does, then ends the session that the rig's agent may have.

    Raises:
        LinkError: The URL or the CA file cannot be used.
    """
    login = broker.login(url, username, password, ca_file)
    return await (_log_in(login) if log_in else _connect(login))


async def _log_in(login: Login) -> Contact:
    try:
        async with broker.connected(login.client()):
            return Contact(Reach.ACCEPTED)
    except aiomqtt.MqttCodeError as error:
        return Contact(Reach.REFUSED, str(error))
    except aiomqtt.MqttError as error:
        return Contact(Reach.UNREACHABLE, str(error))


async def _connect(login: Login) -> Contact:
    try:
        async with asyncio.timeout(broker.ANSWER_MAX_S):
            _, writer = await asyncio.open_connection(login.host, login.port, ssl=login.tls)
    except (OSError, TimeoutError) as error:
        return Contact(Reach.UNREACHABLE, str(error) or "nothing answers there")
    with closing(writer):
        return Contact(Reach.ANSWERED)
