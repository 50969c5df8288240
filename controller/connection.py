"""Opens the one link to the rigs that the controller's file names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from controller.keys import Keys
from controller.settings import Settings
from wire import mqtt, zeromq
from wire.configfile import ConfigError
from wire.transport import FleetLink


@asynccontextmanager
async def connected(
    settings: Settings, own: Keys, inventory: Mapping[str, str]
) -> AsyncIterator[FleetLink]:
    """The link while it is open.

    Args:
        settings: Which transport, and where.
        own: The controller's keys.
        inventory: Rigs by their CURVE keys, as they are at every moment.

    Raises:
        ConfigError: The broker's password cannot be read.
        LinkError: The rigs' address cannot be bound, or the broker's is malformed.
    """
    link: FleetLink
    if settings.link.mqtt is not None:
        broker = settings.link.mqtt
        link = await mqtt.open_fleet(
            url=broker.url,
            username=broker.username,
            password=_secret(broker.password_file),
            ca_file=broker.ca_file,
        )
    else:
        assert settings.link.zeromq is not None
        link = await zeromq.open_fleet(
            listen=settings.link.zeromq.listen,
            secret_key=own.curve_secret,
            rig_of=inventory.get,
        )
    try:
        yield link
    finally:
        await link.close()


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: the broker's password cannot be read: {error}") from error
