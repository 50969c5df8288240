"""The simulated disk keeps what POSIX promises, and loses all else."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from agent.core.model import State
from agent.journal import FileJournal
from agent.ports import JournalError
from tests.sim import disk
from tests.sim.disk import PowerCutError, SimDisk, SimOs
from wire.model import Phase

CUTS = range(40)
"""Enough chances for each thing that a power cut may do."""


@pytest.fixture(autouse=True)
def _mounted() -> Iterator[None]:
    with disk.mounted():
        yield


def after_cut(made: SimDisk, seed: int) -> State | None:
    made.cut_power(random.Random(seed))
    return FileJournal(made.path("g0.journal")).load()


def written(*states: State) -> SimDisk:
    made = SimDisk()
    journal = FileJournal(made.path("g0.journal"))
    for state in states:
        journal.append(state)
    return made


def test_what_was_acknowledged_outlives_every_power_cut() -> None:
    states = [State(ticket=ticket) for ticket in range(3)]
    assert all(after_cut(written(*states), seed) == states[-1] for seed in CUTS)


def test_unsynced_bytes_are_kept_torn_or_lost() -> None:
    sizes = set()
    for seed in CUTS:
        made = SimDisk()
        file = made.path("g0.journal").open("ab", buffering=0)
        SimOs().fsync(made.path("").parent)  # type: ignore[arg-type]
        file.write(b"0123456789")
        made.cut_power(random.Random(seed))
        sizes.add(len(made.path("g0.journal").read_bytes()))
    assert sizes >= {0, 5, 10}


def test_an_unsynced_name_can_vanish() -> None:
    found = set()
    for seed in CUTS:
        made = SimDisk()
        made.path("g0.journal").open("ab", buffering=0)
        made.cut_power(random.Random(seed))
        found.add(made.path("g0.journal").exists())
    assert found == {True, False}


def test_a_full_disk_refuses_and_takes_nothing() -> None:
    made = written(State(ticket=1))
    journal = FileJournal(made.path("g0.journal"))
    made.refusal = "No space left on device"
    with pytest.raises(JournalError, match="No space left"):
        journal.append(State(ticket=2))
    made.refusal = None
    assert FileJournal(made.path("g0.journal")).load() == State(ticket=1)
    journal.append(State(ticket=3))
    assert FileJournal(made.path("g0.journal")).load() == State(ticket=3)


def dying_at(operation: int, seed: int) -> State | None:
    """What a power cut leaves when a line's way to the disk is cut short at this operation."""
    made = written(State(ticket=1))
    made.fuse = operation
    with pytest.raises(PowerCutError):
        FileJournal(made.path("g0.journal")).append(State(ticket=2))
    return after_cut(made, seed)


def test_a_line_that_was_cut_short_is_there_or_it_is_not() -> None:
    """Opening, syncing the name, writing, syncing the line: four chances to die."""
    found = [dying_at(operation, seed) for operation in (1, 2, 3, 4) for seed in CUTS]
    assert {state.ticket for state in found if state is not None} == {1, 2}
    assert None not in found


def test_a_flipped_bit_never_makes_up_a_state() -> None:
    states = [State(ticket=ticket, reason="because") for ticket in range(3)]
    for seed in range(200):
        made = written(*states)
        assert made.rot(random.Random(seed))
        loaded = FileJournal(made.path("g0.journal")).load()
        assert loaded is not None
        assert loaded in states or loaded.phase is Phase.STOPPING


def test_another_disk_is_empty() -> None:
    made = written(State(ticket=1))
    made.wipe()
    assert FileJournal(made.path("g0.journal")).load() is None
    assert not made.rot(random.Random(0))
