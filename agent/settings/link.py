"""How a rig reaches its controller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroMqSettings:
    """ZeroMQ with CURVE, straight to the controller; no broker."""

    endpoint: str
    """Controller's address, e.g. `tcp://controller.example:9701`."""
    server_key: str
    """Controller's public CURVE key, z85, 40 characters."""
    secret_key_file: Path
    """File (mode 0600) with this rig's secret CURVE key, z85."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """MQTT 5 through a broker."""

    url: str
    """`mqtts://host:port`, or `mqtt://` on loopback only."""
    username: str = ""
    """Defaults to the rig's name; the broker's ACL goes by it."""
    password_file: Path | None = None
    """File (mode 0600) with the password."""
    ca_file: Path | None = None
    """PEM certificates to trust; none: the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How to reach the controller: exactly one transport."""

    zeromq: ZeroMqSettings | None = None
    mqtt: MqttSettings | None = None
