"""Long frames of a rig travel deflated (RFC 1950): eight GPUs of one kind say much the same.

What is deflated begins with a byte that no plain frame begins with. Whoever inflates says how much
it will take at most, and never makes more than that, whatever the bytes promise.
"""

from __future__ import annotations

import zlib

SQUEEZED_FROM_BYTES = 512
"""Shorter frames gain nothing worth the time."""

LEVEL = 6
MARK = 0x78
"""First byte of a deflated frame; a plain one is a MessagePack array of less than 16 fields."""


def squeezed(frame: bytes) -> bytes:
    """The frame as it travels."""
    return frame if len(frame) < SQUEEZED_FROM_BYTES else zlib.compress(frame, LEVEL)


def unsqueezed(frame: bytes, bytes_max: int) -> bytes:
    """The frame as it was made. Raises `ValueError` for one that is damaged or too long."""
    if frame[:1] != bytes([MARK]):
        return frame
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(frame, bytes_max)
    except zlib.error as error:
        raise ValueError(f"it cannot be inflated: {error}") from error
    if inflater.unused_data:
        raise ValueError("something follows its end")
    if not inflater.eof:
        raise ValueError(f"it has no end within {bytes_max} bytes")
    return plain
