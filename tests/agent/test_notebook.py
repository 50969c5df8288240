"""Lessons outlive the agent; a file that cannot be believed is forgotten, and nothing crashes."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agent.core.estimate import Estimate
from agent.core.learning import Lesson, Lessons, Quantity, Topic
from agent.notebook import FILE_BYTES_MAX, Notebook
from wire.model import Phase

LESSONS: Lessons = {
    Topic("g0", None, ""): Lesson(
        Topic("g0", None, ""), None, {Quantity.BUSY_W: Estimate((14.5, 15.0), 40)}
    ),
    Topic("g0", "etc", "eco"): Lesson(
        Topic("g0", "etc", "eco"),
        "etchash",
        {Quantity.HASHRATE: Estimate((6e7,), 1)},
        {Phase.STOPPING: Estimate((3.0, 3.5), 2)},
    ),
}


def test_lessons_come_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "learned.json"
    assert Notebook(path).read() == {}
    Notebook(path).write(LESSONS)
    Notebook(path).write(LESSONS)
    assert Notebook(path).read() == LESSONS
    assert [file.name for file in path.parent.iterdir()] == ["learned.json"]


def signed(payload: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(payload), payload)


TOPIC = b'{"group":"g0","workload":"etc","profile":""}'
LESSON = b'{"topic":%s,"quantities":{"gpu_busy_w":{"recent":[%s],"samples":%s}}}'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "checksum"),
        (b"\xff\x00 garbage", "checksum"),
        (b"0" * (FILE_BYTES_MAX + 1), "more than"),
        (signed(b"[1]"), "another version"),
        (signed(b"[" * 100_000), "another version"),
        (signed(b"[2,[]]"), "schema 2"),
        (signed(b"[1,[%s]]" % (LESSON % (TOPIC, b"-1", b"5"))), "nothing measures"),
        (signed(b"[1,[%s]]" % (LESSON % (TOPIC, b"1,2,3", b"2"))), "nothing measures"),
    ],
)
def test_a_file_that_cannot_be_believed_is_forgotten_with_a_line(
    tmp_path: Path, content: bytes, why: str
) -> None:
    path = tmp_path / "learned.json"
    path.write_bytes(content)
    with capture_logs() as lines:
        assert Notebook(path).read() == {}
    assert [line["event"] for line in lines] == ["forgotten"]
    assert why in lines[0]["reason"]


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "learned.json"
    Notebook(path).write(LESSONS)
    whole = path.read_bytes().rstrip(b"\n")
    for place in range(len(whole)):
        path.write_bytes(bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]]))
        assert Notebook(path).read() == {}, place


def test_what_cannot_be_written_or_read_is_only_logged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with capture_logs() as lines:
        Notebook(tmp_path / "file" / "learned.json").write(LESSONS)
        assert Notebook(tmp_path).read() == {}
    assert [line["event"] for line in lines] == ["not written", "forgotten"]
