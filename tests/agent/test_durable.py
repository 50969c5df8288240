"""Files that hold through a power cut, and lines that show damage."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import durable


def test_a_file_is_replaced_whole_with_its_mode_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")
    durable.replace(path, b"new", mode=0o640, owner=(os.getuid(), os.getgid()))
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_when_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.replace(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_that_somebody_laid_is_not_followed(tmp_path: Path) -> None:
    precious, path = tmp_path / "precious", tmp_path / "file"
    precious.write_bytes(b"mine")
    (tmp_path / ".file.new").symlink_to(precious)
    durable.replace(path, b"new")
    assert precious.read_bytes() == b"mine"
    assert path.read_bytes() == b"new"
    assert not path.is_symlink()


payloads = st.binary().filter(lambda data: b"\n" not in data)


@given(payloads)
def test_a_line_gives_back_what_it_holds(payload: bytes) -> None:
    line = durable.line(payload)
    assert durable.payload(line) == durable.payload(line.removesuffix(b"\n")) == payload


@given(payloads, st.data())
def test_any_flipped_bit_is_noticed(payload: bytes, data: st.DataObject) -> None:
    line = bytearray(durable.line(payload)[:-1])
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match="wrong checksum"):
        durable.payload(bytes(line))
