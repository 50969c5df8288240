"""One JSON line to a TCP API on loopback, one JSON document back.

Some miners close the connection after their answer, some end it with a NUL byte, some do neither;
the answer ends with whichever comes first. Time and size are bounded.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

ANSWER_BYTES_MAX = 1024 * 1024
"""Longest answer; that of a rig with twelve GPUs takes about a hundredth."""

_READ_BYTES = 64 * 1024


class TcpError(Exception):
    """There was no usable answer; one clause says why."""


async def ask(host: str, port: int, line: str, *, timeout_s: float) -> bytes:
    """Send `line`, return the answer. Raises `TcpError`."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _converse(host, port, line)
    except TimeoutError as error:
        raise TcpError(f"no answer within {timeout_s:g} s") from error
    except ConnectionRefusedError as error:
        raise TcpError("nothing listens there") from error
    except OSError as error:
        raise TcpError(f"the connection failed: {error}") from error


async def _converse(host: str, port: int, line: str) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(line.encode() + b"\n")
        await writer.drain()
        return await _receive(reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _receive(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    while piece := await reader.read(_READ_BYTES):
        answer += piece
        if len(answer) > ANSWER_BYTES_MAX:
            raise TcpError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
        end = answer.find(b"\0")
        if end >= 0:
            return bytes(answer[:end])
        if _is_whole(bytes(answer)):
            break
    return bytes(answer)


def _is_whole(answer: bytes) -> bool:
    """Whether it can already be understood: such a server may keep the connection open."""
    if not answer.rstrip().endswith((b"}", b"]")):
        return False
    try:
        msgspec.json.decode(answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return True
