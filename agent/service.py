"""Puts an agent together from its settings and runs it until it is told to stop.

Stopping the agent leaves every workload running: the next agent adopts them.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import random
import signal
import time
import uuid
from pathlib import Path

from agent import host as hosts
from agent.connection import connected
from agent.drivers.checker import CommandChecker
from agent.drivers.hive_os import HiveOs
from agent.drivers.launchers import Launchers
from agent.drivers.registry import HIVE_OS, drivers, markets, sleepless, startable
from agent.drivers.routes import HookRouter
from agent.drivers.workload_log import shown_by
from agent.gpu.tuners import tuner_of
from agent.journal import FileJournal
from agent.learner import Learner
from agent.metrics import (
    AgentMetrics,
    AgentSnapshot,
    LinkCounts,
    MetricsServer,
    PinCount,
    SafetyCount,
    SwitchRecord,
)
from agent.notebook import Notebook
from agent.rig import Equipment, Rig
from agent.settings import Settings
from agent.systemd import ServiceManager, Supervision
from agent.telemetry import Telemetry
from agent.uplink import Identity
from wire import logs, model, statedir
from wire.configfile import ConfigError
from wire.transport import AgentLink

AGENT_UNIT = "rigshift-agent.service"
"""As deploy/systemd ships it."""

LEARNED = "learned.json"
"""In the state directory: what the rig has measured of its workloads."""

HIVE_OS_ADVICE = f"list a workload with `driver: {HIVE_OS}`, so that the agent keeps it out"

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def rig_clock() -> float:
    """Seconds since the machine booted, suspend included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def identity() -> Identity:
    """Who this process is."""
    return Identity(
        boot_id=BOOT_ID.read_text(encoding="ascii").strip(),
        run_id=uuid.uuid4().hex,
        version=importlib.metadata.version("rigshift"),
        clock=rig_clock,
    )


