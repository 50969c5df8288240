"""The journal: durable before it returns, and believed only where it can be."""

from __future__ import annotations

import os
import resource
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from agent.core import recovery
from agent.core.model import Desired, State
from agent.journal import COMPACT_LINES, SCHEMA, FileJournal, MemoryJournal
from agent.ports import Journal, JournalError
from tests.agent.scripts import running, switching
from wire.model import Outcome, Phase, Rejection, Result

SMALL_BYTES = 64 * 1024

STABLE = running("etc").state
MOVING = switching(Phase.STARTING).state
RICH = State(
    phase=Phase.PROBING,
    ticket=12,
    active="llama",
    target="llama",
    previous="etc",
    desired=Desired(generation=4, order_id="o", workload="llama", committed=True, reason="pays"),
    rejected=(Rejection("spare", "no share\nin 900 s"),),
    reason="größer",
    spent=((Phase.DRAINING, 1.5),),
    ended=Result.ROLLED_BACK,
    outcomes=(Outcome("o", "", 3, Result.DONE, None, "etc", ((Phase.TUNING, 0.1),), "x"),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "g0.log"


@pytest.fixture
def journal(path: Path) -> Iterator[FileJournal]:
    journal = FileJournal(path)
    yield journal
    journal.close()


def again(path: Path) -> State | None:
    """What the next agent reads."""
    return FileJournal(path).load()


def written(path: Path, *states: State) -> bytes:
    journal = FileJournal(path)
    for state in states:
        journal.append(state)
    journal.close()
    return path.read_bytes()


def line(payload: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


@pytest.mark.parametrize("state", [STABLE, MOVING, RICH, State()])
def test_the_newest_state_comes_back_whole(path: Path, state: State) -> None:
    written(path, STABLE, state)
    assert again(path) == state


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_new_group_has_no_state(path: Path, kind: str) -> None:
    journal: Journal = FileJournal(path) if kind == "file" else MemoryJournal()
    assert journal.load() is None


def test_the_journal_in_memory_keeps_the_same_promises() -> None:
    journal = MemoryJournal()
    for state in (STABLE, RICH):
        journal.append(state)
    assert journal.load() == RICH
    journal.refusal = "No space left on device"
    with pytest.raises(JournalError, match="No space"):
        journal.append(STABLE)
    assert journal.load() == RICH


def test_an_empty_file_cannot_be_believed(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    state = again(path)
    assert state == recovery.unknown(f"{path} has no whole line")
    assert state.phase is Phase.STOPPING


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_spoiled_journal_empties_the_gpus_and_can_be_written_again(path: Path, kind: str) -> None:
    journal: Journal = FileJournal(path) if kind == "file" else MemoryJournal()
    journal.append(MOVING)
    journal.append(STABLE)
    journal.spoil()
    spoiled = journal.load()
    assert spoiled is not None
    assert spoiled == recovery.unknown(spoiled.reason)
    journal.append(RICH)
    assert journal.load() == RICH
    if isinstance(journal, FileJournal):
        assert again(path) == RICH, "and for the next agent too"
        journal.close()


def test_a_file_that_cannot_even_be_spoiled_is_no_error(path: Path) -> None:
    path.mkdir(parents=True)
    FileJournal(path).spoil()


def test_a_torn_last_line_is_ignored_wherever_it_was_torn(path: Path) -> None:
    first = written(path, STABLE)
    whole = written(path, MOVING)
    for end in range(len(first), len(whole)):
        path.write_bytes(whole[:end])
        assert again(path) == STABLE, end


def test_zeros_after_a_power_cut_are_a_torn_line(path: Path) -> None:
    raw = written(path, STABLE)
    path.write_bytes(raw + bytes(512))
    assert again(path) == STABLE


def test_a_file_of_nothing_but_a_torn_line_cannot_be_believed(path: Path) -> None:
    path.write_bytes(written(path, STABLE)[:-5])
    assert again(path) == recovery.unknown(f"{path} has no whole line")


def test_what_follows_a_torn_line_is_not_glued_to_it(path: Path, journal: FileJournal) -> None:
    path.write_bytes(written(path, STABLE, MOVING)[:-7])
    assert journal.load() == STABLE
    journal.append(RICH)
    assert again(path) == RICH


def test_reading_changes_nothing_even_when_a_line_is_torn(path: Path) -> None:
    raw = written(path, STABLE, MOVING)[:-7]
    path.write_bytes(raw)
    path.chmod(0o400)
    assert again(path) == STABLE
    assert path.read_bytes() == raw


def test_a_wrong_checksum_in_the_middle_empties_the_gpus(path: Path) -> None:
    raw = bytearray(written(path, STABLE, MOVING, RICH))
    for position in (3, 40, raw.index(b"\n") + 30):
        damaged = bytearray(raw)
        damaged[position] ^= 1
        path.write_bytes(bytes(damaged))
        state = again(path)
        assert state is not None
        assert (state.phase, state.target, state.active) == (Phase.STOPPING, None, None)
        assert f"{path} cannot be believed" in state.reason


def test_a_whole_last_line_with_a_wrong_checksum_is_no_torn_one(path: Path) -> None:
    raw = bytearray(written(path, STABLE, MOVING))
    raw[-10] ^= 1
    path.write_bytes(bytes(raw))
    state = again(path)
    assert state is not None
    assert state.phase is Phase.STOPPING


def test_a_newer_schema_empties_the_gpus_and_names_both_numbers(path: Path) -> None:
    written(path, STABLE)
    payload = msgspec.json.encode([SCHEMA + 1, msgspec.to_builtins(RICH)])
    path.write_bytes(path.read_bytes() + line(payload))
    state = again(path)
    assert state is not None
    assert state.phase is Phase.STOPPING
    assert f"has schema {SCHEMA + 1}, this agent knows {SCHEMA}" in state.reason


@pytest.mark.parametrize(
    "payload",
    [
        b'[1,{"phase":"warming"}]',
        b'[1,{"ticket":"many"}]',
        b"[1]",
        b"{}",
        b"",
        b"no json",
        b'[1,{"reason":"\xff"}]',
    ],
)
def test_a_state_of_another_version_empties_the_gpus(path: Path, payload: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(line(payload))
    state = again(path)
    assert state is not None
    assert state.phase is Phase.STOPPING
    assert "cannot be believed" in state.reason


def test_what_cannot_be_read_at_all_empties_the_gpus(path: Path) -> None:
    path.mkdir(parents=True)
    state = again(path)
    assert state is not None
    assert (state.phase, "cannot be read" in state.reason) == (Phase.STOPPING, True)


def test_a_line_is_on_the_disk_before_append_returns(
    path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[tuple[bool, bytes]]()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        directory = os.path.isdir(f"/proc/self/fd/{descriptor}")  # noqa: PTH112
        fsync(descriptor)
        synced.append((directory, path.read_bytes()))

    monkeypatch.setattr(os, "fsync", watched)
    for state in (STABLE, MOVING):
        journal.append(state)
        assert synced[-1] == (False, path.read_bytes()), "the whole file was synced, last of all"
    assert [directory for directory, _ in synced] == [True, False, False]


def test_a_disk_that_does_not_sync_has_not_written(
    path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(STABLE)

    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        with pytest.raises(JournalError, match=r"cannot be written: Input/output error"):
            journal.append(RICH)
    assert again(path) == STABLE
    journal.append(MOVING)
    assert again(path) == MOVING


def test_a_directory_that_cannot_be_made_is_an_error_of_the_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file stands in the way")
    with pytest.raises(JournalError, match="cannot be written"):
        FileJournal(tmp_path / "journal" / "g0.log").append(STABLE)


# A full disk.


@contextmanager
def _limited() -> Iterator[None]:
    """No file may grow past this: the kernel writes what fits, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A real small disk where we may mount one, else a limit on files."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        with _limited():
            yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(journal: FileJournal) -> State:
    """Append until the disk refuses; the last state that was taken."""
    state = replace(MOVING, ticket=0)
    for ticket in range(1, 100_000):
        bigger = replace(state, ticket=ticket)
        try:
            journal.append(bigger)
        except JournalError:
            return state
        state = bigger
    raise AssertionError("the disk never filled")


@pytest.mark.parametrize("disk", ["mounted", "limited"])
def test_a_full_disk_refuses_whole_lines_and_keeps_what_it_had(tmp_path: Path, disk: str) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with _small_disk(folder) if disk == "mounted" else _limited():
        path = folder / "g0.log"
        journal = FileJournal(path)
        newest = _fill(journal)
        assert path.read_bytes().endswith(b"\n"), "no half line is left"
        assert again(path) == newest
        with pytest.raises(JournalError):
            journal.append(replace(newest, reason="x" * 1_000))
        assert again(path) == newest
        journal.close()


def test_a_disk_with_room_again_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "g0.log"
    journal = FileJournal(path)
    with _limited():
        _fill(journal)
    journal.append(RICH)
    assert again(path) == RICH
    journal.close()


def test_half_a_line_that_cannot_be_taken_back_is_mended_at_the_next_append(
    path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(STABLE)

    def broken(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", broken)
        patched.setattr(os, "ftruncate", broken)
        with pytest.raises(JournalError):
            journal.append(MOVING)
    path.write_bytes(path.read_bytes()[:-9])
    journal.append(RICH)
    assert again(path) == RICH


# Compaction.


def _long(journal: FileJournal) -> None:
    for ticket in range(COMPACT_LINES):
        journal.append(replace(MOVING, ticket=ticket))


def test_a_long_journal_is_rewritten_when_the_group_next_rests(
    path: Path, journal: FileJournal
) -> None:
    _long(journal)
    journal.append(MOVING)
    assert path.read_bytes().count(b"\n") == COMPACT_LINES + 1, "not in the middle of a switch"
    journal.append(STABLE)
    assert path.read_bytes().count(b"\n") == 1
    journal.append(RICH)
    assert again(path) == RICH


def test_a_restarted_agent_compacts_too(path: Path, journal: FileJournal) -> None:
    _long(journal)
    journal.close()
    successor = FileJournal(path)
    successor.load()
    successor.append(STABLE)
    assert path.read_bytes().count(b"\n") == 1
    successor.close()


def test_a_rewrite_that_fails_leaves_the_old_journal(
    path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _long(journal)

    def broken(_self: Path, _target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", broken)
        with pytest.raises(JournalError, match="No space"):
            journal.append(STABLE)
    assert again(path) == replace(MOVING, ticket=COMPACT_LINES - 1)
    journal.append(STABLE)
    assert again(path) == STABLE


def test_the_new_file_is_whole_on_the_disk_before_it_takes_the_old_ones_place(
    path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _long(journal)
    order = list[str]()
    fsync, take_place = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        order.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        order.append("replace")
        return take_place(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    journal.append(STABLE)
    assert order == ["sync .g0.log.new", "replace", "sync journal"]
