"""Bugs planted in the agent's shell: reactor, performer and journal."""

from __future__ import annotations

import asyncio
from typing import Any, BinaryIO

from agent import durable, journal
from agent.core.effects import Effect, Stop, Tune, Vacate
from agent.core.model import Event, State, Succeeded
from agent.core.workload import Workload
from agent.journal import FileJournal
from agent.performer import Emit, Performer
from agent.ports import Driver, Tuner
from agent.reactor import Reactor
from agent.shutdown import Shutdown, Tell
from agent.sleeper import Sleeper
from agent.tuning import Tuning
from agent.vacancy import Vacancy
from tests.sim.mutants.planting import Mutant, Swaps


def _nothing_journaled(swaps: Swaps) -> None:
    swaps.attribute(Reactor, "_journaled", lambda self, state: True)


def _refusal_ignored(swaps: Swaps) -> None:
    journaled = Reactor._journaled

    def anyway(self: Reactor, state: State) -> bool:
        journaled(self, state)
        return True

    swaps.attribute(Reactor, "_journaled", anyway)


def _refused_event_dropped(swaps: Swaps) -> None:
    async def dropped(self: Reactor, event: Event) -> None:
        """Nobody says it again."""

    swaps.attribute(Reactor, "_refused", dropped)


def _emergency_not_durable(swaps: Swaps) -> None:
    journaled = Reactor._journaled

    def hurried(self: Reactor, state: State) -> bool:
        return journaled(self, state) or bool(state.tripped)

    swaps.attribute(Reactor, "_journaled", hurried)


def _spoiling_forgotten(swaps: Swaps) -> None:
    swaps.attribute(FileJournal, "spoil", lambda self: None)


def _effects_overlap(swaps: Swaps) -> None:
    async def go_on(self: Reactor) -> None:
        self._effect = None

    swaps.attribute(Reactor, "_cancel_effect", go_on)


def _os() -> Any:
    """The journal's own, whoever stands in for it."""
    return journal.__dict__["os"]


def _not_synced(swaps: Swaps) -> None:
    def append(self: FileJournal, line: bytes) -> None:
        file = self._opened()
        start = file.tell()
        if file.write(line) != len(line):
            _os().ftruncate(file.fileno(), start)
            raise OSError(28, "No space left on device")
        self._lines += 1

    swaps.attribute(FileJournal, "_append", append)


def _short_write_accepted(swaps: Swaps) -> None:
    def append(self: FileJournal, line: bytes) -> None:
        file = self._opened()
        file.write(line)
        _os().fsync(file.fileno())
        self._lines += 1

    swaps.attribute(FileJournal, "_append", append)


def _directory_not_synced(swaps: Swaps) -> None:
    swaps.attribute(durable, "sync_directory", lambda path: None)


def _renaming_not_synced(swaps: Swaps) -> None:
    opened = FileJournal._opened

    def trusting(self: FileJournal) -> BinaryIO:
        if self._file is not None or not self._path.exists():
            return opened(self)
        sync = durable.sync_directory
        durable.sync_directory = lambda path: None
        try:
            return opened(self)
        finally:
            durable.sync_directory = sync

    swaps.attribute(FileJournal, "_opened", trusting)


def _torn_line_glued(swaps: Swaps) -> None:
    load = FileJournal.load

    def careless(self: FileJournal) -> State | None:
        state = load(self)
        self._whole_bytes = None
        return state

    swaps.attribute(FileJournal, "load", careless)


def _checksum_ignored(swaps: Swaps) -> None:
    swaps.attribute(durable, "payload", lambda line: line.partition(b" ")[2])


def _rewritten_in_place(swaps: Swaps) -> None:
    def rewrite(self: FileJournal, line: bytes) -> None:
        self.close()
        with self._path.open("wb") as file:
            file.write(line)
            _os().fsync(file.fileno())
        self._lines = 1

    swaps.attribute(FileJournal, "_rewrite", rewrite)


def _spoiled_file_kept(swaps: Swaps) -> None:
    newest = FileJournal._newest

    def forgiving(self: FileJournal, lines: list[bytes]) -> State:
        state = newest(self, lines)
        self._spoiled = False
        return state

    swaps.attribute(FileJournal, "_newest", forgiving)


def _vacancy_assumed(swaps: Swaps) -> None:
    async def nobody(self: Vacancy, sleeper: Sleeper | None = None) -> str:
        return ""

    swaps.attribute(Vacancy, "holder", nobody)


def _unseen_is_empty(swaps: Swaps) -> None:
    holder = Vacancy.holder

    async def optimist(self: Vacancy, sleeper: Sleeper | None = None) -> str:
        found = await holder(self, sleeper)
        return "" if "not be seen" in found else found

    swaps.attribute(Vacancy, "holder", optimist)


def _memory_overlooked(swaps: Swaps) -> None:
    holder = Vacancy.holder

    async def by_processes(self: Vacancy, sleeper: Sleeper | None = None) -> str:
        found = await holder(self, sleeper)
        return "" if "no process" in found else found

    swaps.attribute(Vacancy, "holder", by_processes)


