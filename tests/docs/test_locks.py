"""The locks: they pin everything by hash, agree with each other and with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.repository import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

HOLDS = {
    "agent": ("agent",),
    "controller": ("controller",),
    "demo": ("agent", "controller", "build"),
    "dev": ("agent", "controller", "dev"),
}
"""What each lock is for: extras and dependency groups, beside what both sides need."""

PIN = re.compile(r"[a-z0-9-]+==\S+ (?:; [^\\]+? )?(?: ?--hash=sha256:[0-9a-f]{64})+")


@pytest.mark.parametrize("lock", [*HOLDS, "lock"])
def test_a_lock_is_nothing_but_pins_with_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    lines = text.replace("\\\n", "").splitlines()
    assert lines
    assert [line for line in lines if not PIN.fullmatch(re.sub(" +", " ", line))] == []


@pytest.mark.parametrize("lock", HOLDS)
def test_a_lock_is_not_older_than_what_it_locks(lock: str) -> None:
    pins = _pins(lock)
    stale = [
        str(wanted)
        for wanted in _wanted(*HOLDS[lock])
        if not wanted.specifier.contains(pins.get(canonicalize_name(wanted.name), "0"))
    ]
    assert stale == [], "run `make lock`"


@pytest.mark.parametrize("lock", HOLDS)
def test_what_runs_is_what_was_tested(lock: str) -> None:
    assert _pins(lock).items() <= _pins("dev").items()


def _pins(lock: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def _wanted(*names: str) -> Iterator[Requirement]:
    project = PROJECT["project"]
    lists = {**project["optional-dependencies"], **PROJECT["dependency-groups"]}
    for entry in project["dependencies"]:
        yield Requirement(entry)
    for name in names:
        for entry in lists[name]:
            if isinstance(entry, dict):
                yield from _wanted(entry["include-group"])
            else:
                yield Requirement(entry)
