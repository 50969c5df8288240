"""A rig at work: its groups' reactors, its uplink, and the eyes of safety, under one roof."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from agent.core import safety
from agent.core.model import Tripped
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
from agent.settings import Settings
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
        self._log = logs.get("rig", rig=settings.rig)
        self.pins = PinRecord()
        self.reactors = {
            group.name: Reactor(
                group.name,
                group.rules(),
                equipment.journals[group.name],
                Performer(
                    group,
                    settings.gpu,
                    equipment.drivers,
                    probe=equipment.probe,
                    tuner=equipment.tuner,
                    checker=equipment.checker,
                    router=equipment.router,
                    rng=equipment.rng,
                ),
                clock=identity.clock,
                changed=self._changed,
            )
            for group in settings.groups
        }
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
            for name in self.reactors:
                tasks.create_task(self._keep_pinned(name), name=f"pins:{name}")
            for name, reactor in self.reactors.items():
                look, guard = reactor.look_at_lock, reactor.keep_out
                tasks.create_task(
                    self._repeat(look, self._settings.lock_interval_s), name=f"lock:{name}"
                )
                tasks.create_task(self._repeat(guard, KEEP_OUT_INTERVAL_S), name=f"guard:{name}")

    def _changed(self) -> None:
        self.uplink.changed()

    async def _guard(self) -> None:
        """Look at every sample once, and stop what is in danger."""
        chosen = self._settings.safety
        limits = safety.Limits(
            temperature_max_c=chosen.temperature_max_c,
            memory_temperature_max_c=chosen.memory_temperature_max_c,
            samples=chosen.samples,
        )
        groups = {group.name: group.gpus for group in self._settings.groups}
        watch, seen_s = safety.Watch(), float("-inf")
        while True:
            sample = self._equipment.sampler.latest()
            if sample.ok and sample.at_s > seen_s:
                seen_s = sample.at_s
                watch, reasons = safety.look(watch, sample, groups, limits)
                for group, reason in reasons.items():
                    self._trip(group, reason)
            await asyncio.sleep(self._settings.gpu.fast_interval_s)

    def _trip(self, group: str, reason: str) -> None:
        reactor = self.reactors[group]
        # Where nothing runs there is nothing to stop, however long the danger lasts.
        at_rest = reactor.state.phase in (model.Phase.IDLE, model.Phase.FAILED)
        if not at_rest and not reactor.state.tripped:
            self._log.error("safety stop", group=group, reason=reason)
            reactor.post(Tripped(reason))

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
            self._trip(group, f"{workload.name}: {'; '.join(map(str, found))}")

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
