"""Launcher over systemd units that the rig's owner installed beforehand.

Starting, stopping and killing are systemd's: a unit ends with all of its processes, outlives the
agent and is found again by its state. The agent never writes a unit and never reloads systemd.
How long a unit has between TERM and KILL is its own `TimeoutStopSec`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agent.core.options import Options
from agent.core.pins import Evidence
from agent.core.workload import Workload
from agent.drivers import ending, evidence, unit_journal
from agent.drivers.bus import SERVICE, UNIT, BusError, SystemdBus
from agent.ports import DriverError

KILL_WAIT_S = 10.0
"""For systemd and the kernel to give a killed unit up; past it, it is stuck in a device driver."""

BUS_RETRY_S = 2.0
"""Between two attempts to reach systemd while a unit is watched."""

LEFT_LOOK_S = 2.0
"""Between two looks at processes that outlived their unit: nothing announces their end."""

_AT_REST = ("inactive", "failed")
_DENIED = (
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
)
_NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit"


@dataclass(frozen=True, slots=True)
class _Look:
    """A unit at one moment."""

    path: str
    facts: dict[str, Any]
    """Its properties, by systemd's names."""
    commands: dict[int, str]
    """Command lines of its processes by pid, quoted as for a shell."""

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(sorted(self.commands))

    @property
    def at_rest(self) -> bool:
        return self.facts["ActiveState"] in _AT_REST

    @property
    def alive(self) -> bool:
        # A unit that systemd gave up on may have left processes that even KILL did not end.
        return not self.at_rest or bool(self.pids)

    def __str__(self) -> str:
        pids = ", ".join(map(str, self.pids))
        state = f"{self.facts['ActiveState']} ({self.facts['SubState']})"
        return f"{state}, pid {pids}" if pids else state


