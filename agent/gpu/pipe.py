"""What the agent and its GPU collector say to each other: one JSON line per message.

The collector speaks on standard output and listens on standard input; the end of its standard
input is its order to end.
"""

from __future__ import annotations

import msgspec

from wire.model import GpuReading

LINE_BYTES_MAX = 2 * 1024 * 1024
"""Longest line either side accepts; 64 GPUs with 128 processes each need about a third."""

OPENING = "nvmlInit"
"""Name of the call that opens the driver; it may take far longer than any other."""


class Avoided(msgspec.Struct, frozen=True, array_like=True):
    """A GPU of which a driver call hung: it is left alone for a while, so that others are seen."""

    gpu: str
    """UUID, or `GPU number N` where it hung before it could be named."""
    for_s: float
    """From the start of the collector."""
    why: str


class Options(msgspec.Struct, frozen=True):
    """How a collector shall work; its only command line argument, as JSON."""

    source: str
    gpus: tuple[str, ...]
    """UUIDs that must be accounted for; others that the driver shows are reported too."""
    simulated_dir: str | None
    fast_interval_s: float
    slow_interval_s: float
    avoided: tuple[Avoided, ...] = ()


class Look(msgspec.Struct, frozen=True, tag=True):
    """Every GPU, read once."""

    gpus: tuple[GpuReading, ...]


class Blind(msgspec.Struct, frozen=True, tag=True):
    """No GPU can be looked at; the collector ends, because only a new process can try afresh."""

    reason: str


class Answer(msgspec.Struct, frozen=True, tag=True):
    """Memory and processes of the GPUs that were asked for, read after the asking."""

    request: int
    gpus: tuple[GpuReading, ...]


class Stuck(msgspec.Struct, frozen=True, tag=True):
    """A driver call has not come back yet."""

    call: str
    for_s: float
    gpu: str = ""
    """The GPU that it is about, if it is about one."""


class Ask(msgspec.Struct, frozen=True, tag=True):
    """Look at these GPUs now, please."""

    request: int
    gpus: tuple[str, ...]


Message = Look | Blind | Answer | Stuck


def encode(message: Message | Ask) -> bytes:
    """One line, newline included."""
    line = msgspec.json.encode(message) + b"\n"
    assert len(line) <= LINE_BYTES_MAX, "sources bound what they read"
    return line


def decode(line: bytes) -> Message:
    """Raises `ValueError` for anything but a message of the collector."""
    message: Message = msgspec.json.decode(line, type=Message)
    return message


def decode_ask(line: bytes) -> Ask:
    """Raises `ValueError` for anything but a request."""
    return msgspec.json.decode(line, type=Ask)
