"""What documents name exists: files of this repository, and tests."""

from __future__ import annotations

import re

import pytest

from tests.docs import markdown, repository
from tests.docs.repository import ROOT

DOCUMENTS = [str(path.relative_to(ROOT)) for path in repository.files(".md")]
FOLDERS = ("agent", "benchmarks", "controller", "deploy", "docs", "requirements", "tests", "wire")

PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w.@/-]+")
TEST = re.compile(r"(?<![\w.])test_\w+")
DEFINED = re.compile(r"^def (test_\w+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_that_is_named_exists(document: str) -> None:
    named = {path for text in markdown.code(ROOT / document) for path in PATH.findall(text)}
    assert [path for path in sorted(named) if not (ROOT / path.rstrip("./")).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_exists(document: str) -> None:
    named = {
        name
        for text in markdown.code(ROOT / document)
        if "/" not in text
        for name in TEST.findall(text)
    }
    defined = {
        name
        for path in repository.files(".py", ROOT / "tests")
        for name in DEFINED.findall(path.read_text(encoding="utf-8"))
    }
    assert sorted(named - defined) == []