def journal_path(settings: Settings, group: str) -> Path:
    """Where a group's journal stands."""
    return settings.state_dir / "journal" / f"{group}.log"


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        ConfigError: A driver is unknown, a secret cannot be read, or the state directory not be
            used.
        LinkError: The link cannot be used as configured.
        MetricsError: The metrics' address cannot be used.
    """
    check(settings)
    who = identity()
    with statedir.claimed(settings.state_dir):
        await _run(settings, who)


async def _run(settings: Settings, who: Identity) -> None:
    async with connected(settings, who) as link:
        agent = _Agent(settings, who, link)
        try:
            await _until_stopped(agent)
        finally:
            agent.close()


def check(settings: Settings) -> None:
    """What only this program can tell of the settings. Raises `ConfigError`."""
    launchers = Launchers(settings.state_dir, settings.engine)
    known = {**drivers(launchers), **markets(settings.state_dir)}
    for group in settings.groups:
        for workload in group.workloads:
            if workload.driver not in known:
                raise ConfigError(
                    f"group {group.name}: workload {workload.name}: driver {workload.driver!r} "
                    f"is unknown; this agent has {', '.join(sorted(known))}"
                )
            if workload.park is not None and (fault := sleepless(workload)):
                where = f"group {group.name}: workload {workload.name}: park"
                raise ConfigError(f"{where}: {fault}; mend that, or leave `park` out")
            if not startable(workload):
                raise ConfigError(
                    f"group {group.name}: workload {workload.name}: has neither `command`, `unit` "
                    "nor `container`; name the program to run, the systemd unit to start, or the "
                    "image (with the driver `command`: `commands`)"
                )
    listed = {workload.driver for group in settings.groups for workload in group.workloads}
    if HiveOs().present and HIVE_OS not in listed:
        logs.get("agent").warning("Hive OS may start its miner at any time", reason=HIVE_OS_ADVICE)


def log_command(settings: Settings, name: str | None) -> list[str]:
    """The command that shows what `GROUP/WORKLOAD` wrote; without a name, what the agent wrote.

    Raises:
        ConfigError: The rig's file lists no such workload.
    """
    if name is None:
        return ["journalctl", f"--unit={AGENT_UNIT}"]
    group, _, wanted = name.partition("/")
    try:
        workload = settings.workload(group, wanted)
    except KeyError:
        known = [f"{g.name}/{w.name}" for g in settings.groups for w in g.workloads]
        raise ConfigError(f"no workload {name}; there are {', '.join(known)}") from None
    return shown_by(workload, settings)


class _Agent:
    """A rig with its eyes, its hands and its metrics."""

    def __init__(self, settings: Settings, who: Identity, link: AgentLink) -> None:
        gpus = tuple(gpu for group in settings.groups for gpu in group.gpus)
        self._telemetry = Telemetry(
            settings.gpu,
            gpus,
            host=hosts.Host(settings.state_dir, rig_clock),
            rig_time_s=rig_clock,
            workloads=self._readings,
        )
        self._launchers = Launchers(settings.state_dir, settings.engine)
        checker = settings.gpu.checker
        self._who = who
        self._rig = Rig(
            settings,
            who,
            Equipment(
                link=link,
                journals={
                    g.name: FileJournal(journal_path(settings, g.name)) for g in settings.groups
                },
                drivers={**drivers(self._launchers), **markets(settings.state_dir)},
                probe=self._telemetry,
                tuner=tuner_of(settings.gpu),
                checker=None if checker is None else CommandChecker(checker),
                sampler=self._telemetry,
                router=HookRouter(),
                rng=random.Random(),
            ),
        )
        self._supervision = Supervision(ServiceManager(os.environ), self._rig.reactors)
        self._record = SwitchRecord()
        self._learner = Learner(
            settings,
            self._rig.reactors,
            self._telemetry,
            Notebook(settings.state_dir / LEARNED),
            self._rig.uplink.tell,
        )
        self._rig.on_outcome(self._ended)
        self._metrics = MetricsServer(
            settings.metrics.host,
            settings.metrics.port,
            AgentMetrics(self._snapshot).render,
            self._ready,
        )
        host = (
            f"[{settings.metrics.host}]" if ":" in settings.metrics.host else settings.metrics.host
        )
        self._rig.uplink.metrics_url = f"http://{host}:{self._metrics.port}/metrics"

    async def run(self) -> None:
        """Work until cancelled."""
        self._metrics.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._telemetry.run(), name="telemetry")
            tasks.create_task(self._rig.run(), name="rig")
            tasks.create_task(self._supervision.run(), name="supervision")
            tasks.create_task(self._learner.run(), name="learner")

    def stopping(self) -> None:
        """Say that it was told to stop."""
        self._supervision.stopping()

    def close(self) -> None:
        """Let go of the port and of what was started."""
        self._metrics.close()
        self._launchers.close()

    def _ended(self, group: str, outcome: model.Outcome) -> None:
        self._record.add(group, outcome)
        self._learner.ended(group, outcome)

    def _ready(self) -> bool:
        """The controller has spoken once, and GPUs were seen, or it is known why not."""
        return self._rig.uplink.ever_heard and self._telemetry.settled.is_set()

    def _readings(self) -> tuple[model.WorkloadReading, ...]:
        return self._rig.readings()

    def _pins(self) -> tuple[PinCount, ...]:
        record = self._rig.pins
        return tuple(
            PinCount(
                group,
                wallets=record.findings[group, "wallet"],
                pools=record.findings[group, "pool"],
                failures=record.failures[group],
            )
            for group in self._rig.reactors
        )

    def _snapshot(self) -> AgentSnapshot:
        uplink, health = self._rig.uplink, self._telemetry.health()
        counts = uplink.counts
        return AgentSnapshot(
            version=self._who.version,
            rig_time_s=rig_clock(),
            sample=self._telemetry.latest(),
            sample_age_s=health.age_s,
            collector_restarts=health.restarts,
            collectors_abandoned=health.abandoned,
            groups=uplink.statuses(),
            outcomes=self._record.outcomes(),
            phase_times=self._record.phase_times(),
            pins=self._pins(),
            learned=self._learner.measured(),
            safety=tuple(
                SafetyCount(name, action, count)
                for name, reactor in self._rig.reactors.items()
                for action, count in sorted(reactor.safety_actions.items())
            ),
            lease_left_s=uplink.lease_left_s,
            connected=uplink.heard,
            link=LinkCounts(sent=counts.sent, received=counts.received, refused=counts.refused),
        )


async def _until_stopped(agent: _Agent) -> None:
    """Work until a signal comes, then leave in order."""
    work = asyncio.create_task(agent.run(), name="agent")
    loop = asyncio.get_running_loop()

    def stop() -> None:
        agent.stopping()
        work.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    log = logs.get("agent")
    log.info("running", version=importlib.metadata.version("rigshift"))
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped; workloads go on")
