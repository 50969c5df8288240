"""What a workload's process is given: its argument list and its environment.

Nothing of the agent's own environment reaches it but the few variables named here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.core.workload import Workload
from agent.ports import DriverError

MARKER = "RIGSHIFT_WORKLOAD"
"""Variable in the environment of every process of a workload: the path of its record file.

Whatever else is lost, processes are found by it; every launcher sets it.
"""

INHERITED = ("HOME", "LANG", "LC_ALL", "LOGNAME", "TZ", "USER")
"""Variables that pass from the agent to its workloads."""

PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for when the agent itself has no `PATH`."""


def inherited(agent: Mapping[str, str]) -> dict[str, str]:
    """What of the agent's environment reaches any program that it runs."""
    return {
        "PATH": agent.get("PATH", PATH_DEFAULT),
        **{name: agent[name] for name in INHERITED if name in agent},
    }


def environment(workload: Workload, marker: str, agent: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of `workload`; `agent` is the environment of the agent."""
    return {
        **inherited(agent),
        **workload.environment,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(workload.gpus),
        MARKER: marker,
    }


def arguments(workload: Workload, words: Sequence[str] | None = None) -> list[str]:
    """Absolute path of the program, then its arguments with `{gpus}` filled in.

    `words` stand in place of the workload's own command.

    Raises:
        DriverError: There is no such program, or it may not be executed.
    """
    chosen = workload.command if words is None else words
    if not chosen:
        raise DriverError(f"{workload.key}: `command` is empty; name the program to run")
    gpus = ",".join(workload.gpus)
    program, *rest = (argument.replace("{gpus}", gpus) for argument in chosen)
    return [_find(program, workload), *rest]


def option_value(workload: Workload, option: str) -> str | None:
    """What `--option value` or `--option=value` says, the last one; ``None`` when it is not there.

    Of a unit nothing is known: its command line stands in the unit.
    """
    found = None
    for index, argument in enumerate(workload.command):
        name, equals, value = argument.partition("=")
        if name == option:
            found = value if equals else "".join(workload.command[index + 1 : index + 2])
    return found


def _find(program: str, workload: Workload) -> str:
    path = workload.environment.get("PATH", os.environ.get("PATH", PATH_DEFAULT))
    found = shutil.which(program, path=path)
    if found is not None:
        return str(Path(found).absolute())
    if os.sep not in program:
        raise DriverError(f"{workload.key}: program {program} is not in PATH ({path})")
    if Path(program).exists():
        raise DriverError(f"{workload.key}: {program} may not be executed; check its mode")
    raise DriverError(f"{workload.key}: program {program} does not exist")
