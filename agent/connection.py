"""Opens the one link that a rig's file names, with the secrets that its files keep."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent.settings import Settings
from agent.uplink import Identity
from wire import codec, messages, mqtt, zeromq
from wire.configfile import ConfigError
from wire.transport import AgentLink


@asynccontextmanager
async def connected(settings: Settings, who: Identity) -> AsyncIterator[AgentLink]:
    """The link while the block runs. Raises `ConfigError` and `LinkError`."""
    if settings.link.zeromq is not None:
        way = settings.link.zeromq
        link = await zeromq.open_agent(
            endpoint=way.endpoint,
            server_key=way.server_key,
            secret_key=_secret(way.secret_key_file),
        )
    else:
        assert settings.link.mqtt is not None
        broker = settings.link.mqtt
        gone = messages.Up(settings.rig, who.boot_id, who.run_id, who.clock(), messages.Gone())
        link = await mqtt.open_agent(
            url=broker.url,
            rig=settings.rig,
            username=broker.username or settings.rig,
            password=_secret(broker.password_file) if broker.password_file else "",
            ca_file=broker.ca_file,
            will=codec.encode_up(gone),
        )
    try:
        yield link
    finally:
        await link.close()


def _secret(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ConfigError(f"{path}: others can read this secret; run `chmod 600 {path}`")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
