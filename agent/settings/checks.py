"""What each value of a rig's file alone cannot show: whether they fit together."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

from agent.core import container, places
from agent.core.ladder import DERATE_STEPS_MAX
from agent.core.model import Offline
from agent.core.pins import Pins
from agent.core.workload import Commands, Workload
from agent.settings import parking, serving
from agent.settings.gpu import SafetySettings
from agent.settings.rig import EngineSettings, GroupSettings, Settings
from wire.model import GROUPS_MAX, NAME, OFF
from wire.signing import KeyFormatError, Verifier

PORT_MAX = 65_535

ENGINE_GPUS = ("auto", "cdi", "nvidia")
MARKET_STOP_MIN_S = 60.0
"""Half of it must do for withdrawing an offer and for two looks, with the pauses between them."""

UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service")
"""Name of a service unit, or of an instance of a template; never a bare template."""


def problems(settings: Settings) -> Iterator[str]:
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
    yield from _pin_problems("", settings.pins)
    yield from _engine_problems(settings.engine)
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
        "lock_interval_s": settings.lock_interval_s,
        "safety.temperature_max_c": safety.temperature_max_c,
        "safety.memory_temperature_max_c": safety.memory_temperature_max_c,
        "safety.xid_window_s": safety.xid_window_s,
    }
    for name, value in above_0.items():
        if not 0 < value < math.inf:
            yield f"{name}: must be above 0 and finite, not {value:g}"
    if gpu.vacant_samples < 1 or safety.samples < 1 or safety.slowed_samples < 1:
        where = "gpu.vacant_samples, safety.samples, safety.slowed_samples"
        yield f"{where}: must be 1 or more, or nothing would be looked at"
    yield from _safety_problems(safety)
    if gpu.vacant_memory_bytes < 0 or not 0 <= settings.boot_grace_s < math.inf:
        yield "gpu.vacant_memory_bytes, boot_grace_s: must be 0 or more"
    port = settings.metrics.port
    if not 0 <= port <= PORT_MAX:
        yield f"metrics.port: {port} is no port; use 0 (any free one) to {PORT_MAX}"


def _safety_problems(safety: SafetySettings) -> Iterator[str]:
    for what in ("temperature", "memory_temperature"):
        first, last = getattr(safety, f"{what}_max_c"), getattr(safety, f"{what}_stop_c")
        if not first <= last < math.inf:
            yield f"safety.{what}_stop_c: must be at least `{what}_max_c` ({first:g}), not {last:g}"
    if not 0 <= safety.cool_c < math.inf or safety.xid_faults_max < 0:
        yield "safety.cool_c, safety.xid_faults_max: must be 0 or more"
    for kind, ladder in (("mining", safety.mining), ("inference", safety.inference)):
        if not 0 <= ladder.derate_steps_max <= DERATE_STEPS_MAX:
            yield f"safety.{kind}.derate_steps_max: must be 0 to {DERATE_STEPS_MAX}"
        if not (0 < ladder.derate_wait_s < math.inf and 0 < ladder.restore_s < math.inf):
            yield f"safety.{kind}: `derate_wait_s` and `restore_s` must be above 0 and finite"


def _group_problems(group: GroupSettings) -> Iterator[str]:
    where = f"group {group.name}"
    names = [workload.name for workload in group.workloads]
    yield from _repeats(f"{where}: workload", names)
    if not group.gpus:
        yield f"{where}: gpus: name at least one GPU UUID"
    if group.restarts_max < 0:
        yield f"{where}: restarts_max: must be 0 or more, not {group.restarts_max}"
    for workload in group.workloads:
        yield from _workload_problems(f"{where}: workload {workload.name}", workload)
        for problem in (
            _unit_problems, _container_problems, _command_problems, serving.problems,
        ):  # fmt: skip
            yield from problem(f"{where}: workload {workload.name}", workload)
        yield from _pin_problems(f"{where}: workload {workload.name}: ", workload.pins)
    yield from parking.problems(where, group)
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
    if workload.market is not None and workload.deadlines.stop_s < MARKET_STOP_MIN_S:
        yield (
            f"{where}: deadlines.stop_s: {workload.deadlines.stop_s:g} is too short for a "
            f"marketplace to say that it is free; give it {MARKET_STOP_MIN_S:g} or more"
        )
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


def _engine_problems(engine: EngineSettings) -> Iterator[str]:
    if engine.gpus not in ENGINE_GPUS:
        yield f"engine.gpus: {engine.gpus!r} is unknown; write `auto`, `cdi` or `nvidia`"
    if not engine.socket.is_absolute():
        yield f"engine.socket: {engine.socket}: write the whole path"


def _container_problems(where: str, workload: Workload) -> Iterator[str]:
    if workload.container is None:
        return
    if workload.command or workload.unit:
        yield f"{where}: has `container` beside `command` or `unit`; keep one of them"
    for problem in container.problems(workload.container):
        yield f"{where}: container: {problem}"


def _pin_problems(where: str, pins: Pins) -> Iterator[str]:
    for wallet in pins.wallets:
        if not wallet.strip() or wallet != wallet.strip():
            yield f"{where}pins.wallets: {wallet!r} is no wallet"
    for pool in pins.pools:
        found = places.places(pool)
        if len(found) != 1 or not found[0].host or "/" in pool or "@" in pool:
            yield f"{where}pins.pools: {pool!r}: write `host:port` or `host`, no scheme, no user"


def _command_problems(where: str, workload: Workload) -> Iterator[str]:
    """Only the driver `command` has commands, and it needs three of the four."""
    given = {each.name for each in fields(Commands) if getattr(workload.commands, each.name)}
    if given and workload.driver != "command":
        yield f"{where}: `commands` are for `driver: command`, not `{workload.driver}`"
    missing = sorted({"start", "stop", "status"} - given)
    if workload.driver == "command" and missing:
        yield f"{where}: commands: {', '.join(missing)} missing"
    if workload.driver == "command" and (workload.command or workload.unit or workload.container):
        yield f"{where}: `driver: command` has `commands` only"


def _repeats(what: str, values: list[str]) -> Iterator[str]:
    """Values that stand more than once; empty ones name nothing."""
    counts = Counter(filter(None, values))
    yield from (f"{what} {value!r} stands twice" for value, n in counts.items() if n > 1)
