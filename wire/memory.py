"""In-process network on one event loop, with a hook that decides the fate of every frame.

The simulation runs on it, and the contract tests hold it to what every transport promises. It
never uses a thread, a socket, randomness, or a clock other than the loop's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from wire.transport import FRAME_BYTES_MAX, AgentLink, FleetLink, Received

T = TypeVar("T")

AGENT_INBOX_FRAMES_MAX = 256
"""Frames that wait for one rig; the oldest gives way, for newer desired state replaces older."""

FLEET_INBOX_FRAMES_MAX = 65_536
"""Frames that wait for the controller, from all rigs together; the oldest gives way."""


class Faults(Protocol):
    """What the network does to frames; a deterministic one makes the network deterministic."""

    def fate(self, rig: str, *, upward: bool, frame: bytes) -> Sequence[float]:
        """The delay of each copy to deliver, in seconds; none at all: the frame is lost."""


class NoFaults:
    """Every frame arrives once, at once, in order."""

    def fate(self, rig: str, *, upward: bool, frame: bytes) -> Sequence[float]:  # noqa: ARG002
        """One copy, without delay."""
        return (0.0,)


class MemoryNetwork:
    """Rigs and a controller that reach each other without leaving the process.

    Opening a link again for the same rig (or for the fleet) supersedes the older one: frames go
    to the newest only, those already under way too, and the older one falls silent.
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or NoFaults()
        self._agents: dict[str, _AgentEnd] = {}
        self._fleet: _FleetEnd | None = None
        self._kept: dict[str, tuple[bytes, float]] = {}

    def agent_link(self, rig: str) -> AgentLink:
        """Open a rig's end; needs a running loop, on which a kept frame is delivered."""
        end = self._agents[rig] = _AgentEnd(self, rig)
        frame, until = self._kept.get(rig, (b"", 0.0))
        if asyncio.get_running_loop().time() < until:
            self._travel(rig, frame, upward=False)
        else:
            self._kept.pop(rig, None)
        return end

    def fleet_link(self) -> FleetLink:
        """Open the controller's end."""
        self._fleet = _FleetEnd(self)
        return self._fleet

    def send_up(self, sender: _AgentEnd, frame: bytes) -> None:
        """Carry a frame from a rig's present link; one that was closed or superseded is mute."""
        if self._agents.get(sender.rig) is sender and len(frame) <= FRAME_BYTES_MAX:
            self._travel(sender.rig, frame, upward=True)

    def send_down(self, sender: _FleetEnd, rig: str, frame: bytes, keep_s: float) -> None:
        """Carry a frame to a rig, and hold it for `keep_s` seconds for a later link of that rig."""
        if self._fleet is not sender or len(frame) > FRAME_BYTES_MAX:
            return
        if keep_s > 0.0:
            self._kept[rig] = frame, asyncio.get_running_loop().time() + keep_s
        self._travel(rig, frame, upward=False)

    def leave(self, end: _AgentEnd | _FleetEnd) -> None:
        """Forget a link, unless a newer one has taken its place."""
        if isinstance(end, _FleetEnd):
            self._fleet = None if self._fleet is end else self._fleet
        elif self._agents.get(end.rig) is end:
            del self._agents[end.rig]

    def _travel(self, rig: str, frame: bytes, *, upward: bool) -> None:
        arrive: Callable[[str, bytes], None] = self._arrive_up if upward else self._arrive_down
        loop = asyncio.get_running_loop()
        for delay_s in self._faults.fate(rig, upward=upward, frame=frame):
            if delay_s > 0.0:
                loop.call_later(delay_s, arrive, rig, frame)
            else:
                # Timers of one moment have no order among themselves; these calls do.
                loop.call_soon(arrive, rig, frame)

    def _arrive_up(self, rig: str, frame: bytes) -> None:
        if self._fleet is not None:
            self._fleet.inbox.put(Received(rig, frame))

    def _arrive_down(self, rig: str, frame: bytes) -> None:
        if (end := self._agents.get(rig)) is not None:
            end.inbox.put(frame)


class _Inbox(Generic[T]):
    """Items waiting for one receiver; when full, the oldest gives way."""

    def __init__(self, items_max: int) -> None:
        self._items: deque[T] = deque(maxlen=items_max)
        self._arrival: asyncio.Future[None] | None = None

    def put(self, item: T) -> None:
        self._items.append(item)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def take(self) -> T:
        while not self._items:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._items.popleft()


class _AgentEnd:
    def __init__(self, network: MemoryNetwork, rig: str) -> None:
        self.rig = rig
        self.inbox: _Inbox[bytes] = _Inbox(AGENT_INBOX_FRAMES_MAX)
        self._network = network

    async def send(self, frame: bytes) -> None:
        self._network.send_up(self, frame)

    async def receive(self) -> bytes:
        return await self.inbox.take()

    async def close(self) -> None:
        self._network.leave(self)


class _FleetEnd:
    def __init__(self, network: MemoryNetwork) -> None:
        self.inbox: _Inbox[Received] = _Inbox(FLEET_INBOX_FRAMES_MAX)
        self._network = network

    async def send(self, rig: str, frame: bytes, *, keep_s: float = 0.0) -> None:
        self._network.send_down(self, rig, frame, keep_s)

    async def receive(self) -> Received:
        return await self.inbox.take()

    async def close(self) -> None:
        self._network.leave(self)
