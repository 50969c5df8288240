"""How a process ended, in words; the same for every launcher."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

_SIGNALLED = 128
"""Above it, what engines give for an exit code tells of a signal."""

_PLAIN_RESULTS = ("success", "exit-code", "signal", "core-dump")


def of_process(exit_code: int) -> str:
    """`exit_code`: as `os.waitstatus_to_exitcode` gives it, negative for a signal."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"ended by {name}"


def of_container(state: Mapping[str, Any]) -> str:
    """How a container's first process ended, by what its engine says of its state."""
    code = state.get("ExitCode")
    if not isinstance(code, int):
        return "ended; its container is gone"
    how = of_process(_SIGNALLED - code if code > _SIGNALLED else code)
    notes = ["out of memory"] if state.get("OOMKilled") else []
    notes += [str(state["Error"])] if state.get("Error") else []
    return f"{how} ({'; '.join(notes)})" if notes else how


def of_unit(*, code: int, status: int, result: str) -> str:
    """How a unit's main process ended, and what systemd made of it.

    Args:
        code: systemd's `ExecMainCode`, a `CLD_…` number; 0 when there was no process.
        status: Exit code or signal, by `code`.
        result: systemd's `Result`, such as `timeout` or `oom-kill`.
    """
    if code == os.CLD_EXITED:
        how = of_process(status)
    elif code in (os.CLD_KILLED, os.CLD_DUMPED):
        how = of_process(-status)
    else:
        how = "ended"
    return how if result in _PLAIN_RESULTS else f"{how} ({result})"
