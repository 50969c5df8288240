"""The controller's configuration file, read once, validated once, frozen."""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from controller import policyfile
from controller.core import curtailment
from controller.core import farm as farms
from controller.core.farm import FarmSettings
from controller.core.policy.settings import PolicySettings
from controller.core.prices import plausibility
from controller.core.prices.plausibility import QuoteRules
from controller.feeds import assembly
from controller.feeds.settings import FeedsSettings
from controller.fleet import FleetSettings
from controller.policyfile import Policy
from wire import configfile
from wire.configfile import ConfigError

PORT_MAX = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The HTTP endpoint for operators and Prometheus."""

    host: str = "127.0.0.1"
    """Address to listen on; off loopback only with TLS."""
    port: int = 9700
    """0: any free port; the chosen one stands in `api.url` under `state_dir`."""
    tls_cert_file: Path | None = None
    """PEM; needed, with the key, to listen off loopback."""
    tls_key_file: Path | None = None
    """PEM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroMqSettings:
    """Rigs connect straight to this controller; the embedded default."""

    listen: str = "tcp://127.0.0.1:9701"
    """Address to bind; CURVE authenticates and encrypts whoever connects."""
    endpoint: str = ""
    """Address that enrolled rigs are told; empty: the same as `listen`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings:
    """Rigs and controller meet at a broker; for many sites."""

    url: str
    """`mqtts://host:port`, or `mqtt://` on loopback only."""
    username: str = "controller"
    """The broker's access list goes by it."""
    password_file: Path | None = None
    """File with the password; none: no password is sent."""
    ca_file: Path | None = None
    """PEM certificates to trust; none: the system's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """How rigs reach the controller: exactly one transport."""

    zeromq: ZeroMqSettings | None = None
    mqtt: MqttSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """Recorded prices pass at a chosen speed; for demos and rehearsals only."""

    prices_from: datetime
    """Instant of the recordings at which the replay begins, with its zone."""
    began_at: float
    """Wall clock at which it began, epoch seconds: a restarted controller goes on from there."""
    speed: float = 1.0
    """Seconds of prices per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a controller is told."""

    state_dir: Path
    """Store, keys and the API's token; must survive a reboot, and be backed up."""
    farm: FarmSettings
    quotes: dict[str, QuoteRules]
    """When to believe each series."""
    link: LinkSettings = field(default_factory=lambda: LinkSettings(zeromq=ZeroMqSettings()))
    api: ApiSettings = field(default_factory=ApiSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    """When groups move and what is owed; or in a file of its own, see `policy_file`."""
    policy_file: Path | None = None
    """File that holds `policy`; one that was activated since comes before both."""
    feeds: FeedsSettings = field(default_factory=FeedsSettings)
    fleet: FleetSettings = field(default_factory=FleetSettings)
    replay: ReplaySettings | None = None
    tick_s: float = 10.0
    """At least this often the fleet is planned anew."""
    feed_interval_s: float = 10.0
    """Pause between two looks at a feed; each feed has its own limit besides."""
    lease_s: float = 300.0
    """After this silence a rig follows its own offline policy."""


def load(path: Path) -> Settings:
    """Read, validate and cross-check a controller's file. Raises `ConfigError`."""
    settings = configfile.load(path, Settings)
    problem = next(problems(settings), None)
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    if settings.policy_file is None:
        policy(settings, path)
    return settings


def policy(settings: Settings, path: Path | None = None) -> Policy:
    """The policy that the controller's own files hold, for `path` names lines in errors.

    Raises:
        ConfigError: It cannot be used.
    """
    farm, series, file = settings.farm, settings.quotes, settings.policy_file
    if file is None:
        document = "" if path is None else configfile.read_text(path)
        return policyfile.inline(settings.policy, farm, series, document, str(path))
    return policyfile.read(configfile.read_text(file), str(file), farm, series)


def problems(settings: Settings) -> Iterator[str]:
    """What each value alone cannot show; each one sentence."""
    link, api = settings.link, settings.api
    if settings.policy_file is not None and settings.policy != PolicySettings():
        yield "policy: stands here and in `policy_file`; keep one of them"
    if (link.zeromq is None) == (link.mqtt is None):
        yield "link: name exactly one transport, `zeromq` or `mqtt`"
    if not _loopback(api.host) and (api.tls_cert_file is None or api.tls_key_file is None):
        yield (
            f"api: {api.host} is not loopback, and the API carries a token; "
            "give `tls_cert_file` and `tls_key_file`, or listen on 127.0.0.1"
        )
    for series, rules in settings.quotes.items():
        yield from (f"quotes: {text}" for text in plausibility.problems(series, rules))
    yield from (f"feeds: {text}" for text in assembly.problems(settings.feeds, settings.quotes))
    yield from (f"farm: {text}" for text in farms.problems(settings.farm, settings.quotes))
    for site in settings.farm.sites:
        yield from (f"farm: {text}" for text in curtailment.problems(site))
    yield from _zone_problems(settings)
    yield from _number_problems(settings)
    if settings.replay is not None and settings.replay.prices_from.tzinfo is None:
        yield "replay: prices_from: write the zone too, e.g. 2026-03-02T00:00:00Z"


def _zone_problems(settings: Settings) -> Iterator[str]:
    for site in settings.farm.sites:
        try:
            ZoneInfo(site.time_zone)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            yield (
                f"farm: site {site.name}: time_zone: {site.time_zone!r} is unknown; "
                "write one such as Europe/Brussels"
            )


def _number_problems(settings: Settings) -> Iterator[str]:
    """Not-a-number is a mistake everywhere."""
    above_0 = {
        "tick_s": settings.tick_s,
        "feed_interval_s": settings.feed_interval_s,
        "lease_s": settings.lease_s,
        "fleet.offline_after_s": settings.fleet.offline_after_s,
        "fleet.retry_failed_s": settings.fleet.retry_failed_s,
        "fleet.retry_failed_max_s": settings.fleet.retry_failed_max_s,
        "replay.speed": settings.replay.speed if settings.replay else 1.0,
    }
    for name, value in above_0.items():
        if not 0 < value < math.inf:
            yield f"{name}: must be above 0 and finite, not {value:g}"
    if not 0 <= settings.api.port <= PORT_MAX:
        yield f"api.port: {settings.api.port} is no port; use 0 (any free one) to {PORT_MAX}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def price_clock(replay: ReplaySettings | None) -> Callable[[], float]:
    """Epoch seconds that prices count by: the wall clock, or a replay's."""
    if replay is None:
        return time.time
    begins = replay.prices_from.timestamp()
    return lambda: begins + (time.time() - replay.began_at) * replay.speed
