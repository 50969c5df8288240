"""Whether a server gave the known answer: the one place that judges what a model says."""

from __future__ import annotations

import re

from agent.core.workload import Readiness

_SHOWN_CHARS = 80
"""Of an answer, in reasons."""

_JUDGED_CHARS = 4096
"""Of an answer; a pattern must not have a whole book to search."""


def fault(text: str, readiness: Readiness) -> str:
    """What is wrong with an answer, in one clause; empty when it is as expected."""
    shown, judged = text[:_SHOWN_CHARS], text[:_JUDGED_CHARS]
    if readiness.expect not in judged:
        return f"the answer {shown!r} lacks {readiness.expect!r}"
    if not re.search(readiness.expect_pattern, judged):
        return f"the answer {shown!r} does not match {readiness.expect_pattern!r}"
    return ""


def shown(text: str) -> str:
    """As much of an answer as people need."""
    return repr(text[:_SHOWN_CHARS])
