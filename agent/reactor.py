"""One task per GPU group: event → step → journal → perform. Nothing is performed unjournaled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from agent.core import machine, parking, recovery
from agent.core.effects import Effect, Watch
from agent.core.model import (
    Acknowledged,
    Answer,
    Assigned,
    Derated,
    Event,
    Failed,
    Faulted,
    Freed,
    Locked,
    Rules,
    State,
    Tripped,
)
from agent.performer import Performer
from agent.ports import DriverError, Journal, JournalError
from wire import logs
from wire.model import Outcome

QUEUE_MAX = 256
"""Events waiting for a group; more are dropped, for whoever posts from outside repeats.

What an effect came to is never dropped: nobody would say it again.
"""

JOURNAL_RETRY_S = 2.0
"""After a refused journal line; a full disk does not empty itself faster."""

LOOK_RETRY_S = 2.0
"""After whoever runs the workloads could not be asked; it may be starting itself."""

WATCH_RETRY_S = 5.0
"""After a driver crashed while it watched a workload that may well go on."""


class Reactor:
    """Drives one group's switch machine."""

    def __init__(
        self,
        group: str,
        rules: Rules,
        journal: Journal,
        performer: Performer,
        *,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.group = group
        self.state = State()
        self.resumed = False
        """Whether `state` is true yet; until then nobody may be told of it."""
        self.fault = ""
        """Why it cannot take up its work, or make its newest state durable; empty when it can."""
        self.handled = 0
        """Events seen through so far."""
        self.safety_actions: Counter[str] = Counter()
        """What safety has made of the group: `derate`, `restore`, `restart`, `stop`."""
        self.on_outcome: Callable[[str, Outcome], None] = _unheard
        """Told of every assignment that ends, with the group."""
        self._rules = rules
        self._journal = journal
        self._performer = performer
        self._clock = clock
        self._changed = changed
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._deferred: set[Event] = set()
        """Words from outside that the journal refused and that will be tried again."""
        self._danger: Tripped | None = None
        """What safety demanded before the work was taken up."""
        self._effect: asyncio.Task[None] | None = None
        self._log = logs.get("reactor", group=group)

    @property
    def settled(self) -> bool:
        """Whether it has taken up its work, or says in `fault` why it cannot yet."""
        return self.resumed or bool(self.fault)

    @property
    def waiting(self) -> int:
        """Events that nothing but the reactor itself keeps from being handled."""
        return self._queue.qsize() if self.resumed else 0

    def post(self, event: Event) -> None:
        """Tell the group a fact; never blocks."""
        if isinstance(event, Tripped) and not self.resumed:
            self._danger = event
        elif self._queue.qsize() < QUEUE_MAX:
            self._queue.put_nowait(event)
        else:
            self._log.warning("event dropped", event_type=type(event).__name__)

    async def look_at_lock(self) -> None:
        """Ask once whether what runs is locked. What cannot be told changes nothing."""
        known = self.state.lock
        name = self.state.active if known is None else known.workload
        if not self.resumed or name is None:
            return
        reason = await self._performer.lock(name)
        if reason:
            self.post(Locked(name, reason))
        elif reason is not None and known is not None:
            self.post(Freed(name))

    async def keep_out(self) -> None:
        """See that nobody else has started anything here, where the group rests."""
        if not self.resumed or not self.state.phase.stable:
            return
        try:
            for name in await self._performer.keep_out((self.state.active, self.state.target)):
                self._log.warning("ended what somebody else had started", workload=name)
        except DriverError as error:
            self._log.error("cannot end what somebody else has started", error=str(error))

    async def run(self) -> None:
        """Resume where the journal ends, then follow events for ever."""
        try:
            await self._resume()
            while True:
                await self._handle(await self._queue.get())
                self.handled += 1
        finally:
            await self._cancel_effect()

    async def _resume(self) -> None:
        before = self._journal.load() or State()
        alive, sleeps = await self._look(before)
        after = recovery.resume(before, alive, self._rules, self._clock(), sleeps=sleeps)
        while not self._journaled(after):
            # A stop does not wait for room on the disk, neither a new one nor one that an earlier
            # agent could not write: of that one nothing is left but a journal beyond belief.
            stopped = self._stopped(after) if self._danger else after
            urgent = bool(stopped.tripped) and not stopped.phase.stable
            if urgent or recovery.is_unknown(before):
                if not after.tripped:
                    self._journal.spoil()
                after = stopped
                break
            await asyncio.sleep(JOURNAL_RETRY_S)
        self._log.info("resumed", journal=before.phase, alive=sorted(alive), phase=after.phase)
        self.state, self.resumed = after, True
        if self._danger is not None:
            self._queue.put_nowait(self._danger)
        self._changed()
        self._perform()

    def _stopped(self, state: State) -> State:
        assert self._danger is not None
        return machine.step(state, self._danger, self._rules, self._clock())

    async def _look(self, before: State) -> tuple[frozenset[str], bool]:
        """What runs, and whether the sleeper sleeps; one that is awake beside others is ended.

        It is asked until it is told, for a guess could put two workloads on one GPU.
        """
        parked = None if parking.wakes(before) else before.parked
        while True:
            try:
                sleeps = parked is not None and await self._performer.tended(parked)
                return await self._performer.alive(), sleeps
            except DriverError as error:
                self._complain(f"cannot tell what runs: {error}")
            await asyncio.sleep(LOOK_RETRY_S)

    async def _handle(self, event: Event) -> None:
        before = self.state
        after = machine.step(before, event, self._rules, self._clock())
        if after is before:
            return
        if not self._journaled(after):
            if not _is_emergency(before, after):
                await self._refused(event)
                return
            # Safety stops a group even when the disk is full. What the journal still says must
            # not be believed after that, or the next agent would start the workload again.
            self._journal.spoil()
        self.state = after
        self._count(before, event)
        for outcome in after.outcomes:
            if outcome not in before.outcomes:
                self.on_outcome(self.group, outcome)
        if after.ticket != before.ticket:
            self._log.info(
                "phase", phase=after.phase, was=before.phase, workload=after.target,
                generation=after.desired.generation, order_id=after.desired.order_id,
                reason=after.reason,
            )  # fmt: skip
            await self._cancel_effect()
            self._perform()
        elif after.reason != before.reason:
            self._log.warning(
                "noted", phase=after.phase, workload=after.active, reason=after.reason
            )
        self._changed()

    def _count(self, before: State, event: Event) -> None:
        match event:
            case Tripped(reason=reason):
                action = "stop"
            case Faulted(reason=reason):
                action = "restart"
            case Derated(step=step, reason=reason):
                action = "derate" if step > (before.derate or 0) else "restore"
            case _:
                return
        self.safety_actions[action] += 1
        self._log.warning("safety", action=action, workload=before.active, reason=reason)

    def _journaled(self, state: State) -> bool:
        try:
            self._journal.append(state)
        except JournalError as error:
            self._complain(f"journal: {error}")
            return False
        self.fault = ""
        return True

    async def _refused(self, event: Event) -> None:
        """See that it is said again. What is left out is: its source repeats it."""
        if isinstance(event, Answer):
            # Once there is room an old answer proves nothing: the GPUs may be held again.
            await self._cancel_effect()
            self._perform(pause_s=JOURNAL_RETRY_S)
        elif isinstance(event, Assigned | Acknowledged | Tripped):
            self._defer(event)

    def _complain(self, fault: str) -> None:
        if fault != self.fault:
            self._log.error("held up", error=fault, phase=self.state.phase)
        self.fault = fault
        self._changed()

    def _defer(self, event: Event) -> None:
        """Try again later, once however often the same is said meanwhile."""
        # A temperature is told anew with every sample; one reason to stop is enough.
        known = isinstance(event, Tripped) and any(isinstance(e, Tripped) for e in self._deferred)
        if not known and event not in self._deferred:
            self._deferred.add(event)
            asyncio.get_running_loop().call_later(JOURNAL_RETRY_S, self._try_again, event)

    def _try_again(self, event: Event) -> None:
        self._deferred.discard(event)
        self._queue.put_nowait(event)

    def _perform(self, pause_s: float = 0.0) -> None:
        effect = machine.effect(self.state)
        if effect is not None:
            name = f"{self.group}:{type(effect).__name__}"
            self._effect = asyncio.create_task(self._guarded(effect, pause_s), name=name)

    async def _guarded(self, effect: Effect, pause_s: float) -> None:
        """A bug in one driver must not take the rig's other groups with it."""
        # Also without a pause a word that waits already overtakes the effect: nothing of it begins.
        await asyncio.sleep(pause_s)
        while True:
            try:
                return await self._performer.perform(effect, self._queue.put_nowait)
            except Exception as error:  # noqa: BLE001 - the one guard between drivers and the rig
                self._log.error("driver crashed", exc_info=error, effect=type(effect).__name__)
                if not isinstance(effect, Watch):
                    self._queue.put_nowait(Failed(effect.ticket, f"internal error: {error!r}"))
                    return None
            await asyncio.sleep(WATCH_RETRY_S)

    async def _cancel_effect(self) -> None:
        """The next effect begins only when the last one has let go."""
        task, self._effect = self._effect, None
        if task is None or task.done():
            return
        task.cancel()
        await asyncio.wait([task])


def _is_emergency(before: State, after: State) -> bool:
    """Whether safety has just stopped what runs, or keeps it from starting.

    A group that is given up with nothing on it can wait until its journal can be written.
    """
    return bool(after.tripped) and not before.tripped and not after.phase.stable


def _unheard(_group: str, _outcome: Outcome) -> None:
    """Nobody listens."""
