"""Modules stay small: whatever grows past the limit has more than one thing to say."""

from __future__ import annotations

from tests.docs import repository
from tests.docs.repository import ROOT

LINES_MAX = 300
TEST_LINES_MAX = 450
"""Test modules are read one test at a time."""

FOLDERS = ("agent", "benchmarks", "controller", "tests", "wire")

ALLOWED_LINES: dict[str, int] = {}
"""Modules that have a good reason, and how far they may go."""


def test_no_module_is_too_long() -> None:
    too_long = {name: lines for name, lines in _modules().items() if lines > _limit(name)}
    assert too_long == {}


def test_no_module_is_allowed_more_than_it_needs() -> None:
    modules = _modules()
    needless = [name for name in ALLOWED_LINES if modules.get(name, 0) <= LINES_MAX]
    assert needless == []


def _limit(name: str) -> int:
    usual = TEST_LINES_MAX if name.rpartition("/")[2].startswith("test_") else LINES_MAX
    return ALLOWED_LINES.get(name, usual)


def _modules() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for folder in FOLDERS
        if (ROOT / folder).is_dir()
        for path in repository.files(".py", ROOT / folder)
    }
