"""Ports of the link between a rig and the controller, and what a link may do to frames.

A link may lose, repeat, reorder or delay frames. It may not alter them unnoticed, and it may not
mistake one rig for another. Nothing in rigshift relies on more than this, so one simulated
network stands for every transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

FRAME_BYTES_MAX = 256 * 1024
"""Longest frame that a link carries, in bytes; both ends drop longer ones unread."""


class LinkError(Exception):
    """The link cannot be used as configured; the text says what to do about it.

    A connection that is down is not an error: a link reconnects by itself and drops frames
    meanwhile.
    """


class Reach(Enum):
    """How far an attempt to reach the other end came."""

    ACCEPTED = "accepted"
    ANSWERED = "answered"
    """Something is there; whether it lets this rig in was not asked."""
    REFUSED = "refused"
    """Something answers, and does not let this key or password in."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Contact:
    """An attempt to reach the other end."""

    reach: Reach
    detail: str = ""


class AgentLink(Protocol):
    """A rig's end."""

    async def send(self, frame: bytes) -> None:
        """Send towards the controller, or drop; never blocks for longer than a second."""

    async def receive(self) -> bytes:
        """Wait for the next frame from the controller; on a closed link for ever."""

    async def close(self) -> None:
        """Leave; frames under way may be lost. Calling it twice is harmless."""


@dataclass(frozen=True, slots=True)
class Received:
    """A frame and the rig that the link has authenticated as its sender."""

    rig: str
    frame: bytes


class FleetLink(Protocol):
    """The controller's end."""

    async def send(self, rig: str, frame: bytes, *, keep_s: float = 0.0) -> None:
        """Send to one rig, or drop; never blocks for longer than a second.

        Args:
            rig: Receiver. No other rig can receive the frame.
            frame: At most `FRAME_BYTES_MAX` bytes.
            keep_s: For how many seconds the link may hold the frame for a rig that is away; a
                link that cannot hold frames ignores it. A newer kept frame replaces an older.
        """

    async def receive(self) -> Received:
        """Wait for the next frame from any rig; on a closed link for ever."""

    async def close(self) -> None:
        """Leave; frames under way may be lost. Calling it twice is harmless."""
