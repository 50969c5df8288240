"""The error messages that docs/operations.md explains are those that the programs give."""

from __future__ import annotations

import ast
import re

from tests.docs import repository
from tests.docs.repository import ROOT

ELLIPSIS = "…"


def test_every_message_that_is_explained_is_given_somewhere() -> None:
    given = "\n".join(_texts())
    missing = [
        message
        for message in _explained()
        if not all(part in given for part in message.split(ELLIPSIS))
    ]
    assert missing == []


def test_many_messages_are_explained() -> None:
    assert len(_explained()) > 30


def _explained() -> list[str]:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## Error messages\n")
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def _texts() -> list[str]:
    """Every string in the programs, the parts of formatted ones apart."""
    return [
        node.value
        for folder in ("agent", "controller", "wire")
        for path in repository.files(".py", ROOT / folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
