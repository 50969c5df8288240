"""One process per state directory: two would undo each other's journals or orders."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.configfile import ConfigError

LOCK = "lock"


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Make the directory if need be and keep others out of it; the kernel lets go for the dead.

    Raises:
        ConfigError: It cannot be written, or another process has it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (path / LOCK).open("w", encoding="ascii")
    except OSError as error:
        raise ConfigError(
            f"{path}: it must be possible to write here: {error.strerror}; "
            "mend `state_dir` or its owner"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{path}: another process works with this state (`fuser {path / LOCK}` names it); "
                "stop it, or give each its own `state_dir`"
            ) from error
        yield
