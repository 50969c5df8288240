"""The rig's own configuration file, read once, validated once, frozen. Unknown keys are errors."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from agent.core.model import RESTARTS_MAX, Offline, Rules
from agent.core.workload import NEUTRAL, Workload
from wire import configfile
from wire.configfile import ConfigError
from wire.model import OFF, GroupOffer, WorkloadOffer
from wire.signing import KeyFormatError, Verifier

PORT_MAX = 65_535

GROUPS_MAX = 64
"""GPU groups on one rig."""

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names go into file names, topics and labels."""

UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service")
"""Name of a service unit, or of an instance of a template; never a bare template."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSettings:
    """Where GPU readings come from."""

    source: str = "nvml"
    """`nvml`, or `simulated` (demo and tests; says so wherever it is shown)."""
    simulated_dir: Path | None = None
    """Simulated only: directory in which simulated GPUs keep what runs on them."""
    fast_interval_s: float = 2.0
    """Utilisation, memory, temperature, power, clocks."""
    slow_interval_s: float = 30.0
    """Process lists, ECC, PCIe, limits: slow calls that share the driver's lock with the work."""
    vacant_memory_bytes: int = 1_500 * 1024 * 1024
    """A GPU counts as empty below this; a display server or a driver context may hold some."""
    vacant_samples: int = 2
    """Looks in a row that must find the GPUs empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafetySettings:
    """Limits past which a group is stopped, whatever it earns."""

    temperature_max_c: float = 90.0
    """Of the chip."""
    memory_temperature_max_c: float = 108.0
    """Of the memory, where the driver tells it."""
    samples: int = 3
    """Samples in a row above a limit before it counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Prometheus endpoint of the agent."""

    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback nothing but `/metrics` is answered."""
    port: int = 9750
    """0: any free port; the chosen one is reported to the controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """GPUs that are switched together, and all that may ever run on them."""

    name: str
    """What the group is called on this rig."""
    gpus: tuple[str, ...]
    """NVML UUIDs; an index is not stable over reboots."""
    workloads: tuple[Workload, ...]
    offline: Offline = Offline.KEEP
    """When the controller has been silent for longer than its lease."""
    safe_workload: str | None = None
    """For `offline: safe`."""
    restarts_max: int = RESTARTS_MAX
    """Restarts of a proven workload that exits by itself, before it counts as failed."""

    def rules(self) -> Rules:
        """What the switch machine must know of this."""
        return Rules(
            allowed=frozenset(workload.name for workload in self.workloads),
            offline=self.offline,
            safe_workload=self.safe_workload,
            restarts_max=self.restarts_max,
        )

    def offer(self) -> GroupOffer:
        """What the controller may know of this."""
        return GroupOffer(
            group=self.name,
            gpus=self.gpus,
            workloads=tuple(WorkloadOffer(w.name, w.kind, w.power_w) for w in self.workloads),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a rig knows about itself."""

    rig: str
    """Name of this rig in the fleet; the controller knows its key by it."""
    state_dir: Path
    """Journals, outcomes and process records; must survive a reboot."""
    order_key: str
    """Controller's Ed25519 public key, base64; orders signed by another are refused."""
    link: LinkSettings
    groups: tuple[GroupSettings, ...]
    gpu: GpuSettings = field(default_factory=GpuSettings)
    safety: SafetySettings = field(default_factory=SafetySettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    report_interval_s: float = 5.0
    """Heartbeat; a change of state is reported at once."""
    telemetry_interval_s: float = 10.0
    """Pause between two samples that are sent."""
    boot_grace_s: float = 300.0
    """After its start an agent waits this long for the controller before the offline policy."""

    def workload(self, group: str, name: str) -> Workload:
        """Raises `KeyError` for what this file does not list."""
        for known in (w for g in self.groups if g.name == group for w in g.workloads):
            if known.name == name:
                return known
        raise KeyError(f"{group}.{name}")


def load(path: Path) -> Settings:
    """Read, validate and cross-check a rig's file. Raises `ConfigError`."""
    settings = _with_groups(configfile.load(path, Settings))
    problem = next(_problems(settings), None)
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    return settings


def _with_groups(settings: Settings) -> Settings:
    """Tell each workload the group and GPUs it stands under."""
    groups = tuple(
        replace(
            group,
            workloads=tuple(replace(w, group=group.name, gpus=group.gpus) for w in group.workloads),
        )
        for group in settings.groups
    )
    return replace(settings, groups=groups)


def _problems(settings: Settings) -> Iterator[str]:
    """What each value alone cannot show."""
    link = settings.link
    if (link.zeromq is None) == (link.mqtt is None):
        yield "link: name exactly one transport, `zeromq` or `mqtt`"
    if not settings.groups:
        yield (
            "groups: none; list the GPUs that are switched together and all that may run on them "
            "(`rigshift-agent telemetry --once` shows the UUIDs)"
        )
    if len(settings.groups) > GROUPS_MAX:
        yield f"groups: a rig has at most {GROUPS_MAX} GPU groups, this has {len(settings.groups)}"
    if settings.gpu.source == "simulated" and settings.gpu.simulated_dir is None:
        yield "gpu: `source: simulated` needs `simulated_dir`"
    if settings.gpu.source not in ("nvml", "simulated"):
        yield f"gpu.source: {settings.gpu.source!r} is unknown; write `nvml` or `simulated`"
    if not 0 < settings.gpu.fast_interval_s <= settings.gpu.slow_interval_s < math.inf:
        yield "gpu: `fast_interval_s` must be above 0 and at most `slow_interval_s`"
    yield from _key_problems(settings.order_key)
    yield from _number_problems(settings)
    yield from _repeats("groups: name", [group.name for group in settings.groups])
    yield from _repeats("groups: GPU", [gpu for group in settings.groups for gpu in group.gpus])
    yield from _repeats("groups: unit", [w.unit for g in settings.groups for w in g.workloads])
    for name in [settings.rig, *(group.name for group in settings.groups)]:
        if not NAME.fullmatch(name):
            yield f"name {name!r}: use letters, digits, `-` and `_`, 1 to 64 of them"
    for group in settings.groups:
        yield from _group_problems(group)


def _key_problems(order_key: str) -> Iterator[str]:
    try:
        Verifier(order_key)
    except KeyFormatError as error:
        yield str(error)


def _number_problems(settings: Settings) -> Iterator[str]:
    """A limit that never holds, or always, is a mistake; not-a-number is one everywhere."""
    gpu, safety = settings.gpu, settings.safety
    above_0 = {
        "report_interval_s": settings.report_interval_s,
        "telemetry_interval_s": settings.telemetry_interval_s,
        "safety.temperature_max_c": safety.temperature_max_c,
        "safety.memory_temperature_max_c": safety.memory_temperature_max_c,
    }
    for name, value in above_0.items():
        if not 0 < value < math.inf:
            yield f"{name}: must be above 0 and finite, not {value:g}"
    if gpu.vacant_samples < 1 or safety.samples < 1:
        yield "gpu.vacant_samples, safety.samples: must be 1 or more, or nothing would be looked at"
    if gpu.vacant_memory_bytes < 0 or not 0 <= settings.boot_grace_s < math.inf:
        yield "gpu.vacant_memory_bytes, boot_grace_s: must be 0 or more"
    port = settings.metrics.port
    if not 0 <= port <= PORT_MAX:
        yield f"metrics.port: {port} is no port; use 0 (any free one) to {PORT_MAX}"


def _group_problems(group: GroupSettings) -> Iterator[str]:
    where = f"group {group.name}"
    names = [workload.name for workload in group.workloads]
    yield from _repeats(f"{where}: workload", names)
    for workload in group.workloads:
        if workload.profile != NEUTRAL:
            what = f"{where}: {workload.name}: profile {workload.profile!r}"
            yield f"{what} is unknown; use `{NEUTRAL}`"
    if not group.gpus:
        yield f"{where}: gpus: name at least one GPU UUID"
    if group.restarts_max < 0:
        yield f"{where}: restarts_max: must be 0 or more, not {group.restarts_max}"
    for workload in group.workloads:
        yield from _workload_problems(f"{where}: workload {workload.name}", workload)
        yield from _unit_problems(f"{where}: workload {workload.name}", workload)
    if group.offline is Offline.SAFE and group.safe_workload not in names:
        yield f"{where}: `offline: safe` needs `safe_workload`, one of {', '.join(names) or 'none'}"
    for name in names:
        if not NAME.fullmatch(name) or name == OFF:
            yield f"{where}: workload name {name!r}: use letters, digits, `-` and `_`, not `{OFF}`"


def _workload_problems(where: str, workload: Workload) -> Iterator[str]:
    for deadline in fields(workload.deadlines):
        value = getattr(workload.deadlines, deadline.name)
        if not 0 < value < math.inf:
            yield f"{where}: deadlines.{deadline.name}: must be above 0 and finite, not {value:g}"
    power_w = workload.power_w
    if power_w is not None and not 0 <= power_w < math.inf:
        yield f"{where}: power_w: must be 0 or more and finite, not {power_w:g}"
    hold_s, probe_s = workload.readiness.hold_s, workload.deadlines.probe_s
    if not 0 <= hold_s < probe_s:
        yield f"{where}: readiness.hold_s: must be 0 or more and below `deadlines.probe_s`"


def _unit_problems(where: str, workload: Workload) -> Iterator[str]:
    if not workload.unit:
        return
    if workload.command:
        yield f"{where}: has both `command` and `unit`; keep one of them"
    if workload.environment:
        yield f"{where}: `environment` is for `command`; write Environment= into {workload.unit}"
    if not UNIT.fullmatch(workload.unit):
        yield f"{where}: unit {workload.unit!r}: name a service, such as `my-miner.service`"


def _repeats(what: str, values: list[str]) -> Iterator[str]:
    """Values that stand more than once; empty ones name nothing."""
    counts = Counter(filter(None, values))
    yield from (f"{what} {value!r} stands twice" for value, n in counts.items() if n > 1)
