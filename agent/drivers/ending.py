"""How a process ended, in words; the same for every launcher."""

from __future__ import annotations

import os
import signal

_PLAIN_RESULTS = ("success", "exit-code", "signal", "core-dump")


def of_process(exit_code: int) -> str:
    """`exit_code`: as `os.waitstatus_to_exitcode` gives it, negative for a signal."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    number = -exit_code
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    return f"ended by {name}"


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
