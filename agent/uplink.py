"""The rig's voice and ear: reports what is, verifies what is asked, and watches the lease.

It says hello, repeats its state as a heartbeat, sends changes at once, keeps outcomes until they
are acknowledged and samples while the controller is silent. It never decides anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent import reports
from agent.core.model import Acknowledged, Assigned, Lapsed, Renewed
from agent.ports import Sampler
from agent.reactor import Reactor
from agent.settings import Settings
from wire import codec, logs, messages, model
from wire.messages import Down, Up
from wire.signing import Verifier
from wire.transport import AgentLink

REPORT_GAP_S = 0.2
"""Changes closer together than this travel in one report."""

SAMPLES_KEPT_MAX = 1_000
"""Samples kept while the controller is silent; older ones are thinned out first."""

SAMPLES_PER_FRAME_MAX = 8

FIRST_LOOK_S = 0.1
"""Between two looks whether there is a first sample, and somebody to hear of it."""

REFUSAL_GAP_S = 1.0
"""Refusals are told and logged at most this often: a flood must not be answered one for one."""

SILENCE_REPORTS = 3
"""So many heartbeats without a word from the controller count as silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who speaks: the machine's boot, this process, and the rig clock."""

    boot_id: str
    run_id: str
    version: str
    clock: Callable[[], float]
    """Seconds since the machine booted, suspend included."""


@dataclass(slots=True)
class Counts:
    """Frames so far, for the metrics."""

    sent: int = 0
    received: int = 0
    refused: int = 0


