"""What a scripted workload shall do: `Workload.script`, read and checked. Simulation only."""

from __future__ import annotations

import msgspec

from agent.core.workload import Workload
from agent.ports import DriverError

MEMORY_BYTES = 8 * 1024**3
"""GPU memory that a scripted workload holds, unless its script says otherwise."""

SLEEPING_BYTES = 700 * 1024**2
"""The same while it sleeps."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviour of one scripted workload; without a script it is quick and does all well."""

    prepare_s: float = 0.0
    prepare_fails: str | bool = False
    """Preparing fails after `prepare_s`; a text is the reason."""
    start_s: float = 0.0
    """From the start of the process, which exists at once, until starting it has succeeded."""
    start_fails: str | bool = False
    """Starting fails after `start_s`, and no process was ever there."""
    half_start: bool = False
    """Starting fails after `start_s`, but the process is there and stays."""
    ready_s: float = 0.0
    """From the start of the process until it does its work."""
    never_ready: bool = False
    probe_fails: str | bool = False
    """Probing finds that it cannot recover; a text is the reason."""
    exit_after_s: float | None = None
    """The process ends by itself this long after its start."""
    stop_s: float = 0.0
    """From TERM until the process has ended."""
    ignores_term: bool = False
    """Only KILL ends it."""
    stop_hangs: bool = False
    """Neither TERM nor KILL ends it, like a process stuck in a GPU driver."""
    drain_s: float = 0.0
    drain_hangs: bool = False
    """Draining never ends by itself."""
    drain_fails: str | bool = False
    locked_after_s: float | None = None
    """From its start until somebody outside has a claim on it, unless it is being drained then."""
    locked_for_s: float = 0.0
    """How long that claim lasts."""
    sleep_s: float = 0.0
    """From the order to sleep until it sleeps."""
    sleep_fails: str | bool = False
    """It refuses to sleep, and stays awake."""
    sleep_lies: bool = False
    """It says that it sleeps, and holds all of its memory."""
    sleeping_bytes: int = SLEEPING_BYTES
    """Held on each of its GPUs while it sleeps."""
    wakes_after_s: float | None = None
    """It wakes by itself so long after it fell asleep."""
    wake_s: float = 0.0
    """From the order to wake until it is awake."""
    wake_fails: str | bool = False
    """It refuses to wake, and goes on sleeping."""
    memory_bytes: int = MEMORY_BYTES
    """Held on each of its GPUs."""
    keeps_memory_s: float = 0.0
    """Its GPU memory stays taken this long after its process has ended."""
    keeps_memory: bool = False
    """Its GPU memory stays taken for good, until `ScriptedWorld.reset`."""
    hashrate_hps: float | None = None
    """Reported once it does its work."""
    tokens_per_s: float | None = None
    """Grows what it reports as generated tokens."""


def script(workload: Workload) -> Script:
    """Read a workload's script. Raises `DriverError` for unknown or ill-typed behaviour."""
    try:
        return msgspec.convert(workload.script, Script)
    except msgspec.ValidationError as error:
        raise DriverError(f"{workload.key}: `script`: {error}") from error


def reason(fails: str | bool, otherwise: str) -> str:
    """The text of a `…_fails`, or a plain one."""
    return fails if isinstance(fails, str) else otherwise
