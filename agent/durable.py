"""Files that hold through a power cut: replaced whole or not at all, and lines that show damage."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

PRIVATE_MODE = 0o600


def replace(
    path: Path,
    content: bytes,
    *,
    mode: int = PRIVATE_MODE,
    owner: tuple[int, int] | None = None,
) -> None:
    """Put `content` in the place of whatever is at `path`.

    Args:
        path: In a folder that exists. Beside it a file `.NAME.new` is written first.
        content: The whole file.
        mode: Its permissions.
        owner: Numbers of its user and group; none: who calls.

    Raises:
        OSError: It could not be done; what was there before still is.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    try:
        # Exclusively: in a folder of others, nobody may have laid a link there.
        with fresh.open("xb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """See that the names in it are on the disk. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def line(payload: bytes) -> bytes:
    """`payload`, which holds no line break, as a line that begins with its checksum."""
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


def payload(line: bytes) -> bytes:
    """What a line holds, with or without its break. Raises `ValueError` when damaged."""
    checksum, _, held = line.removesuffix(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(held):
        raise ValueError("a line has a wrong checksum")
    return held
