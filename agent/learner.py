"""Watches the rig at work and tells what it has learned: to its file, its metrics, its controller.

It only looks; without it every switch would go just as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.core import learning
from agent.core.learning import Lessons, Look, Topic
from agent.ports import Sampler
from agent.reactor import Reactor
from agent.settings import GroupSettings, Settings
from wire import figures, messages
from wire.figures import Measured
from wire.model import Outcome, Phase, Sample

TELL_INTERVAL_S = 300.0
"""Between two times that the controller is told and the file is written."""


class Memory(Protocol):
    """Where lessons outlive the agent."""

    def read(self) -> Lessons:
        """What was learned before; never raises."""

    def write(self, lessons: Lessons) -> None:
        """Replace it; never raises."""


@dataclass(slots=True)
class _Rest:
    """A group at rest, since this agent has first seen it so."""

    ticket: int
    since_s: float
    look: Look | None = None


class Learner:
    """A rig's self-knowledge."""

    def __init__(
        self,
        settings: Settings,
        reactors: Mapping[str, Reactor],
        sampler: Sampler,
        memory: Memory,
        tell: Callable[[messages.Learned], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._reactors = reactors
        self._sampler = sampler
        self._memory = memory
        self._tell = tell
        self._lessons: Lessons = memory.read()
        self._rests: dict[str, _Rest] = {}
        self._seen_s = float("-inf")

    async def run(self) -> None:
        """Look, remember and tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="learner:watch")
            tasks.create_task(self._share(), name="learner:share")

    def ended(self, group: str, outcome: Outcome) -> None:
        """Learn the seconds of a switch."""
        profiles = {w.name: w.profile for g in self._groups(group) for w in g.workloads}
        self._lessons = learning.switched(self._lessons, group, outcome, profiles)

    def measured(self) -> tuple[Measured, ...]:
        """What is known of everything that the rig's file lists, under its present profile."""
        lessons = self._lessons
        known = (learning.measured(lessons[topic]) for topic in self._topics() if topic in lessons)
        return tuple(entry for entry in known if not any(figures.problems([entry])))

    def observe(self) -> None:
        """Look once at every group that is at steady work."""
        sample = self._sampler.latest()
        if sample.at_s < self._seen_s:
            self._rests.clear()  # The machine's clock was set back: it has booted.
        if not sample.ok or sample.at_s == self._seen_s:
            return
        self._seen_s = sample.at_s
        for group in self._settings.groups:
            rest = self._rest(group, sample.at_s)
            if rest is None or sample.at_s - rest.since_s < learning.SETTLE_S:
                continue
            now = self._look(group, sample)
            if now is not None:
                self._lessons = learning.watched(self._lessons, rest.look, now)
            rest.look = now

    async def _watch(self) -> None:
        while True:
            self.observe()
            await asyncio.sleep(self._settings.telemetry_interval_s)

    async def _share(self) -> None:
        while True:
            await asyncio.sleep(TELL_INTERVAL_S)
            await self.share()

    async def share(self) -> None:
        """Write the file and tell the controller, now."""
        # A slow disk must not hold up what watches over the GPUs.
        await asyncio.to_thread(self._memory.write, self._lessons)
        known = self.measured()
        for first in range(0, len(known), figures.MEASURED_MAX):
            await self._tell(messages.Learned(known[first : first + figures.MEASURED_MAX]))

    def _rest(self, group: GroupSettings, at_s: float) -> _Rest | None:
        """Since when the group rests as it does now; none while it does not."""
        reactor = self._reactors[group.name]
        state = reactor.state
        idle = state.phase is Phase.IDLE and state.active is None
        if not reactor.resumed or not (idle or state.phase is Phase.RUNNING):
            self._rests.pop(group.name, None)
            return None
        rest = self._rests.get(group.name)
        if rest is None or rest.ticket != state.ticket:
            rest = self._rests[group.name] = _Rest(state.ticket, at_s)
        return rest

    def _look(self, group: GroupSettings, sample: Sample) -> Look | None:
        active = self._reactors[group.name].state.active
        if active is None:
            return learning.look(Topic(group.name, None, ""), None, group.gpus, sample)
        for listed in group.workloads:
            if listed.name == active:
                topic = Topic(group.name, active, listed.profile)
                return learning.look(topic, listed.kind, group.gpus, sample)
        return None  # The journal may name what has left the rig's file since.

    def _topics(self) -> Iterator[Topic]:
        for group in self._settings.groups:
            yield Topic(group.name, None, "")
            yield from (Topic(group.name, w.name, w.profile) for w in group.workloads)

    def _groups(self, name: str) -> Iterator[GroupSettings]:
        return (group for group in self._settings.groups if group.name == name)
