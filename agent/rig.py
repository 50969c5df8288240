"""A rig at work: its groups' reactors, its uplink, and the eyes of safety, under one roof."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from agent.bedside import Bedside
from agent.core import safety
from agent.core.model import Derated, Faulted, State, Tripped
from agent.core.pins import Finding
from agent.core.workload import Workload
from agent.performer import Performer
from agent.ports import (
    Checker,
    Driver,
    DriverError,
    GpuProbe,
    Journal,
    Pinned,
    Router,
    Sampler,
    Tuner,
)
from agent.reactor import Reactor
from agent.settings import GroupSettings, SafetySettings, Settings
from agent.uplink import Identity, Uplink
from wire import logs, model
from wire.transport import AgentLink

PINS_LOOK_S = 2.0
"""Between two looks at whom a workload pays; a finding must end it within ten seconds."""

PINS_TIMEOUT_S = 3.5
"""For one such look; an API that is silent does not keep what else was seen from counting."""

KEEP_OUT_INTERVAL_S = 10.0
"""Between two looks whether somebody else has started a workload that shall not run."""

READ_TIMEOUT_S = 5.0
"""A workload that takes longer to speak of itself says nothing this time."""

SETTING_OUT = frozenset({model.Phase.PREPARING, model.Phase.TUNING})
"""Phases in which a group in danger must hear of it before the next sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """Everything outside that a rig works with; each is a port."""

    link: AgentLink
    journals: Mapping[str, Journal]
    """By group."""
    drivers: Mapping[str, Driver]
    """By short name."""
    probe: GpuProbe
    tuner: Tuner
    checker: Checker | None = None
    """Before inference; none: what is read back is enough."""
    sampler: Sampler
    router: Router
    rng: random.Random


class PinRecord:
    """What the looks at pins came to since the agent's start."""

    def __init__(self) -> None:
        self.findings: Counter[tuple[str, str]] = Counter()
        """By group, and `wallet` or `pool`."""
        self.failures: Counter[str] = Counter()
        """Looks by group that told nothing."""

    def found(self, group: str, findings: tuple[Finding, ...]) -> None:
        """Count them."""
        self.findings.update((group, finding.kind) for finding in findings)

    def failed(self, group: str) -> None:
        """Count a look that failed."""
        self.failures[group] += 1


