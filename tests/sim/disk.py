"""A machine's disk under the shipped journal: what was not synced may be lost, torn or reordered.

It stands in for the few calls of `os` and `Path` that `agent.journal` and `agent.durable` make. It
keeps to what POSIX promises and to nothing more: a file's bytes are safe after `fsync` of the file,
its name after `fsync` of its directory. A killed process loses nothing; a power cut loses the rest.
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from agent import durable, journal


class PowerCutError(BaseException):
    """The process dies at this very line."""


def check_death(error: BaseException | None) -> None:
    """An agent may die of its disk, and of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        error = error.split(PowerCutError)[1]
    if error is not None and not isinstance(error, PowerCutError):
        raise error


class _Node:
    """A file's bytes: as processes see them, and as the platter has them."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = b""


class SimDisk:
    """The files of one machine."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        """Why nothing can be written; none: there is room."""
        self.fuse: int | None = None
        """So many more operations, then the process dies in the midst of one."""
        self.dies_renaming = False
        """It dies right after the next file was replaced."""
        self._names: dict[str, _Node] = {}
        self._synced_names: dict[str, _Node] = {}

    def path(self, name: str) -> Path:
        """A path on this disk, for `agent.journal.FileJournal` only."""
        return cast(Path, SimPath(self, name))

    def cut_power(self, rng: random.Random) -> None:
        """Only what was synced is certain to be there afterwards; of the rest, chance decides."""
        names = {
            name: node
            for name in sorted({*self._names, *self._synced_names})
            if (node := rng.choice(self._bindings(name))) is not None
        }
        for node in {id(node): node for node in names.values()}.values():
            node.synced = self._surviving(node, rng)
            node.data = bytearray(node.synced)
        self._names, self._synced_names = names, dict(names)

    def rot(self, rng: random.Random) -> bool:
        """Flip one bit of a file, as often as not in its newest line; whether there was one."""
        nodes = [node for _, node in sorted(self._names.items()) if node.data]
        if not nodes:
            return False
        node = rng.choice(nodes)
        newest = node.data.rfind(b"\n", 0, -1) + 1
        node.data[rng.randrange(rng.choice((0, newest)), len(node.data))] ^= 1 << rng.randrange(8)
        node.synced = bytes(node.data)
        return True

    def wipe(self) -> None:
        """Another disk is put in."""
        self._names, self._synced_names = {}, {}

    def burn(self) -> bool:
        """One operation more; whether it is the process's last."""
        if self.fuse is None:
            return False
        self.fuse -= 1
        if self.fuse > 0:
            return False
        self.fuse = None
        return True

    def begin(self) -> None:
        """An operation that either happens or does not."""
        if self.burn():
            raise PowerCutError

    def _bindings(self, name: str) -> list[_Node | None]:
        """What a name may stand for after a power cut."""
        now, synced = self._names.get(name), self._synced_names.get(name)
        return [now] if now is synced else [now, synced]

    def _surviving(self, node: _Node, rng: random.Random) -> bytes:
        data = bytes(node.data)
        if data == node.synced:
            return data
        if data.startswith(node.synced):
            least, most = len(node.synced), len(data)
            return data[: rng.choice((least, rng.randint(least, most), most))]
        return rng.choice((data, node.synced))


class SimPath:
    """As much of a `pathlib.Path` as the journal uses."""

    def __init__(self, disk: SimDisk, name: str) -> None:
        self.disk = disk
        self.name = name

    def __str__(self) -> str:
        return self.name

    @property
    def parent(self) -> SimPath:
        """The machine's one directory."""
        return SimPath(self.disk, "")

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """It is there."""

    def exists(self) -> bool:
        """See `Path`."""
        return self.name in self.disk._names

    def with_name(self, name: str) -> SimPath:
        """See `Path`."""
        return SimPath(self.disk, name)

    def unlink(self, *, missing_ok: bool) -> None:
        """See `Path`."""
        if self.exists() or not missing_ok:
            self.disk.begin()
            del self.disk._names[self.name]

    def read_bytes(self) -> bytes:
        """See `Path`."""
        if not self.exists():
            raise FileNotFoundError(2, "No such file or directory")
        return bytes(self.disk._names[self.name].data)

    def open(self, mode: str, buffering: int = -1) -> SimFile:
        """See `Path`; `ab`, `wb` and `xb` only."""
        self.disk.begin()
        if mode == "xb" and self.exists():
            raise FileExistsError(17, "File exists")
        if mode == "wb" or not self.exists():
            self.disk._names[self.name] = _Node()
        return SimFile(self.disk, self.disk._names[self.name], raw=buffering == 0)

    def replace(self, target: SimPath) -> None:
        """See `Path`: at once and whole, but safe only when the directory is synced."""
        self.disk.begin()
        self.disk._names[target.name] = self.disk._names.pop(self.name)
        if self.disk.dies_renaming:
            self.disk.dies_renaming, self.disk.fuse = False, 1


class SimFile:
    """An open file; its own descriptor."""

    def __init__(self, disk: SimDisk, node: _Node, *, raw: bool) -> None:
        self.disk = disk
        self.node = node
        self._raw = raw

    def __enter__(self) -> SimFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def write(self, data: bytes) -> int:
        """See `io.RawIOBase`: a full disk takes half."""
        half = len(data) // 2
        if self.disk.burn():
            self.node.data += data[:half]
            raise PowerCutError
        if self.disk.refusal is not None:
            self.node.data += data[:half]
            if self._raw:
                return half
            raise OSError(errno.ENOSPC, self.disk.refusal)
        self.node.data += data
        return len(data)

    def tell(self) -> int:
        """See `io.IOBase`."""
        return len(self.node.data)

    def flush(self) -> None:
        """See `io.IOBase`; nothing is buffered in the process."""

    def fileno(self) -> SimFile:
        """The descriptor that `SimOs` takes."""
        return self

    def close(self) -> None:
        """See `io.IOBase`."""


class SimOs:
    """As much of `os` as the journal uses."""

    O_RDONLY = os.O_RDONLY
    O_DIRECTORY = os.O_DIRECTORY
    strerror = staticmethod(os.strerror)

    def open(self, path: SimPath, flags: int) -> SimPath:
        """A directory's descriptor."""
        return path

    def close(self, descriptor: SimPath) -> None:
        """See `os`."""

    def fsync(self, descriptor: SimFile | SimPath) -> None:
        """See `os`: of a file its bytes, of a directory its names."""
        descriptor.disk.begin()
        if isinstance(descriptor, SimPath):
            descriptor.disk._synced_names = dict(descriptor.disk._names)
        else:
            descriptor.node.synced = bytes(descriptor.node.data)

    def fchmod(self, descriptor: SimFile, mode: int) -> None:
        """See `os`; who may read is no matter here."""

    def ftruncate(self, descriptor: SimFile, size: int) -> None:
        """See `os`."""
        descriptor.disk.begin()
        del descriptor.node.data[size:]

    def truncate(self, path: SimPath, size: int) -> None:
        """See `os`."""
        path.disk.begin()
        del path.disk._names[path.name].data[size:]


@contextmanager
def mounted() -> Iterator[None]:
    """The journal writes to simulated disks."""
    kept, simulated = journal.__dict__["os"], SimOs()
    for module in (journal, durable):
        module.__dict__["os"] = simulated
    try:
        yield
    finally:
        for module in (journal, durable):
            module.__dict__["os"] = kept
