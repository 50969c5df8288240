"""One attempt to log in at the broker, for whoever looks why a rig is not heard."""

from __future__ import annotations

from pathlib import Path

import aiomqtt

from wire.mqtt import broker
from wire.transport import Contact, Reach


async def contact(*, url: str, username: str, password: str, ca_file: Path | None) -> Contact:
    """Log in under a client id of its own and leave; an agent's connection is not touched.

    Raises:
        LinkError: The URL or the CA file cannot be used.
    """
    login = broker.login(url, username, password, ca_file)
    try:
        async with broker.connected(login.client()):
            return Contact(Reach.ACCEPTED)
    except aiomqtt.MqttCodeError as error:
        return Contact(Reach.REFUSED, str(error))
    except aiomqtt.MqttError as error:
        return Contact(Reach.UNREACHABLE, str(error))
