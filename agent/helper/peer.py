"""Who is at the other end of a socket, by the kernel's word."""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import dataclass

_PEERGROUPS = 59
"""`SO_PEERGROUPS`, which Python's `socket` has no name for."""

_GROUPS_BYTES_MAX = 1024
"""What Python asks the kernel for at most; a process with more groups than that is refused."""

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """A process, as it was when it connected."""

    pid: int
    uid: int
    groups: frozenset[int]
    """Its own and its supplementary ones."""


def peer(connection: socket.socket) -> Peer:
    """Raises `OSError` when the kernel does not tell."""
    level = socket.SOL_SOCKET
    credentials = connection.getsockopt(level, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(credentials)
    groups = array.array("I")
    groups.frombytes(connection.getsockopt(level, _PEERGROUPS, _GROUPS_BYTES_MAX))
    return Peer(pid, uid, frozenset({gid, *groups}))
