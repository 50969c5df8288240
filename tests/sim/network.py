"""The network of a simulation: loses, repeats, reorders, delays, and lets attackers in.

Every frame travels as a `Letter`, which knows the truth about itself: who sent it and when.
Nothing under test sees more of it than its bytes; checkers compare what was believed with it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from agent.uplink import Counts
from tests.sim.checks import letters as checks
from tests.sim.faults import CALM_S, Fault, Schedule
from tests.sim.witness import Witness
from wire import codec
from wire.memory import MemoryNetwork, _AgentEnd, _FleetEnd
from wire.signing import SIGNATURE_BYTES
from wire.transport import AgentLink


class Letter(bytes):
    """A frame, and what is true of it."""

    rig: str = ""
    """The rig that sent it, or that it was made for."""
    run: int = 0
    """Upward: which run of the rig's agent sent it."""
    number: int = 0
    """Grows with every letter, in order of sending."""
    sent_s: float = 0.0
    """Virtual seconds."""
    fault: str = ""
    """Why nobody may believe it; empty: it is genuine."""
    boot_id: str = ""
    """Downward: the boot of the rig that it was made for."""
    dated_s: float = 0.0
    """Downward: rig clock that it is dated by."""
    expires_s: float = 0.0
    """Downward: rig clock at which it stops to count."""
    renews: bool = False
    """Downward: it is an order, so it renews the lease."""


class Weather:
    """What happens to letters on their way; implements `wire.memory.Faults`."""

    def __init__(self, rng: random.Random, schedule: Schedule) -> None:
        self._rng = rng
        self._schedule = schedule
        self._silences = [m for m in schedule.mishaps if m.kind in (Fault.DEAF, Fault.MUTE)]

    def fate(self, rig: str, *, upward: bool, frame: bytes) -> Sequence[float]:
        """See `wire.memory.Faults`."""
        now = asyncio.get_running_loop().time()
        if now >= CALM_S:
            return (0.01,)
        silenced = Fault.MUTE if upward else Fault.DEAF
        for mishap in self._silences:
            struck = mishap.kind is silenced and mishap.who == rig
            if struck and mishap.start_s <= now < mishap.end_s:
                return ()
        if self._rng.random() < self._schedule.loss:
            return ()
        copies = 2 if self._rng.random() < self._schedule.repeat else 1
        return tuple(self._rng.expovariate(1.0 / self._schedule.delay_s) for _ in range(copies))


class SimNetwork(MemoryNetwork):
    """A `MemoryNetwork` that keeps every letter, for attackers and checkers."""

    def __init__(self, weather: Weather, now: Callable[[], float]) -> None:
        super().__init__(weather)
        self.up: dict[str, list[Letter]] = {}
        """Letters that each rig has sent."""
        self.down: dict[str, list[Letter]] = {}
        """Letters that were made for each rig."""
        self._now = now
        self._numbers = 0
        self._runs: dict[str, int] = {}
        self._run_of: dict[int, int] = {}

    def agent_link(self, rig: str) -> AgentLink:
        """See `MemoryNetwork`; each is another run of the rig's agent."""
        self._runs[rig] = self._runs.get(rig, 0) + 1
        end = super().agent_link(rig)
        self._run_of[id(end)] = self._runs[rig]
        return end

    def send_up(self, sender: _AgentEnd, frame: bytes) -> None:
        """See `MemoryNetwork`."""
        letter = self._letter(frame, sender.rig)
        letter.run = self._run_of[id(sender)]
        self.up.setdefault(sender.rig, []).append(letter)
        super().send_up(sender, letter)

    def send_down(self, sender: _FleetEnd, rig: str, frame: bytes, keep_s: float) -> None:
        """See `MemoryNetwork`."""
        super().send_down(sender, rig, self.made_for(rig, frame), keep_s)

    def made_for(self, rig: str, frame: bytes) -> Letter:
        """A letter that is genuine, whoever it will be given to."""
        letter = self._letter(frame, rig)
        read = codec._DOWN.decode(frame[SIGNATURE_BYTES:])
        letter.boot_id, letter.dated_s = read.boot_id, read.rig_time_s
        letter.expires_s = read.rig_time_s + read.ttl_s
        letter.renews = read.name == "Order"
        self.down.setdefault(rig, []).append(letter)
        return letter

    def deliver_up(self, rig: str, letter: Letter) -> None:
        """Put a letter into the controller's hands, as coming over this rig's link."""
        self._arrive_up(rig, letter)

    def deliver_down(self, rig: str, letter: Letter) -> None:
        """Put a letter into a rig's hands."""
        self._arrive_down(rig, letter)

    def _letter(self, frame: bytes, rig: str) -> Letter:
        self._numbers += 1
        letter = Letter(frame)
        letter.rig, letter.number, letter.sent_s = rig, self._numbers, self._now()
        return letter


class CheckedLink:
    """A rig's link that sees whether each letter was judged as it deserves."""

    def __init__(
        self, link: AgentLink, witness: Witness, fault: Callable[[Letter], str | None]
    ) -> None:
        """`fault`: why a letter must be refused; empty: it must not be; none: it may be."""
        self.counts: Counts | None = None
        self._link = link
        self._witness = witness
        self._fault = fault
        self._open: tuple[str | None, int] | None = None

    async def send(self, frame: bytes) -> None:
        """See `AgentLink`."""
        await self._link.send(frame)

    async def receive(self) -> bytes:
        """See `AgentLink`; whoever asks for the next letter has judged the last one."""
        if self._open is not None and self.counts is not None:
            fault, refused = self._open
            if fault is not None:
                self._witness(checks.judged(fault, refused=self.counts.refused > refused))
        letter = await self._link.receive()
        if isinstance(letter, Letter) and self.counts is not None:
            self._open = self._fault(letter), self.counts.refused
        return letter

    async def close(self) -> None:
        """See `AgentLink`."""
        await self._link.close()


def spoiled(letter: Letter, data: bytes, fault: str) -> Letter:
    """What an attacker made of a letter."""
    copy = Letter(data)
    copy.__dict__.update(letter.__dict__)
    copy.fault = fault
    return copy
