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
        sessions = self._sessions.all()
        for rig in list(sessions):
            if not self._fleet.admitted(rig):
                self._mail.pop(rig, None)
            elif sessions[rig].hello is not None and not sessions[rig].gone:
                await self._deliver_to(rig)

    async def greet(self, rig: str, *, planned: bool) -> None:
        """The rig has just come (back): tell it at once, or after the plan that is due anyway."""
        self._mail.pop(rig, None)
        if not planned:
            await self._deliver_to(rig)

    async def _deliver_to(self, rig: str) -> None:
        assignments, unobserved = self._fleet.assigned(rig), self._fleet.unobserved(rig)
        generations = tuple(assignment.generation for assignment in assignments)
        mail, attempts = self._mail.get(rig), 0
        if mail is not None and mail.generations == generations:
            if self._clock() - mail.at < self._pause_s(mail, unobserved=unobserved):
                return
            attempts = mail.attempts + 1 if unobserved else 0
        self.sent += 1
        self.resent += bool(attempts)
        order = messages.Order(assignments, self._lease_s, self._stamp())
        await self._sessions.send(rig, order, keep_s=self._lease_s)
        self._mail[rig] = _Mail(self._clock(), attempts, generations)

    def _pause_s(self, mail: _Mail, *, unobserved: bool) -> float:
        """Between two orders of the same content."""
        renewal_s = self._lease_s / RENEWALS_PER_LEASE
        return min(renewal_s, RESEND_S * 2.0 ** min(mail.attempts, 10)) if unobserved else renewal_s