class Uplink:
    """A rig's end of the conversation."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        link: AgentLink,
        reactors: Mapping[str, Reactor],
        sampler: Sampler,
    ) -> None:
        self.counts = Counts()
        self.metrics_url: str | None = None
        self.lease_until_s = identity.clock() + settings.boot_grace_s
        """Rig clock at which the assignments lapse unless they are renewed."""
        self._settings = settings
        self._identity = identity
        self._link = link
        self._reactors = reactors
        self._sampler = sampler
        self._verifier = Verifier(settings.order_key)
        self._changed = asyncio.Event()
        self._clock_last = 0.0
        self._heard_s = identity.clock() - settings.boot_grace_s
        self._refused_s = float("-inf")
        self._lease_s = 0.0
        self._kept: deque[model.Sample] = deque(maxlen=SAMPLES_KEPT_MAX)
        self._log = logs.get("uplink", rig=settings.rig)

    @property
    def heard(self) -> bool:
        """Whether the controller has spoken lately."""
        return self._identity.clock() - self._heard_s < self._silence_s

    @property
    def ever_heard(self) -> bool:
        """Whether the controller has spoken to this agent at all."""
        return self._lease_s > 0

    @property
    def lease_left_s(self) -> float:
        """Seconds until the assignments lapse; negative after."""
        return self.lease_until_s - self._identity.clock()

    def changed(self) -> None:
        """Some group's state is new: report it soon."""
        self._changed.set()

    async def tell(self, body: messages.UpBody) -> None:
        """Say what will be said again anyway; nothing while the controller is silent."""
        if self.heard:
            await self._send(body)

    async def run(self) -> None:
        """Talk until cancelled; says goodbye then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(), name="uplink:listen")
                tasks.create_task(self._report(), name="uplink:report")
                tasks.create_task(self._measure(), name="uplink:measure")
                tasks.create_task(self._watch_lease(), name="uplink:lease")
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await self._send(messages.Gone())

    # Up.

    async def _report(self) -> None:
        await self._hello()
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            await self._send(messages.StateReport(self.statuses()))
            outcomes = tuple(o for r in self._reactors.values() for o in reports.outcomes(r))
            if outcomes:
                await self._send(messages.Outcomes(outcomes))
            await asyncio.sleep(REPORT_GAP_S)
            heartbeat = loop.call_later(self._settings.report_interval_s, self._changed.set)
            await self._changed.wait()
            heartbeat.cancel()

    async def _hello(self) -> None:
        groups = tuple(group.offer() for group in self._settings.groups)
        await self._send(messages.Hello(self._identity.version, groups, self.metrics_url))

    def statuses(self) -> tuple[model.GroupStatus, ...]:
        """Observed state of every group that has resumed its journal."""
        return tuple(
            reports.status(reactor) for reactor in self._reactors.values() if reactor.resumed
        )

    async def _measure(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.telemetry_interval_s):
                while not (self.heard and self._sampler.latest().ok):  # noqa: ASYNC110 - looks
                    await asyncio.sleep(FIRST_LOOK_S)
        while True:
            self._keep(self._sampler.latest())
            while self.heard and self._kept:
                count = min(SAMPLES_PER_FRAME_MAX, len(self._kept))
                batch = tuple(self._kept.popleft() for _ in range(count))
                await self._send(messages.Telemetry(batch))
            await asyncio.sleep(self._settings.telemetry_interval_s)

    def _keep(self, sample: model.Sample) -> None:
        """A long silence is kept whole but coarser: every second sample goes when it is full."""
        if len(self._kept) == SAMPLES_KEPT_MAX:
            coarser = list(self._kept)[::2]
            self._kept.clear()
            self._kept.extend(coarser)
        self._kept.append(sample)

    async def _send(self, body: messages.UpBody) -> None:
        try:
            frame = codec.encode_up(self.envelope(body))
        except codec.CodecError as error:
            self._log.error("frame not sent", error=str(error), body=type(body).__name__)
            return
        self.counts.sent += 1
        await self._link.send(frame)

    def envelope(self, body: messages.UpBody) -> Up:
        """A message with this rig's name and a rig clock that no other message carries."""
        self._clock_last = max(self._identity.clock(), self._clock_last + 1e-6)
        identity = self._identity
        return Up(self._settings.rig, identity.boot_id, identity.run_id, self._clock_last, body)

    # Down.

    async def _listen(self) -> None:
        while True:
            frame = await self._link.receive()
            self.counts.received += 1
            problem = await self._receive(frame)
            if problem:
                await self._refuse(problem)

    async def _refuse(self, problem: str) -> None:
        self.counts.refused += 1
        now = self._identity.clock()
        if now - self._refused_s < REFUSAL_GAP_S:
            return
        self._refused_s = now
        self._log.warning("refused", reason=problem, so_far=self.counts.refused)
        await self._send(messages.Refused(problem))

    async def _receive(self, frame: bytes) -> str:
        """Take one frame in; why it was refused, or nothing."""
        try:
            down = codec.decode_down(frame, self._verifier, self._settings.rig)
        except codec.CodecError as error:
            return str(error)
        problem = self._stale(down)
        if problem:
            return problem
        self._heard_s = self._identity.clock()
        match down.body:
            case messages.Order() as order:
                return self._order(order, down.rig_time_s)
            case messages.OutcomesAck(through=through):
                for group, generation in through.items():
                    if group in self._reactors:
                        self._reactors[group].post(Acknowledged(generation))
            case messages.Welcome():
                await self._hello()
                self.changed()
        return ""

    def _stale(self, down: Down) -> str:
        """Freshness by this rig's own clock and boot; nobody's wall clock counts."""
        if down.boot_id != self._identity.boot_id:
            return "the frame was made for another boot of this machine"
        late_s = self._identity.clock() - (down.rig_time_s + down.ttl_s)
        return f"the frame expired {late_s:.1f} s ago" if late_s > 0 else ""

    def _order(self, order: messages.Order, rig_time_s: float) -> str:
        self._lease_s = order.lease_s
        self.lease_until_s = max(self.lease_until_s, rig_time_s + order.lease_s)
        if self.lease_left_s > 0:
            self._renew()
        unknown = [a.group for a in order.assignments if a.group not in self._reactors]
        for assignment in order.assignments:
            reactor = self._reactors.get(assignment.group)
            if reactor is None:
                continue
            if assignment.generation > reactor.state.desired.generation:
                reactor.post(Assigned(reports.desired(assignment)))
        return f"this rig has no group {', '.join(unknown)}" if unknown else ""

    def _renew(self) -> None:
        """The lease is the whole rig's: groups that were never assigned anything have it too."""
        # Even where the group has not lapsed: that may be waiting in its queue.
        for reactor in self._reactors.values():
            reactor.post(Renewed())

    async def _watch_lease(self) -> None:
        while True:
            left_s = self.lease_left_s
            if left_s <= 0:
                for reactor in self._reactors.values():
                    if not reactor.state.lapsed:
                        reactor.post(Lapsed())
            await asyncio.sleep(max(left_s, self._settings.report_interval_s))

    @property
    def _silence_s(self) -> float:
        """A rig at rest hears from its controller only as often as the lease is renewed."""
        return max(SILENCE_REPORTS * self._settings.report_interval_s, self._lease_s / 2)
