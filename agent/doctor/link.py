"""Whether the controller, or its broker, is there and lets this rig in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from agent.doctor.finding import Finding, Result, Unseen
from agent.settings import MqttSettings, Settings, ZeroMqSettings
from wire import mqtt, zeromq
from wire.transport import Contact, LinkError, Reach

PATIENCE_S = 6.0
"""For a connection and its handshake over a slow line."""


async def check(settings: Settings, *, running: bool) -> AsyncIterator[Result]:
    """Shake hands once, without harm to the connection of an agent that is `running`."""
    way = settings.link.zeromq or settings.link.mqtt
    assert way is not None
    about = way.endpoint if isinstance(way, ZeroMqSettings) else way.url
    try:
        found = (
            await _zeromq(way)
            if isinstance(way, ZeroMqSettings)
            else await _mqtt(way, settings, log_in=not running)
        )
    except OSError as error:
        yield Unseen(about, f"{error.filename}: {error.strerror}")
    except LinkError as error:
        wrong, _, mend = str(error).partition("; ")
        yield Finding("link-unusable", about, wrong, mend or "take `link` from the enrolment")
    else:
        if found.reach is Reach.ANSWERED:
            yield Unseen(about, "a second login would end the running agent's; see its log")
        elif found.reach is not Reach.ACCEPTED:
            yield _finding(found, about, way)


async def _zeromq(way: ZeroMqSettings) -> Contact:
    return await zeromq.contact(
        endpoint=way.endpoint,
        server_key=way.server_key,
        secret_key=_secret(way.secret_key_file),
        patience_s=PATIENCE_S,
    )


async def _mqtt(way: MqttSettings, settings: Settings, *, log_in: bool) -> Contact:
    return await mqtt.contact(
        url=way.url,
        username=way.username or settings.rig,
        password=_secret(way.password_file) if way.password_file else "",
        ca_file=way.ca_file,
        log_in=log_in,
    )


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _finding(found: Contact, about: str, way: ZeroMqSettings | MqttSettings) -> Finding:
    who = "controller" if isinstance(way, ZeroMqSettings) else "broker"
    if found.reach is Reach.UNREACHABLE:
        return Finding(
            "controller-unreachable",
            about,
            f"no {who} there: {found.detail}",
            f"check that the {who} runs, the address under `link`, and firewalls on the way",
        )
    todo = {
        "controller": "compare `server_key` with the enrolment; `rigshift rigs` at the controller "
        "shows whether the rig is enrolled, and its log which keys it refused",
        "broker": "tell the broker this rig's name and password, as `rigshift-controller enroll` "
        "printed them",
    }
    wrong = f"the {who} does not let this rig in: {found.detail}"
    return Finding("controller-refuses", about, wrong, todo[who])
