"""Listens to one topic of a broker that strangers write to; it never writes there itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import aiomqtt

from wire import logs
from wire.mqtt import broker
from wire.mqtt.session import Session

QUEUE_MESSAGES_MAX = 64
"""Messages that wait to be read; the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Published:
    """One message."""

    payload: bytes
    retained: bool
    """Whether the broker kept it from earlier: nobody knows since when."""


class Listener:
    """One subscription, kept up."""

    def __init__(self, session: Session[Published]) -> None:
        self._session = session

    @property
    def trouble(self) -> str:
        """Why there is no connection; empty: there is one."""
        return self._session.trouble

    async def receive(self) -> Published:
        """Wait for the next message."""
        return await self._session.receive()

    async def close(self) -> None:
        """Leave the broker."""
        await self._session.close()


def check(url: str, ca_file: Path | None) -> None:
    """Raises `LinkError` if the URL or the CA file cannot be used."""
    broker.login(url, "", "", ca_file)


async def open_listener(
    *, url: str, topic: str, username: str, password: str, ca_file: Path | None
) -> Listener:
    """Subscribe, now or as soon as the broker can be reached.

    Args:
        url: `mqtts://host[:port]`; `mqtt://` only to this very machine.
        topic: What to listen to.
        username: As the broker knows us; empty: nobody.
        password: A refused one is logged and tried again.
        ca_file: Certificates to trust, PEM; ``None``: the system's.

    Raises:
        LinkError: The URL or the CA file cannot be used.
    """
    login = broker.login(url, username, password, ca_file)
    session = Session(
        login.client,
        subscriptions={topic: 0},
        read=_read,
        queue_frames_max=QUEUE_MESSAGES_MAX,
        log=logs.get("topic", topic=topic, broker=url),
    )
    return Listener(session)


def _read(message: aiomqtt.Message) -> Published:
    return Published(bytes(message.payload), bool(message.retain))