class Rig:
    """One machine's share of the fleet."""

    def __init__(self, settings: Settings, identity: Identity, equipment: Equipment) -> None:
        self._settings = settings
        self._equipment = equipment
        self._readings: dict[str, model.WorkloadReading] = {}
        self._demands: dict[str, safety.Demand] = {}
        """What safety demanded of each group in the newest sample."""
        self._tickets: dict[str, int] = {}
        """The phase of each group in which that was said last."""
        self._log = logs.get("rig", rig=settings.rig)
        self.pins = PinRecord()
        performers = {
            group.name: _performer(group, settings, equipment) for group in settings.groups
        }
        self.reactors = {
            group.name: Reactor(
                group.name,
                group.rules(),
                equipment.journals[group.name],
                performers[group.name],
                clock=identity.clock,
                changed=self._changed,
            )
            for group in settings.groups
        }
        self._bedsides = [
            Bedside(self.reactors[group.name], performers[group.name])
            for group in settings.groups
            if any(workload.park for workload in group.workloads)
        ]
        self.uplink = Uplink(settings, identity, equipment.link, self.reactors, equipment.sampler)

    def on_outcome(self, listener: Callable[[str, model.Outcome], None]) -> None:
        """Tell `listener` of every assignment that ends, with its group."""
        for reactor in self.reactors.values():
            reactor.on_outcome = listener

    def readings(self) -> tuple[model.WorkloadReading, ...]:
        """What the running workloads said of themselves last."""
        return tuple(self._readings.values())

    async def run(self) -> None:
        """Work until cancelled. Workloads go on running afterwards."""
        async with asyncio.TaskGroup() as tasks:
            for name, reactor in self.reactors.items():
                tasks.create_task(reactor.run(), name=f"reactor:{name}")
            tasks.create_task(self.uplink.run(), name="uplink")
            tasks.create_task(self._guard(), name="safety")
            tasks.create_task(self._read(), name="readings")
            for group in self._settings.groups:
                if any(workload.pins for workload in group.workloads):
                    tasks.create_task(self._keep_pinned(group.name), name=f"pins:{group.name}")
            for bedside in self._bedsides:
                tasks.create_task(
                    self._repeat(bedside.look, self._settings.gpu.slow_interval_s), name="bedside"
                )
            for name, reactor in self.reactors.items():
                look, guard = reactor.look_at_lock, reactor.keep_out
                tasks.create_task(
                    self._repeat(look, self._settings.lock_interval_s), name=f"lock:{name}"
                )
                tasks.create_task(self._repeat(guard, KEEP_OUT_INTERVAL_S), name=f"guard:{name}")

    def _changed(self) -> None:
        # A group in danger that sets out meanwhile must not get as far as a start.
        for group, demand in self._demands.items():
            state = self.reactors[group].state
            # Once for each phase: a journal that refuses is told of too, again and again.
            if state.phase in SETTING_OUT and self._tickets.get(group) != state.ticket:
                self._tickets[group] = state.ticket
                self._demand(group, demand)
        self.uplink.changed()

    async def _guard(self) -> None:
        """Look at every sample once, and demand what safety does."""
        limits = self._settings.safety.limits()
        watch, seen_s = safety.Watch(), float("-inf")
        while True:
            sample = self._equipment.sampler.latest()
            if sample.ok and sample.at_s > seen_s:
                seen_s = sample.at_s
                watch, self._demands = safety.look(watch, sample, self._guarded(), limits)
                for group, demand in self._demands.items():
                    self._demand(group, demand)
            await asyncio.sleep(self._settings.gpu.fast_interval_s)

    def _guarded(self) -> dict[str, safety.Guarded]:
        return {
            group.name: _guarded(group, self.reactors[group.name].state, self._settings.safety)
            for group in self._settings.groups
        }

    def _demand(self, group: str, demand: safety.Demand) -> None:
        """Tell the group, unless it does so already; said again until it does."""
        reactor = self.reactors[group]
        running = reactor.state.phase is model.Phase.RUNNING
        match demand:
            case safety.Stop(reason=reason) if not _is_stopped(reactor, demand):
                reactor.post(Tripped(reason))
            case safety.Derate(step=step, reason=reason) if running:
                reactor.post(Derated(step, reason))
            case safety.Restart(reason=reason) if running:
                reactor.post(Faulted(reason))

    async def _keep_pinned(self, group: str) -> None:
        """Look again and again whether what runs pays whom this rig's file approves."""
        while True:
            workload = self._active(group)
            if workload is not None and workload.pins:
                self._unpinned(group, workload, await self._unapproved(workload))
            await asyncio.sleep(PINS_LOOK_S)

    async def _unapproved(self, workload: Workload) -> tuple[Finding, ...]:
        driver = self._equipment.drivers[workload.driver]
        if not isinstance(driver, Pinned):
            return ()
        try:
            async with asyncio.timeout(PINS_TIMEOUT_S):
                return await driver.unapproved(workload)
        except (DriverError, TimeoutError) as error:
            why: str = str(error) or f"no answer within {PINS_TIMEOUT_S:g} s"
            self._log.warning("pins not checked", group=workload.group, error=why)
        except Exception as error:  # noqa: BLE001 - a bug in one driver must not end the rig
            self._log.error("driver crashed", exc_info=error, group=workload.group)
        self.pins.failed(workload.group)
        return ()

    def _unpinned(self, group: str, workload: Workload, found: tuple[Finding, ...]) -> None:
        # What was looked at may have gone meanwhile: then its successor has not done it.
        if found and self._active(group) == workload and not self.reactors[group].state.tripped:
            self.pins.found(group, found)
            self.reactors[group].post(Tripped(f"{workload.name}: {'; '.join(map(str, found))}"))

    def _active(self, group: str) -> Workload | None:
        """What may run there; nothing that has left the rig's file since it was started."""
        active = self.reactors[group].state.active
        try:
            return None if active is None else self._settings.workload(group, active)
        except KeyError:
            return None

    async def _repeat(self, look: Callable[[], Awaitable[None]], interval_s: float) -> None:
        while True:
            try:
                await look()
            except Exception as error:  # noqa: BLE001 - a bug in one driver must not end the rig
                self._log.error("driver crashed", exc_info=error)
            await asyncio.sleep(interval_s)

    async def _read(self) -> None:
        """Ask each active workload how it does, slowly: it costs the workload something too."""
        while True:
            for name in self.reactors:
                reading = await self._reading(self._active(name))
                if reading is None:
                    self._readings.pop(name, None)
                else:
                    self._readings[name] = reading
            await asyncio.sleep(self._settings.telemetry_interval_s)

    async def _reading(self, workload: Workload | None) -> model.WorkloadReading | None:
        if workload is None:
            return None
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._equipment.drivers[workload.driver].read(workload)
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - a bug in one driver must not end the rig
            self._log.error(
                "driver crashed", exc_info=error, group=workload.group, workload=workload.name
            )
            return None


def _performer(group: GroupSettings, settings: Settings, equipment: Equipment) -> Performer:
    return Performer(
        group,
        settings.gpu,
        equipment.drivers,
        probe=equipment.probe,
        tuner=equipment.tuner,
        checker=equipment.checker,
        router=equipment.router,
        rng=equipment.rng,
    )


def _guarded(group: GroupSettings, state: State, chosen: SafetySettings) -> safety.Guarded:
    active = next((w for w in group.workloads if w.name == state.active), None)
    kind = None if active is None else active.kind
    return safety.Guarded(
        gpus=group.gpus,
        workload=state.active,
        kind=kind,
        ladder=chosen.ladder(kind),
        derate=state.derate or 0,
        lent=state.lock is not None or (active is not None and active.market is not None),
    )


def _is_stopped(reactor: Reactor, demand: safety.Stop) -> bool:
    """Where nothing runs there is nothing to stop, however long heat lasts."""
    if not reactor.resumed:
        return False
    if reactor.state.phase is model.Phase.IDLE:
        return not demand.at_rest
    return reactor.state.phase is model.Phase.FAILED or bool(reactor.state.tripped)
