"""Sends each rig its desired state until it is observed, and renews its lease.

Desired state is repeated, never queued: a lost order costs a repetition, a repeated one nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.fleet import Fleet
from controller.sessions import Sessions
from wire import messages

RESEND_S = 1.0
"""First pause before an unobserved order is repeated; it doubles up to the renewal interval."""

RENEWALS_PER_LEASE = 3
"""A lease outlives the loss of all but one of its renewals."""


@dataclass(slots=True)
class _Mail:
    """What was last sent to a rig."""

    at: float
    attempts: int
    generations: tuple[int, ...]


class Dispatch:
    """The post office for orders."""

    def __init__(
        self,
        fleet: Fleet,
        sessions: Sessions,
        *,
        lease_s: float,
        clock: Callable[[], float],
        stamp: Callable[[], str],
    ) -> None:
        """`clock`: monotonic seconds; `stamp`: wall clock as RFC 3339, for people."""
        self.sent = 0
        self.resent = 0
        """Orders repeated because they were not observed in time."""
        self._fleet = fleet
        self._sessions = sessions
        self._lease_s = lease_s
        self._clock = clock
        self._stamp = stamp
        self._mail: dict[str, _Mail] = {}

    async def deliver(self) -> None:
        """Send whatever is due now."""
        for rig in list(self._sessions.all()):
            if self._fleet.admitted(rig) and self._due(rig):
                await self._send(rig)

    def hurry(self, rig: str) -> None:
        """The rig has just come (back): tell it at once."""
        self._mail.pop(rig, None)

    def _due(self, rig: str) -> bool:
        session = self._sessions.all()[rig]
        mail = self._mail.get(rig)
        if session.hello is None or session.gone:
            return False
        if mail is None or mail.generations != self._generations(rig):
            return True
        waited_s = self._clock() - mail.at
        pause_s = self._lease_s / RENEWALS_PER_LEASE
        if self._fleet.unobserved(rig):
            pause_s = min(pause_s, RESEND_S * 2.0 ** min(mail.attempts, 10))
        return waited_s >= pause_s

    async def _send(self, rig: str) -> None:
        generations, mail = self._generations(rig), self._mail.get(rig)
        again = mail is not None and mail.generations == generations
        unobserved = self._fleet.unobserved(rig)
        attempts = mail.attempts + 1 if mail is not None and again and unobserved else 0
        self.sent += 1
        self.resent += bool(attempts)
        order = messages.Order(self._fleet.assigned(rig), self._lease_s, self._stamp())
        await self._sessions.send(rig, order, keep_s=self._lease_s)
        self._mail[rig] = _Mail(self._clock(), attempts, generations)

    def _generations(self, rig: str) -> tuple[int, ...]:
        return tuple(assignment.generation for assignment in self._fleet.assigned(rig))
