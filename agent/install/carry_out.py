"""Carries out steps, one after the other, each in one go; decides nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from agent import durable
from agent.install.accounts import Accounts
from agent.install.steps import File, Note, Put, Remove, Run, Step, Stop

COMMAND_TIMEOUT_S = 180.0
"""Longer than a unit may take to start or stop."""


class StepError(Exception):
    """A step failed, and those behind it were not begun; the text says what went wrong."""


def carry_out(step: Step, root: str, stop: Callable[[str], None]) -> None:
    """Do one step.

    Args:
        step: What to do.
        root: Folder that holds another machine's tree; empty: this machine.
        stop: Stops a workload by its key.

    Raises:
        StepError: It could not be done.
    """
    try:
        match step:
            case Put():
                _put(step, Path(f"{root}{step.path}"), Accounts(root))
            case Remove(path):
                _remove(Path(f"{root}{path}"))
            case Run(command):
                _run(command)
            case Stop(key):
                stop(key)
            case Note():
                pass
    except OSError as error:
        raise StepError(f"{error.filename or step}: {error.strerror}") from error


def _put(step: Put, path: Path, accounts: Accounts) -> None:
    entry = step.entry
    try:
        owner = accounts.users()[entry.owner], accounts.groups()[entry.group]
    except KeyError as error:
        raise StepError(f"{path}: user or group {error} does not exist") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(entry, File):
        durable.replace(path, entry.content, mode=entry.mode, owner=owner)
    else:
        path.mkdir(exist_ok=True)
        os.chown(path, *owner)
        path.chmod(entry.mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _run(command: tuple[str, ...]) -> None:
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise StepError(f"{' '.join(command)}: not done in {COMMAND_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        raise StepError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