class _NeverNeutral:
    def __init__(self, tuner: Tuner) -> None:
        self.apply = tuner.apply
        self.derate = tuner.derate

    async def neutral(self, gpus: tuple[str, ...]) -> None:
        """Leaves the old workload's settings on."""


def _not_made_neutral(swaps: Swaps) -> None:
    vacate = Performer._vacate

    async def hasty(self: Performer, effect: Vacate, limit_s: float) -> None:
        if not isinstance(self._tuning._tuner, _NeverNeutral):
            self._tuning._tuner = _NeverNeutral(self._tuning._tuner)
        await vacate(self, effect, limit_s)

    swaps.attribute(Performer, "_vacate", hasty)


def _profile_not_applied(swaps: Swaps) -> None:
    attempt = Performer._attempt

    async def lazy(self: Performer, effect: Effect, emit: Emit) -> Event:
        if isinstance(effect, Tune):
            return Succeeded(effect.ticket)
        return await attempt(self, effect, emit)

    swaps.attribute(Performer, "_attempt", lazy)


def _proven_at_once(swaps: Swaps) -> None:
    async def glance(self: Performer, driver: Driver, workload: Workload) -> None:
        while not (await driver.probe(workload)).ready:  # noqa: ASYNC110 - as the real one
            await asyncio.sleep(0.5)

    swaps.attribute(Performer, "_prove", glance)


def _only_first_stopped(swaps: Swaps) -> None:
    async def stop(self: Shutdown, effect: Stop, tell: Tell) -> bool:
        await self.end(self._group.workloads[0], urgent=effect.urgent)
        return False

    swaps.attribute(Shutdown, "run", stop)


def _no_deadlines(swaps: Swaps) -> None:
    work = Performer._work

    def patient(self: Performer, effect: Effect, emit: Emit) -> Any:
        return float("inf"), work(self, effect, emit)[1]

    swaps.attribute(Performer, "_work", patient)


def _errors_swallowed(swaps: Swaps) -> None:
    attempt = Performer._attempt

    async def cheerful(self: Performer, effect: Effect, emit: Emit) -> Event:
        await attempt(self, effect, emit)
        return Succeeded(effect.ticket)

    swaps.attribute(Performer, "_attempt", cheerful)


def _exit_unseen(swaps: Swaps) -> None:
    async def asleep(self: Performer, ticket: int, workload: Workload, emit: Emit) -> None:
        await asyncio.Future()

    swaps.attribute(Performer, "_watch", asleep)


def _derated_too_far(swaps: Swaps) -> None:
    derate = Tuning.derate

    async def eager(self: Tuning, workload: Workload, step: int) -> str:
        return await derate(self, workload, step + 1)

    swaps.attribute(Tuning, "derate", eager)


MUTANTS = (
    Mutant("derated-too-far", "a power limit is lowered as the journal says", _derated_too_far),
    Mutant("nothing-journaled", "a line comes before its effect", _nothing_journaled),
    Mutant("refusal-ignored", "a refused line stops the group", _refusal_ignored),
    Mutant("refused-event-dropped", "a refused event is tried again", _refused_event_dropped),
    Mutant("emergency-not-durable", "no end is told undurably", _emergency_not_durable),
    Mutant("spoiling-forgotten", "a stop that was not written is not undone", _spoiling_forgotten),
    Mutant("effects-overlap", "the last effect has let go first", _effects_overlap),
    Mutant("not-synced", "a line is synced", _not_synced),
    Mutant("short-write-accepted", "half a line is no line", _short_write_accepted),
    Mutant("directory-not-synced", "a new file's name is synced", _directory_not_synced),
    Mutant("renaming-not-synced", "a name is synced by who finds it", _renaming_not_synced),
    Mutant("torn-line-glued", "a torn line is cut off", _torn_line_glued),
    Mutant("checksum-ignored", "a line is checked", _checksum_ignored),
    Mutant("rewritten-in-place", "a file is replaced as a whole", _rewritten_in_place),
    Mutant("spoiled-file-kept", "a spoiled file is written anew", _spoiled_file_kept),
    Mutant("vacancy-assumed", "GPUs are seen empty", _vacancy_assumed),
    Mutant("unseen-is-empty", "what cannot be seen is not empty", _unseen_is_empty),
    Mutant("memory-overlooked", "memory without a process counts", _memory_overlooked),
    Mutant("not-made-neutral", "settings are taken back", _not_made_neutral),
    Mutant("profile-not-applied", "a workload runs under its own settings", _profile_not_applied),
    Mutant("proven-at-once", "ready means ready for a while", _proven_at_once),
    Mutant("only-first-stopped", "everything of a group is stopped", _only_first_stopped),
    Mutant("no-deadlines", "every verb has a deadline", _no_deadlines),
    Mutant("errors-swallowed", "a driver's error is a failure", _errors_swallowed),
    Mutant("exit-unseen", "an exit is noticed", _exit_unseen),
)