class UnitLauncher:
    """Runs each workload as the unit that it names."""

    def __init__(self, bus: SystemdBus) -> None:
        self._bus = bus

    def close(self) -> None:
        """Hang up; the units go on. Calling it twice is harmless."""
        self._bus.close()

    async def prepare(self, workload: Workload) -> None:
        """Check that the unit is fit to be switched. Raises `DriverError`."""
        facts = (await self._look(workload)).facts
        problem = _unfit(facts, stop_s=workload.deadlines.stop_s)
        if problem:
            raise DriverError(f"{workload.key}: unit {workload.unit} {problem}")

    async def start(self, workload: Workload) -> None:
        """Start the unit unless any of its processes runs. Raises `DriverError`."""
        try:
            with self._bus.changes() as changes:
                if (await self._look(workload)).alive:
                    return
                job = await self._bus.manager("StartUnit", workload.unit, "fail")
                result = await changes.job(job)
        except BusError as error:
            raise _translated(error, workload) from error
        if result != "done":
            look = await self._look(workload)
            how = await _ending(look.facts)
            raise DriverError(
                f"{workload.key}: unit {workload.unit} did not start ({result}): {how}"
            )

    async def alive(self, workload: Workload) -> bool:
        """Whether the unit is up or any process of it is left. Raises `DriverError`."""
        return (await self._look(workload)).alive

    async def stop(self, workload: Workload, grace_s: float) -> None:
        """Stop the unit; returns when no process of it is left.

        `grace_s` seconds and the time that a kill takes are how long systemd gets for all of it.

        Raises:
            DriverError: Something of it still runs.
        """
        result = "not done in time"
        try:
            with self._bus.changes() as changes:
                if not (await self._look(workload)).alive:
                    return
                try:
                    async with asyncio.timeout(grace_s + KILL_WAIT_S):
                        job = await self._bus.manager("StopUnit", workload.unit, "replace")
                        result = await changes.job(job)
                except TimeoutError:
                    pass
        except BusError as error:
            raise _translated(error, workload) from error
        look = await self._look(workload)
        if look.alive:
            raise DriverError(
                f"{workload.key}: unit {workload.unit} could not be stopped ({result}): "
                f"still {look}"
            )

    async def processes(self, workload: Workload) -> frozenset[int]:
        """Pids of the unit's processes. Raises `DriverError`."""
        return frozenset((await self._look(workload)).pids)

    async def exited(self, workload: Workload) -> str:
        """Wait until no process of the unit is left, and say how its main one ended."""
        while True:
            try:
                return await self._exited(workload)
            except (BusError, DriverError):
                # Whoever lost systemd knows nothing of the unit; that is not an exit.
                await asyncio.sleep(BUS_RETRY_S)

    async def evidence(self, workload: Workload, known: Options | None) -> tuple[Evidence, ...]:
        """What systemd would start and with what, drop-ins included, and what runs.

        Raises:
            DriverError: systemd cannot be asked.
        """
        look = await self._look(workload)
        return await asyncio.to_thread(
            evidence.of_unit, workload.unit, look.facts, look.commands, known
        )

    async def _exited(self, workload: Workload) -> str:
        with self._bus.changes() as changes:
            last: dict[str, Any] = {}
            while (look := await self._look(workload)).alive:
                last |= look.facts
                if look.at_rest:
                    await asyncio.sleep(LEFT_LOOK_S)
                else:
                    last |= await changes.of(look.path)
        # systemd forgets a unit that ended well as soon as nobody needs it.
        return await _ending(look.facts if look.facts["InvocationID"] else last)

    async def _look(self, workload: Workload) -> _Look:
        """Raises `DriverError`."""
        try:
            path = str(await self._bus.manager("LoadUnit", workload.unit))
            facts = await self._bus.properties(path, UNIT)
            if facts["LoadState"] == "loaded":
                facts |= await self._bus.properties(path, SERVICE)
            return _Look(path, facts, await self._commands(workload.unit))
        except BusError as error:
            raise _translated(error, workload) from error

    async def _commands(self, unit: str) -> dict[int, str]:
        try:
            processes = await self._bus.manager("GetUnitProcesses", unit)
        except BusError as error:
            if error.name != _NO_SUCH_UNIT:
                raise
            # Forgotten since the look: a unit with processes never is.
            return {}
        return {pid: text for _, pid, text in processes}


def _unfit(facts: dict[str, Any], *, stop_s: float) -> str:
    """Why the agent cannot rely on a unit of this shape; empty when it can."""
    if facts["LoadState"] != "loaded":
        return f"is {facts['LoadState']}; install it, and run `systemctl daemon-reload`"
    if facts["UnitFileState"] in ("enabled", "enabled-runtime"):
        return "is enabled: it would start at boot beside another workload; disable it"
    if facts["Restart"] != "no":
        return f"has Restart={facts['Restart']}; the agent decides on restarts, so write Restart=no"
    allowed_s = stop_s / 2
    timeout_s = facts["TimeoutStopUSec"] / 1e6
    if timeout_s > allowed_s:
        takes = f"TimeoutStopSec={timeout_s:g}" if timeout_s < 1e9 else "TimeoutStopSec=infinity"
        return (
            f"has {takes}; at most {allowed_s:g} s, half of `deadlines.stop_s`, "
            "leave time to kill it"
        )
    return ""


async def _ending(facts: dict[str, Any]) -> str:
    how = ending.of_unit(
        code=facts.get("ExecMainCode", 0),
        status=facts.get("ExecMainStatus", 0),
        result=facts.get("Result", "success"),
    )
    line = await unit_journal.last_line(bytes(facts.get("InvocationID", b"")).hex())
    return f"{how}; last log line: {line}" if line else how


def _translated(error: BusError, workload: Workload) -> DriverError:
    if error.name in _DENIED:
        return DriverError(
            f"{workload.key}: the agent may not manage unit {workload.unit}; "
            "name it in /etc/polkit-1/rules.d/50-rigshift.rules"
        )
    return DriverError(f"{workload.key}: unit {workload.unit}: {error}")
