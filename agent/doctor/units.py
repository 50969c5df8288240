"""The agent as a service, and its right to start the workloads' units."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent.doctor.finding import Finding, Machine, Result, Unseen
from agent.drivers.bus import SERVICE, UNIT, BusError, SystemdBus
from agent.service import AGENT_UNIT
from agent.settings import Settings

ACTION = "org.freedesktop.systemd1.manage-units"
VERBS = ("start", "stop")

STATE_HOMES = Path("/var/lib")
"""Where systemd makes what StateDirectory= names."""

ANSWER_S = 10.0
"""polkit answers at once."""

IDLE_S = "600"
"""Longest life of the process that stands for the agent while polkit is asked."""


async def service(settings: Settings | None) -> AsyncIterator[Result]:
    """The agent's own unit; nothing where it is not installed as one."""
    with closing(SystemdBus()) as bus:
        try:
            path = str(await bus.manager("LoadUnit", AGENT_UNIT))
            facts = await bus.properties(path, UNIT)
            if facts["LoadState"] != "loaded":
                return
            facts |= await bus.properties(path, SERVICE)
        except BusError as error:
            yield Unseen(AGENT_UNIT, str(error))
            return
    if facts["ActiveState"] not in ("active", "activating", "reloading"):
        mend = f"`rigshift-agent logs` says why; then `systemctl restart {AGENT_UNIT}`"
        yield Finding("agent-down", AGENT_UNIT, f"it is {facts['ActiveState']}", mend)
    if facts["UnitFileState"] == "disabled":
        mend = f"`systemctl enable {AGENT_UNIT}`"
        yield Finding("agent-disabled", AGENT_UNIT, "it would not start at boot", mend)
    if settings is not None and not _may_write(settings.state_dir, facts):
        mend = "keep it below /var/lib/rigshift, or add ReadWritePaths= by `systemctl edit`"
        wrong = f"{AGENT_UNIT} may not write there"
        yield Finding("state-denied", str(settings.state_dir), wrong, mend)


def _may_write(path: Path, facts: dict[str, Any]) -> bool:
    """Whether the unit's confinement leaves `path` writable."""
    own = [STATE_HOMES / name for name in facts["StateDirectory"]]
    more = [Path(each.lstrip("+-")) for each in facts["ReadWritePaths"]]
    confined = facts["ProtectSystem"] == "strict"
    return not confined or any(path.is_relative_to(each) for each in (*own, *more))


def rights(settings: Settings, machine: Machine) -> Iterator[Result]:
    """Ask polkit for each unit what it would answer the agent."""
    units = [w.unit for group in settings.groups for w in group.workloads if w.unit]
    program = shutil.which("pkcheck")
    if not units:
        return
    if program is None:
        mend = "`apt-get install polkitd`"
        yield Finding("polkit-missing", "polkit", "without it no unit can be started", mend)
    elif os.geteuid() != 0:
        yield Unseen("right to start units", "only root may ask polkit on another's behalf")
    else:
        with _stand_in(machine.user) as pid:
            denied = [unit for unit in units if not _allowed(program, pid, unit)]
        for unit in denied:
            yield Finding(
                "unit-denied",
                unit,
                f"user {machine.user} may not start and stop it",
                "`rigshift-agent install` writes the polkit rule for the units of the rig's file",
            )


def _allowed(program: str, pid: int, unit: str) -> bool:
    for verb in VERBS:
        details = ["--detail", "unit", unit, "--detail", "verb", verb]
        command = [program, "--action-id", ACTION, "--process", str(pid), *details]
        done = subprocess.run(command, check=False, capture_output=True, timeout=ANSWER_S)
        if done.returncode != 0:
            return False
    return True


@contextmanager
def _stand_in(user: str) -> Iterator[int]:
    """A process of the agent's user: polkit is asked about processes."""
    process = subprocess.Popen(["sleep", IDLE_S], user=user, group=user, extra_groups=[])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
