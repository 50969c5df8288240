"""Both ends of the link over MQTT, and the topics that they meet on."""

from __future__ import annotations

import re
from pathlib import Path

import aiomqtt

from wire import logs
from wire.mqtt import broker
from wire.mqtt.session import Publication, Session
from wire.transport import AgentLink, FleetLink, LinkError, Received

ROOT = "rigshift/v1"
"""Topics are `<ROOT>/<rig>/up`, `…/down/now` and, retained, `…/down/kept`."""

AGENT_QUEUE_FRAMES_MAX = 256
FLEET_QUEUE_FRAMES_MAX = 16_384
"""Frames that wait in each direction, some for every rig of a large fleet."""

_RIG = re.compile(r"[^/+#\x00]{1,128}")


async def open_agent(
    *, url: str, rig: str, username: str, password: str, ca_file: Path | None, will: bytes
) -> AgentLink:
    """Connect a rig to its broker, now or as soon as the broker can be reached.

    Args:
        url: `mqtts://host[:port]`; `mqtt://` only to this very machine.
        rig: The rig's name, one level of its topics.
        username: Known to the broker, whose access list ties it to the rig.
        password: A refused one is logged and tried again.
        ca_file: Certificates to trust, PEM; ``None``: the system's.
        will: Frame that the broker sends up if the agent vanishes.

    Raises:
        LinkError: The URL, the rig's name or the CA file cannot be used.
    """
    if not _RIG.fullmatch(rig):
        raise LinkError(f"rig {rig!r} cannot stand in an MQTT topic; leave out / + and #")
    login = broker.login(url, username, password, ca_file)
    client_id, last_words = f"rigshift-{rig}", aiomqtt.Will(f"{ROOT}/{rig}/up", will, qos=1)
    session = Session(
        lambda: login.client(client_id, last_words),
        subscriptions={f"{ROOT}/{rig}/down/now": 0, f"{ROOT}/{rig}/down/kept": 1},
        read=lambda message: message.payload,
        queue_frames_max=AGENT_QUEUE_FRAMES_MAX,
        log=logs.get("mqtt", broker=login.host, rig=rig),
    )
    return _AgentEnd(session, rig)


async def open_fleet(*, url: str, username: str, password: str, ca_file: Path | None) -> FleetLink:
    """Connect a controller to its broker; arguments and errors as for `open_agent`."""
    login = broker.login(url, username, password, ca_file)
    session = Session(
        login.client,
        subscriptions={f"{ROOT}/+/up": 1},
        read=_received,
        queue_frames_max=FLEET_QUEUE_FRAMES_MAX,
        log=logs.get("mqtt", broker=login.host),
    )
    return _FleetEnd(session)


class _AgentEnd:
    def __init__(self, session: Session[bytes], rig: str) -> None:
        self._session = session
        self._topic = f"{ROOT}/{rig}/up"
        self.receive = session.receive
        self.close = session.close

    async def send(self, frame: bytes) -> None:
        self._session.send(Publication(self._topic, frame))


class _FleetEnd:
    def __init__(self, session: Session[Received]) -> None:
        self._session = session
        self.receive = session.receive
        self.close = session.close

    async def send(self, rig: str, frame: bytes, *, keep_s: float = 0.0) -> None:
        if not _RIG.fullmatch(rig):
            return
        leaf = "kept" if keep_s > 0.0 else "now"
        self._session.send(Publication(f"{ROOT}/{rig}/down/{leaf}", frame, keep_s))


def _received(message: aiomqtt.Message) -> Received:
    return Received(message.topic.value.split("/")[-2], message.payload)
