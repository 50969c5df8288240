"""`rigshift-agent doctor`: what is wrong with this rig, and how to mend it.

Exit codes: 0 nothing is, 1 something is, 2 the rig's file cannot be used.
"""

from __future__ import annotations

import asyncio
import getpass
import textwrap
from argparse import Namespace
from collections.abc import Iterator

import msgspec

from agent.doctor import clock
from agent.doctor.access import Person
from agent.doctor.examination import Examination, examine
from agent.doctor.finding import Finding, Machine

OK, FAILED, UNUSABLE = 0, 1, 2

WIDTH_CHARS = 100
INDENT = "    "


def doctor(options: Namespace) -> int:
    """Examine the rig and tell."""
    machine = Machine()
    if not Person.named(machine.user).exists:
        # Not installed as a service: whoever asks is who runs the agent.
        machine = Machine(user=getpass.getuser())
    found = asyncio.run(examine(options.config, machine, clock.read()))
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        print("\n".join(_lines(found)))
    if not found.usable:
        return UNUSABLE
    return FAILED if found.findings else OK


def _lines(found: Examination) -> Iterator[str]:
    width = max((len(finding.name) for finding in found.findings), default=0)
    for finding in found.findings:
        yield from _finding(finding, width)
    for unseen in found.unseen:
        yield f"not looked at: {unseen.about}: {unseen.why}"
    count = len(found.findings)
    yield f"{count} fault{'s' if count > 1 else ''} found" if count else "nothing wrong was found"


def _finding(finding: Finding, width: int) -> Iterator[str]:
    gap = " " * (width + 2)
    first = f"{finding.name:<{width}}  {finding.about}: {finding.wrong}"
    yield from textwrap.wrap(first, WIDTH_CHARS, subsequent_indent=gap, break_on_hyphens=False)
    mend = f"{gap}→ {finding.mend}"
    yield from textwrap.wrap(
        mend, WIDTH_CHARS, subsequent_indent=f"{gap}  ", break_on_hyphens=False
    )
