"""Conversations with rigs: who is there, what they observe, and frames back to them.

A rig's own clock orders its frames and dates the controller's; nothing here reads a wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wire import codec, logs, messages, model
from wire.messages import Down, Up
from wire.signing import Signer
from wire.transport import FleetLink, Received

TTL_S = 30.0
"""A frame that took longer than this from the rig's last word to its arrival is not obeyed."""

RETIRED_BOOTS_MAX = 8
"""Boot ids per rig whose late frames are still recognised as late."""

WELCOME_GAP_S = 1.0
"""A rig whose hello is lost, or cannot be read, is asked for it no more often."""

REFUSALS_LOGGED_EVERY = 100
"""Bad frames may come in floods; the log gets the first and then each hundredth."""


@dataclass(slots=True)
class Session:
    """What is known of one rig since the controller started."""

    rig: str
    boot_id: str
    run_id: str
    rig_time_s: float
    heard_at: float
    """Controller's monotonic clock at the newest frame."""
    gone: bool = False
    hello: messages.Hello | None = None
    """What it offered last; it holds until the next, also over a restart of the agent."""
    greeted_run: str = ""
    """The run that said so."""
    welcomed_at: float = float("-inf")
    """When it was last asked to say hello."""
    groups: dict[str, model.GroupStatus] = field(default_factory=dict)
    sample: model.Sample | None = None
    retired: dict[str, float] = field(default_factory=dict)
    """Earlier boots, with the newest rig clock heard from each; their frames are late."""


@dataclass(slots=True)
class Counts:
    """Frames so far, for the metrics."""

    sent: int = 0
    received: int = 0
    refused: int = 0
    """By this side: malformed, or not whom the link says."""
    refusals: int = 0
    """By rigs, of what this side sent."""


class Sessions:
    """All rigs that have spoken."""

    def __init__(self, link: FleetLink, signer: Signer, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self.counts = Counts()
        self._link = link
        self._signer = signer
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._log = logs.get("sessions")

    def all(self) -> Mapping[str, Session]:
        """By rig."""
        return self._sessions

    async def receive(self) -> Received:
        """Wait for the next frame from any rig."""
        return await self._link.receive()

    def silent_s(self, rig: str) -> float:
        """Seconds since the rig was heard; infinite when it left or never came."""
        session = self._sessions.get(rig)
        if session is None or session.gone:
            return float("inf")
        return self._clock() - session.heard_at

    def accept(self, received: Received) -> messages.UpBody | None:
        """Take a frame in; its news, or nothing when there is none in it."""
        self.counts.received += 1
        try:
            up = codec.decode_up(received.frame)
        except codec.CodecError as error:
            self._refuse(received.rig, str(error))
            return None
        if up.rig != received.rig:
            self._refuse(received.rig, f"its frame claims to come from {up.rig}")
            return None
        session = self._turn(up)
        return None if session is None else self._learn(session, up.body)

    def owes_hello(self, rig: str) -> bool:
        """Whether this run of the rig's agent shall be asked for its hello now."""
        session = self._sessions[rig]
        due = self._clock() - session.welcomed_at >= WELCOME_GAP_S
        if session.greeted_run == session.run_id or not due:
            return False
        session.welcomed_at = self._clock()
        return True

    def forget(self, rig: str) -> None:
        """The rig is no longer admitted."""
        self._sessions.pop(rig, None)

    async def send(self, rig: str, body: messages.DownBody, *, keep_s: float = 0.0) -> None:
        """Send, dated by the rig's own clock; nothing for a rig that never spoke."""
        session = self._sessions.get(rig)
        if session is None:
            return
        ttl_s = max(TTL_S, keep_s)
        down = Down(rig, session.boot_id, session.rig_time_s, ttl_s, body)
        try:
            frame = codec.encode_down(down, self._signer)
        except codec.CodecError as error:
            # One rig that offers too much must not take the fleet's controller with it.
            self._log.error("frame not sent", rig=rig, error=str(error))
            return
        self.counts.sent += 1
        await self._link.send(rig, frame, keep_s=keep_s)

    def _refuse(self, rig: str, reason: str) -> None:
        if self.counts.refused % REFUSALS_LOGGED_EVERY == 0:
            self._log.warning("frame refused", rig=rig, reason=reason, so_far=self.counts.refused)
        self.counts.refused += 1

    def _turn(self, up: Up) -> Session | None:
        """The rig's session, moved on by this frame; none when the frame is late or repeated."""
        session = self._sessions.get(up.rig)
        if session is not None and isinstance(up.body, messages.Gone):
            return self._left(session, up)
        if session is None or session.boot_id != up.boot_id:
            return self._rebooted(session, up)
        if up.rig_time_s <= session.rig_time_s:
            return None
        if session.run_id != up.run_id:
            session.run_id = up.run_id
        self._moved_on(session, up)
        return session

    def _left(self, session: Session, up: Up) -> Session | None:
        """A broker publishes a will long after it was written: only the run counts."""
        if session.run_id != up.run_id:
            return None
        # What it said before it left must not bring it back.
        session.rig_time_s = max(session.rig_time_s, up.rig_time_s)
        return session

    def _rebooted(self, old: Session | None, up: Up) -> Session | None:
        retired = {} if old is None else {**old.retired, old.boot_id: old.rig_time_s}
        if old is not None and up.boot_id in old.retired and not self._misjudged(old, up):
            return None
        retired.pop(up.boot_id, None)
        session = Session(
            rig=up.rig,
            boot_id=up.boot_id,
            run_id=up.run_id,
            rig_time_s=up.rig_time_s,
            heard_at=self._clock(),
            groups={} if old is None else old.groups,
            retired=dict(list(retired.items())[-RETIRED_BOOTS_MAX:]),
        )
        self._sessions[up.rig] = session
        return session

    def _misjudged(self, session: Session, up: Up) -> bool:
        """A frame that was under way for very long can pass for a newer boot than the true one.

        The true one goes on speaking, and the other does not.
        """
        silent = self._clock() - session.heard_at > TTL_S
        return silent and up.rig_time_s > session.retired[up.boot_id]

    def _moved_on(self, session: Session, up: Up) -> None:
        session.rig_time_s = up.rig_time_s
        session.heard_at = self._clock()
        session.gone = False

    def _learn(self, session: Session, body: messages.UpBody) -> messages.UpBody:
        match body:
            case messages.Hello():
                session.hello, session.greeted_run = body, session.run_id
            case messages.StateReport(groups=groups):
                session.groups = {status.group: status for status in groups}
            case messages.Telemetry(samples=samples) if samples:
                session.sample = samples[-1]
            case messages.Gone():
                session.gone = True
            case messages.Refused(reason=reason):
                if self.counts.refusals % REFUSALS_LOGGED_EVERY == 0:
                    self._log.warning("rig refused a frame", rig=session.rig, reason=reason)
                self.counts.refusals += 1
        return body
